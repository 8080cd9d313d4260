"""The hooks that a plugin module may implement: one for each kind of plugin, each returning a list of entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from asdkit.commands import PROJECT, Command

if TYPE_CHECKING:
    from asdkit.interfaces import Entry

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def asdkit_featurizers() -> list[Entry]:  # type: ignore[empty-body]
    """Featurizers compute frames from a wave, such as a log-mel spectrogram."""


@hookspec
def asdkit_augmenters() -> list[Entry]:  # type: ignore[empty-body]
    """Augmenters change training data, so that a detector generalises better from the same recordings."""


@hookspec
def asdkit_detectors() -> list[Entry]:  # type: ignore[empty-body]
    """Detectors are fitted on normal recordings and score how anomalous each window is."""


@hookspec
def asdkit_fusers() -> list[Entry]:  # type: ignore[empty-body]
    """Fusers combine the clip scores of several detectors into one score."""


@hookspec
def asdkit_layouts() -> list[Entry]:  # type: ignore[empty-body]
    """Layouts find the clips of a data folder: their machines, ids, splits, labels, domains and attributes."""


@hookspec
def asdkit_commands() -> list[Command]:  # type: ignore[empty-body]
    """Commands add a word to the command line; their module is named in the group ``asdkit.commands``."""
