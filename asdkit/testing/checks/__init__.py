"""The checks, one subject a file; importing them lists them, in the order that they run in."""

# ruff: noqa: I001 (the order is that of the reports)
from asdkit.testing.checks import options
from asdkit.testing.checks import learning
from asdkit.testing.checks import scoring
from asdkit.testing.checks import io

__all__ = ["io", "learning", "options", "scoring"]
