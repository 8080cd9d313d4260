"""Figures printed as they are found, each beside what is demanded of it."""

from __future__ import annotations


class Figures:
    """Prints figures and keeps which were not met."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def tell(self, name: str, value: object, demand: str = "", met: bool = True) -> None:
        """Print a figure, and what is demanded of it."""
        verdict = "" if not demand else f"   (demanded: {demand}{'' if met else ': NOT MET'})"
        print(f"{name}: {value}{verdict}", flush=True)
        if not met:
            self.missed.append(name)

    @property
    def exit_code(self) -> int:
        return 1 if self.missed else 0
