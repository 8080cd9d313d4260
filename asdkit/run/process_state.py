"""State of the process that a plugin may change and that a later job depends on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def restored_process_state(title: str, notes: list[str]) -> Iterator[None]:
    """Restore the folder, umask, recursion limit, NumPy's error handling, and torch's default dtype and grad mode.

    Each change becomes a note that names the plugin `title`.
    """
    before = _state()
    try:
        yield
    finally:
        after = _state()
        changed = [name for name in before if before[name] != after[name]]
        for name in changed:
            _restore(name, before[name])
        if changed:
            notes.append(f"{title} changed {', '.join(changed)} of the process; restored after the job")


def _state() -> dict[str, Any]:
    umask = os.umask(0o077)
    os.umask(umask)
    torch = sys.modules.get("torch")  # where it is not loaded, its defaults are in force
    return {
        "the working folder": os.getcwd(),
        "the umask": umask,
        "the recursion limit": sys.getrecursionlimit(),
        "NumPy's error handling": np.geterr(),
        "torch's default dtype": "torch.float32" if torch is None else str(torch.get_default_dtype()),
        "torch's grad mode": True if torch is None else torch.is_grad_enabled(),
    }


def _restore(name: str, value: Any) -> None:
    if name == "the working folder":
        os.chdir(value)
    elif name == "the umask":
        os.umask(value)
    elif name == "the recursion limit":
        sys.setrecursionlimit(value)
    elif name == "NumPy's error handling":
        np.seterr(**value)
    elif name == "torch's default dtype":
        torch = sys.modules["torch"]
        torch.set_default_dtype(getattr(torch, value.removeprefix("torch.")))
    else:
        sys.modules["torch"].set_grad_enabled(value)
