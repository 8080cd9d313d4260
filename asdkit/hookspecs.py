"""The hooks that a plugin may implement: four lists of entries, one for each kind of plugin."""

from __future__ import annotations

import pluggy

from asdkit.interfaces import PROJECT, Entry

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def asdkit_featurizers() -> list[Entry]:  # type: ignore[empty-body]
    """Turn a wave into frames, such as a log-mel spectrogram."""


@hookspec
def asdkit_augmenters() -> list[Entry]:  # type: ignore[empty-body]
    """Change training data, so that a detector learns more from the same recordings."""


@hookspec
def asdkit_detectors() -> list[Entry]:  # type: ignore[empty-body]
    """Learn from normal recordings; say how anomalous a window is."""


@hookspec
def asdkit_fusers() -> list[Entry]:  # type: ignore[empty-body]
    """Combine the clip scores of several detectors into one."""
