"""The nearest right name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """``'; did you mean "x"?'`` where `known` has something like `name`, else the list of what there is."""
    choices = list(known)
    match = get_close_matches(name, choices, n=1, cutoff=0.6)
    if match:
        return f'; did you mean "{match[0]}"?'
    return f"; expected one of: {', '.join(choices)}" if choices else ""
