"""Plugins that are broken on purpose, and the sound plugins that they are made from.

Each mutant names the check that must catch it and a check that must not, one that looks at something near.
``nox -s mutants`` runs all checks on all mutants: no other check may catch one.
"""

from __future__ import annotations

from dataclasses import dataclass

from asdkit.api import Entry


@dataclass(frozen=True)
class Mutant:
    """A broken plugin, the check that must catch it, and one that must not."""

    kind: str
    caught_by: str
    not_by: str
    entry: Entry

    def __str__(self) -> str:
        names = {self.entry.config.__name__, self.entry.target.__name__} - _SOUND
        return f"{self.kind}-{self.caught_by}-{'-'.join(sorted(names))}"


MUTANTS: list[Mutant] = []

_SOUND = {
    "Detector",
    "Featurizer",
    "FittedFeaturizer",
    "FlatLayout",
    "Fuser",
    "WaveAugmenter",
    "WindowAugmenter",
    "SoundConfig",
    "FeaturizerConfig",
    "FuserConfig",
    "LayoutConfig",
    "WaveConfig",
    "WindowConfig",
}


def add(kind: str, caught_by: str, not_by: str, config: type, target: type) -> None:
    """List a mutant."""
    name = caught_by.replace("_", "-")
    MUTANTS.append(Mutant(kind, caught_by, not_by, Entry(name, config, target, summary="Broken on purpose.")))
