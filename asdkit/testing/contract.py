"""What a check is, and the list of all checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from asdkit.plugins import Kind

if TYPE_CHECKING:
    from asdkit.plugins import Kind


class Failed(AssertionError):
    """What a plugin does against its contract, and what to do about it."""


class Inapplicable(Exception):
    """Why a check says nothing about a plugin."""


@dataclass(frozen=True)
class Check:
    """One demand on plugins of a kind.

    Attributes
    ----------
    name
        What ``expected_failures`` and reports call it.
    kind
        Of the plugins that it is for.
    about
        The demand, one sentence.
    run
        Tries a `asdkit.testing.subject.Subject` of that kind; raises `Failed` or `Inapplicable`.
    """

    name: str
    kind: Kind
    about: str
    run: Callable[[Any], None]


_CHECKS: list[Check] = []


Function = TypeVar("Function", bound=Callable[[Any], None])


def check(*kinds: Kind) -> Callable[[Function], Function]:
    """Make a function a check of plugins of these kinds: its name is the check's, its docstring the demand."""

    def add(function: Function) -> Function:
        about = (function.__doc__ or "").partition("\n")[0]
        _CHECKS.extend(Check(function.__name__, kind, about, function) for kind in kinds)
        return function

    return add


def checks_of(kind: Kind) -> list[Check]:
    """Return the checks that plugins of a kind must pass, in the order that they run in."""
    import asdkit.testing.checks  # noqa: F401 (fills the list)

    return [each for each in _CHECKS if each.kind == kind]
