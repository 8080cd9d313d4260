"""Record what a plugin does besides its work: global generators, thread settings, output and files.

State of the process that also matters to runs is in `asdkit.process_state`.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FILE_EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}


@dataclass
class SideEffects:
    """Side effects of a block of code.

    Attributes
    ----------
    settings
        Names of global generators and thread settings that changed.
    printed
        Text written to standard output and standard error.
    files
        Paths that were opened for writing, created or removed.
    """

    settings: list[str] = field(default_factory=list)
    printed: str = ""
    files: list[str] = field(default_factory=list)


@contextmanager
def recorded_side_effects() -> Iterator[SideEffects]:
    """Record the side effects of the body; its output is not shown."""
    effects = SideEffects()
    before = _global_settings()
    with _captured_output(effects):
        _record_files(effects)
        try:
            yield effects
        finally:
            _record_files(None)
    after = _global_settings()
    effects.settings = [name for name, value in before.items() if after.get(name) != value]


def seed_global_generators(seed: int) -> None:
    """Seed the global generators, so that a plugin that uses them gives another result than before."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the legacy generator is the point)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _global_settings() -> dict[str, object]:
    """States of global generators and thread settings of the libraries that are loaded."""
    settings: dict[str, object] = {
        "the generator of random": random.getstate(),
        "NumPy's global generator": repr(np.random.get_state()),  # noqa: NPY002
    }
    if (torch := sys.modules.get("torch")) is not None:
        settings["torch's global generator"] = torch.get_rng_state().numpy().tobytes()
        settings["torch's number of threads"] = torch.get_num_threads()
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(parallel, "_is_initialized", False):  # the query would start its threads, and change OpenMP's number
        settings["Numba's number of threads"] = sys.modules["numba"].get_num_threads()
    if (cv2 := sys.modules.get("cv2")) is not None:
        settings["OpenCV's number of threads"] = cv2.getNumThreads()
    if (threadpoolctl := sys.modules.get("threadpoolctl")) is not None:
        for pool in threadpoolctl.threadpool_info():
            settings[f"threads of {pool['internal_api']} ({pool['prefix']})"] = pool["num_threads"]
    return settings


@contextmanager
def _captured_output(effects: SideEffects) -> Iterator[None]:
    """Redirect standard output and error, Python's and the process's own, to a file, and read it at the end."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    with tempfile.TemporaryFile("w+b") as file:
        duplicates = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            with os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8", errors="replace") as text:
                sys.stdout = sys.stderr = text
                try:
                    yield
                finally:
                    sys.stdout, sys.stderr = streams
        finally:
            for number, duplicate in zip((1, 2), duplicates, strict=True):
                os.dup2(duplicate, number)
                os.close(duplicate)
        file.seek(0)
        effects.printed = file.read().decode("utf-8", "replace")


_recording: list[SideEffects] = []
_hooked = False


def _record_files(effects: SideEffects | None) -> None:
    """Record into `effects` each file that Python writes, creates or removes from now on; None: stop."""
    global _hooked
    if not _hooked:  # an audit hook cannot be removed
        sys.addaudithook(_on_event)
        _hooked = True
    _recording[:] = [] if effects is None else [effects]


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if not _recording or (event != "open" and event not in _FILE_EVENTS):
        return
    path, *rest = arguments
    if event == "open":
        mode, flags = rest
        writes = any(letter in str(mode) for letter in "wax+") if mode else bool(int(str(flags)) & _WRITE_FLAGS)
        if not writes:
            return
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if name and name != os.devnull and "__pycache__" not in name:  # the interpreter writes those
        _recording[0].files.append(name)
