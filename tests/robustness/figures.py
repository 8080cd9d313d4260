"""Figures, each printed beside what is demanded of it."""

from __future__ import annotations


class Figures:
    """Prints figures and records which miss their demand."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def report(self, name: str, value: object, demand: str = "", met: bool = True) -> None:
        """Print a figure and its demand."""
        verdict = "" if not demand else f"   (demanded: {demand}{'' if met else ': NOT MET'})"
        print(f"{name}: {value}{verdict}", flush=True)
        if not met:
            self.missed.append(name)

    @property
    def exit_code(self) -> int:
        """1 if a figure misses its demand."""
        return 1 if self.missed else 0
