"""Plugins that are broken on purpose, one for each conformance check, and the sound ones that they are made from."""

from __future__ import annotations

from dataclasses import dataclass

from asdkit.api import Entry


@dataclass(frozen=True)
class Mutant:
    """A broken plugin, and the one check that must catch it."""

    check: str
    kind: str
    entry: Entry


MUTANTS: list[Mutant] = []


def add(check: str, kind: str, config: type, target: type) -> None:
    """List a mutant."""
    name = check.replace("_", "-")
    MUTANTS.append(Mutant(check, kind, Entry(name, config, target, summary="Broken on purpose.")))
