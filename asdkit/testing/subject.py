"""A plugin under test: made, used on the synthetic machine, and what came of it, kept for all checks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from asdkit.config import Config, NetworkConfig
from asdkit.context import Context
from asdkit.interfaces import Entry
from asdkit.plugins import Kind
from asdkit.testing.contract import Inapplicable
from asdkit.testing.side_effects import Watch, disturb_generators, watched

if TYPE_CHECKING:
    from asdkit.testing.child_process import SubprocessResult

Arrays = dict[str, np.ndarray]

SEED = 8

_QUICK = {"epochs": 6, "windows_per_clip": 16, "least_batches": 10, "batch_size": 16}
"""A training of seconds for options that every network has."""


@dataclass
class CountingContext(Context):
    """Counts how often it was asked whether to stop, and may ask for it.

    Attributes
    ----------
    stop_at
        From which question on to say yes; None: never.
    asked, asked_after
        How often it was asked, and how often after it had said yes.
    """

    seed: int = SEED
    stop_at: int | None = None
    asked: int = 0
    asked_after: int = 0

    def should_stop(self) -> bool:
        """Say no until the question `stop_at`."""
        self.asked += 1
        if self.stop_at is None or self.asked < self.stop_at:
            return False
        self.asked_after += self.asked > self.stop_at
        return True


@dataclass
class Use:
    """What a plugin made of the synthetic machine when it was used as a run uses it.

    Attributes
    ----------
    made
        The arrays that it gave.
    instance
        The plugin itself, afterwards.
    error
        What it raised instead.
    asked
        How often its fit asked whether to stop.
    """

    made: Arrays = field(default_factory=dict)
    instance: Any = None
    error: Exception | None = None
    asked: int = 0


class Subject(ABC):
    """A plugin of one kind with its options.

    Parameters
    ----------
    entry
        The plugin.
    options
        Options for the checks, instead of the defaults; for a detector also the core's ``frames``, ``hop``, ``scope``.
    module
        The module whose hooks register it.
    """

    kind: ClassVar[Kind]
    core_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, entry: Entry, options: Mapping[str, Any], module: str = "") -> None:
        self.entry = entry
        self.options = dict(options)
        self.module = module
        self.elsewhere: SubprocessResult | None = None

    @cached_property
    def config(self) -> Config:
        """The options that all checks use."""
        quick = _QUICK if issubclass(self.entry.config, NetworkConfig) else {}
        own = {key: value for key, value in self.options.items() if key not in self.core_keys}
        return self.entry.config.model_validate_json(json.dumps({**quick, **own}))

    def refusal(self) -> str:
        """Why its own options say that they cannot work on the synthetic machine; empty where they can."""
        _ = self.config  # raises where an option is wrong
        return ""

    @cached_property
    def plugin_class(self) -> Callable[..., Any]:
        """The class."""
        return self.entry.load()

    def make(self) -> Any:
        """Construct the plugin."""
        return self.plugin_class(self.config)

    @abstractmethod
    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Use it as a run does: the arrays that it gave; all inputs are fresh copies.

        With `read_only` the inputs are, and afterwards are compared with what they were.
        """

    @abstractmethod
    def fault(self, made: Arrays) -> str:
        """What is wrong with arrays that a use made; empty where nothing is."""

    @cached_property
    def construction(self) -> str:
        """Why it cannot be made with its defaults; empty where it can."""
        try:
            self.plugin_class(self.entry.config())
            self.make()
        except Exception as error:
            return told(error)
        return ""

    @cached_property
    def first_use(self) -> Use:
        """Use it once, the world as it is."""
        return self._used()

    @cached_property
    def second_use(self) -> tuple[Use, Watch]:
        """Use it again, watched; the global generators are elsewhere, and whatever it imports is there."""
        self.used()
        disturb_generators(11)
        with watched() as watch:
            use = self._used()
        return use, watch

    def second_difference(self) -> str:
        """Say where the second use made or learnt something else than the first; empty where it did not."""
        one, (other, _) = self.used(), self.second_use
        if other.error is not None:
            return ""
        return same(one.made, other.made) or same(state_of(one.instance), state_of(other.instance))

    def used(self) -> Use:
        """The first use, if there was nothing wrong with it."""
        if self.construction:
            raise Inapplicable("it cannot be made: see defaults_construct")
        use = self.first_use
        if use.error is not None or self.fault(use.made):
            raise Inapplicable("it does not work at all: see keeps_its_contract")
        return use

    def _used(self) -> Use:
        use = Use()
        ctx = CountingContext()
        try:
            use.instance = self.make()
            use.made = self.use(use.instance, ctx)
        except Exception as error:  # whatever a plugin raises is what is being looked for
            use.error = error
        use.asked = ctx.asked
        return use


def told(error: BaseException) -> str:
    """Say on one line what an error is."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def shape_fault(name: str, value: object, dtype: type, shape: tuple[int, ...]) -> str:
    """Say why `value` is no finite array of that dtype and shape; empty where it is."""
    if not isinstance(value, np.ndarray):
        return f"{name} gave {type(value).__name__}; expected an array {np.dtype(dtype)} {shape}"
    if value.dtype != dtype or value.shape != shape:
        return f"{name} gave {value.dtype} {value.shape}; expected {np.dtype(dtype)} {shape}"
    if not np.isfinite(value).all():
        return f"{name} gave {np.count_nonzero(~np.isfinite(value))} numbers that are NaN or infinite"
    return ""


def guarded(array: np.ndarray, read_only: bool) -> np.ndarray:
    """A copy of an array, perhaps read-only."""
    copy = array.copy()
    copy.flags.writeable = not read_only
    return copy


def state_of(instance: object) -> dict[str, object]:
    """What a plugin learnt; empty for kinds that learn nothing."""
    state = getattr(instance, "state", None)
    return dict(state()) if callable(state) else {}


def same(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Say where two dicts of arrays and plain values differ by a bit; empty where they do not."""
    for key in sorted(one.keys() | other.keys()):
        if key not in one or key not in other:
            return f"{key!r} is there only once"
        a, b = one[key], other[key]
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                return f"{key!r} is {a.dtype} {a.shape} and {b.dtype} {b.shape}"
            if a.tobytes() != b.tobytes():
                return f"{key!r} differs in {np.count_nonzero(a != b)} of {a.size} numbers"
        elif type(a) is not type(b) or a != b:
            return f"{key!r} is {a!r} and {b!r}"
    return ""
