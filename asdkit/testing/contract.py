"""The definition of a check, and its outcomes other than success."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asdkit.plugins import KINDS, Kind


class Failed(AssertionError):
    """The plugin breaks its contract; the message says how, and what to do."""


class Inapplicable(Exception):
    """The check does not apply to the plugin; the message says why."""


@dataclass(frozen=True)
class Check:
    """One demand on plugins of some kinds.

    Attributes
    ----------
    run
        Takes a `asdkit.testing.subject.Subject` of such a kind; raises `Failed` or `Inapplicable`.
    kinds
        Kinds of plugins that the check is for.
    method
        Method that a failure points to where no line raised an exception; ``""``: the one that gives the results.
    about_options
        Whether a failure points to the class of the options instead.
    """

    run: Callable[[Any], None]
    kinds: tuple[Kind, ...] = KINDS
    method: str = ""
    about_options: bool = False

    @property
    def name(self) -> str:
        """Name in ``checks``, ``expected_failures`` and reports: that of the function."""
        return self.run.__name__

    @property
    def about(self) -> str:
        """The demand, one sentence: the first line of the function's docstring."""
        return (self.run.__doc__ or "").partition("\n")[0]
