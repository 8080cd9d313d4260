"""Encoding of a detector's or fuser's state: arrays as safetensors, other values as JSON in its header; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asdkit.context import State, StateValue
from asdkit.errors import AsdkitError, PluginError
from asdkit.files import write_atomic
from asdkit.plugin_calls import plugin_call, title_of


def write_state(path: Path, state: Mapping[str, StateValue]) -> None:
    """Write a state atomically; raises as `encode_state`."""
    write_atomic(path, encode_state(state))


def read_state(path: Path) -> State:
    """Read what `write_state` wrote.

    Raises
    ------
    AsdkitError
        If the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            state: State = json.loads((file.metadata() or {})["state"])
            for key in file.keys():  # noqa: SIM118 (not a dict)
                state[key] = file.get_tensor(key)
            return state
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise AsdkitError(f"{path}: cannot be read: {error}") from None


def encode_state(state: Mapping[str, StateValue]) -> bytes:
    """Encode a state: a flat dict of arrays, numbers, strings, None and lists of strings.

    Raises
    ------
    PluginError
        If it holds anything else: a fault of the plugin's ``state()``.
    """
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    rest: dict[str, StateValue] = {}
    for key, value in state.items():
        if isinstance(value, np.ndarray) and value.dtype != object:
            arrays[key] = np.ascontiguousarray(value) if value.ndim else value
        elif _is_plain(value):
            rest[key] = value
        else:
            raise PluginError(
                f"state: {key!r} is a {type(value).__name__}",
                hint="state() may hold arrays, numbers, strings, None and lists of strings, nothing else.",
            )
    # A single metadata key: safetensors writes several in no fixed order, and equal states must give equal bytes.
    return save(arrays, {"state": json.dumps(rest, ensure_ascii=False)})


def finite_state(plugin: Any) -> State:
    """Return the state of a fitted detector or fuser if it can score; checkpoints may hold infinity.

    Raises
    ------
    PluginError
        If the plugin fails, or its state holds numbers that are NaN or infinite.
    """
    with plugin_call(plugin, "state"):
        state: State = dict(plugin.state())
    for key, value in state.items():
        if not is_finite(value):
            raise PluginError(
                f"{title_of(plugin)}: state: {key!r} holds NaN or infinite numbers",
                hint="Training diverged, or divided by zero: a state of such numbers cannot score.",
            )
    return state


def encoded_state(plugin: Any) -> bytes:
    """Return the state of a fitted plugin, checked and encoded.

    Raises
    ------
    PluginError
        If the plugin fails, or its state cannot be stored or score.
    """
    state = finite_state(plugin)
    with plugin_call(plugin, "state"):  # it may hold what cannot be stored
        return encode_state(state)


def decode_state(data: bytes) -> State:
    """Decode what `encode_state` returned.

    Raises
    ------
    ValueError
        If it is damaged, or holds a value that no state may hold.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)  # checks in the header that no array exceeds the data
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        rest = json.loads(header["__metadata__"]["state"])
    except (SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(rest, dict) or not all(_is_plain(value) for value in rest.values()):
        raise ValueError("it holds a value that no state may hold")
    return {**rest, **arrays}


def state_digest(state: Mapping[str, StateValue]) -> str:
    """Return the SHA-256 of a state's keys and values, whatever their order."""
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        if isinstance(value, np.ndarray):
            digest.update(json.dumps([key, value.dtype.str, value.shape]).encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(json.dumps([key, value], sort_keys=True).encode())
    return digest.hexdigest()


def is_finite(value: object) -> bool:
    """Return whether a value of a state has no number that is NaN or infinite."""
    if not isinstance(value, float | np.ndarray):
        return True
    array = np.asarray(value)
    return not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
