"""The checks, one subject a file; importing them lists them, in the order that they run in."""

# ruff: noqa: I001 (the order is that of the reports)
from asdkit.testing.checks import registering
from asdkit.testing.checks import options
from asdkit.testing.checks import contract
from asdkit.testing.checks import learning
from asdkit.testing.checks import scoring
from asdkit.testing.checks import fusing
from asdkit.testing.checks import featurising
from asdkit.testing.checks import augmenting
from asdkit.testing.checks import state
from asdkit.testing.checks import edges
from asdkit.testing.checks import surroundings

__all__ = [
    "augmenting",
    "contract",
    "edges",
    "featurising",
    "fusing",
    "learning",
    "options",
    "registering",
    "scoring",
    "state",
    "surroundings",
]
