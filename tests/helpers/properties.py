"""Numbers of examples of property tests."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100  # what Hypothesis tries


def examples(number: int) -> int:
    """Return `number`, or ten times that where `nox -s explore` runs the test."""
    return number * settings().max_examples // _USUAL
