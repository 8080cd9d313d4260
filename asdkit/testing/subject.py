"""A plugin under test: constructed, used on the synthetic machine, with results that all checks share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from asdkit.config import Config, NetworkConfig
from asdkit.context import Context, State
from asdkit.interfaces import Entry
from asdkit.option_files import FilePath
from asdkit.plugins import Kind
from asdkit.process_state import restored_process_state
from asdkit.stop_signals import is_of_user
from asdkit.testing.contract import Inapplicable
from asdkit.testing.side_effects import SideEffects, recorded_side_effects, seed_global_generators

Arrays = dict[str, np.ndarray]

SEED = 8

_QUICK_TRAINING = {"epochs": 6, "windows_per_clip": 16, "least_batches": 10, "batch_size": 16}
"""A training of seconds, by options that every network has."""


@dataclass
class CountingContext(Context):
    """Counts the calls of `should_stop`, and may request a stop.

    Attributes
    ----------
    stop_at
        Number of the first call that returns True; None: never.
    calls, calls_after_stop
        Number of calls, and of those after the first that returned True.
    """

    seed: int = SEED
    stop_at: int | None = None
    calls: int = 0
    calls_after_stop: int = 0

    def should_stop(self) -> bool:
        """Return True from call `stop_at` on."""
        self.calls += 1
        if self.stop_at is None or self.calls < self.stop_at:
            return False
        self.calls_after_stop += self.calls > self.stop_at
        return True


@dataclass
class Use:
    """One use of a plugin on the synthetic machine, as a run uses it.

    Attributes
    ----------
    outputs
        The arrays that it returned.
    instance
        The plugin itself, afterwards.
    error
        The exception that it raised instead.
    stop_calls
        How often its fit called ``ctx.should_stop()``.
    """

    outputs: Arrays = field(default_factory=dict)
    instance: Any = None
    error: BaseException | None = None
    stop_calls: int = 0


@dataclass
class SubprocessResult:
    """Results of a plugin in a new process; see `asdkit.testing.child_process`.

    Attributes
    ----------
    heavy
        Heavy libraries that were imported by importing the hook module and calling its hooks.
    seconds
        Duration of that import.
    outputs
        Arrays that the plugin returned after it loaded the state.
    state
        Its state after that.
    errors
        Error message of each step that failed: ``"process"``, ``"register"``, ``"load"``, ``"use"``.
    """

    heavy: list[str]
    seconds: float
    outputs: Mapping[str, object]
    state: State
    errors: dict[str, str]


class Subject(ABC):
    """A plugin of one kind with its options.

    Parameters
    ----------
    entry
        The plugin.
    options
        Options for the checks instead of the defaults; for a detector also the core's ``frames``, ``hop``, ``scope``.
    module
        The module whose hooks register it.

    Attributes
    ----------
    changes
        What its import, construction and uses changed in the process so far.
    used
        How many clips, waves or windows the running check has used so far, such as ``{"fitted": 18, "scored": 24}``.
    """

    kind: ClassVar[Kind]
    core_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, entry: Entry, options: Mapping[str, Any], module: str = "") -> None:
        self.entry = entry
        self.options = dict(options)
        self.module = module
        self.subprocess_result: SubprocessResult | None = None
        self.changes: list[str] = []
        self.used: dict[str, int] = {}

    def note(self, amounts: Mapping[str, int]) -> None:
        """Add to `used`; of several uses the largest counts."""
        for what, amount in amounts.items():
            self.used[what] = max(amount, self.used.get(what, 0))

    @property
    @abstractmethod
    def amounts(self) -> dict[str, int]:
        """How many clips, waves or windows one `use` takes, by what is done with them."""

    @cached_property
    def config(self) -> Config:
        """The options that all checks use."""
        quick = _QUICK_TRAINING if issubclass(self.entry.config, NetworkConfig) else {}
        own = {key: value for key, value in self.options.items() if key not in self.core_keys}
        return self.entry.config.model_validate_json(json.dumps({**quick, **own}))

    def refusal(self) -> str:
        """Say why its options refuse the synthetic machine; empty where they accept it."""
        _ = self.config  # raises where an option is wrong
        return ""

    @cached_property
    def plugin_class(self) -> Callable[..., Any]:
        """The plugin's class."""
        with self._compared():
            return self.entry.load()

    def make(self) -> Any:
        """Construct the plugin."""
        return self.plugin_class(self.config)

    @abstractmethod
    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Use the plugin as a run does, on new copies of all inputs; return its arrays.

        With `read_only` the inputs are read-only, and afterwards compared with their originals.
        """

    @abstractmethod
    def fault(self, outputs: Arrays) -> str:
        """Say what is wrong with the arrays of a use; empty where nothing is."""

    @cached_property
    def construction_error(self) -> Exception | None:
        """The exception that constructing it with its defaults raised, if any."""
        try:
            with self._compared():
                self.plugin_class(self.entry.config(**self._files()))
                self.make()
        except Exception as error:
            return error
        return None

    def _files(self) -> dict[str, FilePath]:
        """Return the files of the options that need one: no file is a default."""
        required = [name for name, field in self.entry.config.model_fields.items() if field.is_required()]
        named = {name: getattr(self.config, name) for name in required if name in self.config.model_fields_set}
        return {name: file for name, file in named.items() if isinstance(file, FilePath)}

    @cached_property
    def first_use(self) -> Use:
        """The result of using it once."""
        return self._use_once()

    @cached_property
    def second_use(self) -> tuple[Use, SideEffects]:
        """The result of a second use, with its side effects and with other states of the global generators.

        The first use has done the imports, so these do not count as side effects.
        """
        self.working_use()
        seed_global_generators(11)
        with recorded_side_effects() as effects:
            use = self._use_once()
        return use, effects

    def second_difference(self) -> str:
        """Say where output or state of the second use differs from the first; empty where they are equal."""
        first, (second, _) = self.working_use(), self.second_use
        if second.error is not None:
            return ""
        return difference(first.outputs, second.outputs) or difference(
            state_of(first.instance), state_of(second.instance)
        )

    def working_use(self) -> Use:
        """Return the first use.

        Raises
        ------
        Inapplicable
            If the plugin does not work at all, which other checks report.
        """
        if self.construction_error:
            raise Inapplicable("it cannot be constructed: see defaults_construct")
        self.note(self.amounts)
        use = self.first_use
        if use.error is not None or self.fault(use.outputs):
            raise Inapplicable("it does not work at all: see keeps_its_contract")
        return use

    def _use_once(self) -> Use:
        use = Use()
        ctx = CountingContext()
        try:
            with self._compared():
                use.instance = self.make()
                use.outputs = self.use(use.instance, ctx)
        except BaseException as error:  # any exception of a plugin is a result of the check
            if isinstance(error, KeyboardInterrupt) and is_of_user():
                raise
            use.error = error
        use.stop_calls = ctx.calls
        return use

    @contextmanager
    def _compared(self) -> Iterator[None]:
        """Note what the body changes in the process, and restore it."""
        with restored_process_state() as changes:
            yield
        if changes:
            self.changes.append(str(changes))


def array_fault(name: str, value: object, dtype: type, shape: tuple[int, ...]) -> str:
    """Say why `value` is no finite array of that dtype and shape; empty where it is."""
    if not isinstance(value, np.ndarray):
        return f"{name} returned {type(value).__name__}; expected an array {np.dtype(dtype)} {shape}"
    if value.dtype != dtype or value.shape != shape:
        return f"{name} returned {value.dtype} {value.shape}; expected {np.dtype(dtype)} {shape}"
    if not np.isfinite(value).all():
        return f"{name} returned {np.count_nonzero(~np.isfinite(value))} numbers that are NaN or infinite"
    return ""


def copy_of(array: np.ndarray, read_only: bool) -> np.ndarray:
    """Copy an array, writeable or read-only."""
    copy = array.copy()
    copy.flags.writeable = not read_only
    return copy


def state_of(instance: object) -> State:
    """Copy a plugin's state; empty for kinds that have none."""
    state = getattr(instance, "state", None)
    values = state() if callable(state) else {}
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in values.items()}


def difference(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Say where two dicts of arrays and plain values differ in a bit; empty where they are equal."""
    for key in sorted(one.keys() | other.keys()):
        if key not in one or key not in other:
            return f"{key!r} exists only once"
        a, b = one[key], other[key]
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                return f"{key!r} is {a.dtype} {a.shape} and {b.dtype} {b.shape}"
            if a.tobytes() != b.tobytes():
                return f"{key!r} differs in {np.count_nonzero(a != b)} of {a.size} numbers"
        elif type(a) is not type(b) or a != b:
            return f"{key!r} is {a!r} and {b!r}"
    return ""
