"""Watching what a plugin does to the process it works in: generators, threads, output, files."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ENVIRONMENT = "the environment's "
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}


@dataclass
class Watch:
    """What was seen.

    Attributes
    ----------
    touched
        Global generators and thread settings that are not as they were.
    printed
        What went to standard output and standard error.
    files
        Paths that were opened for writing, made or removed.
    """

    touched: list[str] = field(default_factory=list)
    printed: str = ""
    files: list[str] = field(default_factory=list)


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the body; the output that it makes is swallowed."""
    watch = Watch()
    before = _settings()
    with _swallowed(watch):
        _watch_files(watch)
        try:
            yield watch
        finally:
            _watch_files(None)
    after = _settings()
    watch.touched = [name for name, value in before.items() if after.get(name) != value]
    watch.touched += [name for name in after if name.startswith(_ENVIRONMENT) and name not in before]


def disturb_generators(seed: int) -> None:
    """Put the global generators into a state that follows from `seed`: who draws from them shows."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the legacy generator is the point)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _settings() -> dict[str, object]:
    """States of global generators and thread settings, as far as their libraries are loaded."""
    found: dict[str, object] = {
        "the generator of random": random.getstate(),
        "NumPy's global generator": repr(np.random.get_state()),  # noqa: NPY002
        "NumPy's handling of errors": repr(np.geterr()),
    }
    if (torch := sys.modules.get("torch")) is not None:
        found["torch's global generator"] = torch.get_rng_state().numpy().tobytes()
        found["torch's number of threads"] = torch.get_num_threads()
        found["torch's default dtype"] = str(torch.get_default_dtype())
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(parallel, "_is_initialized", False):  # to ask would start its threads, and change OpenMP's number
        found["Numba's number of threads"] = sys.modules["numba"].get_num_threads()
    if (cv2 := sys.modules.get("cv2")) is not None:
        found["OpenCV's number of threads"] = cv2.getNumThreads()
    if (threadpoolctl := sys.modules.get("threadpoolctl")) is not None:
        for pool in threadpoolctl.threadpool_info():
            found[f"threads of {pool['internal_api']} ({pool['prefix']})"] = pool["num_threads"]
    for name, value in os.environ.items():
        if "THREADS" in name or "SEED" in name:
            found[_ENVIRONMENT + name] = value
    return found


@contextmanager
def _swallowed(watch: Watch) -> Iterator[None]:
    """Send standard output and error, Python's and the process's own, into a file, and read it afterwards."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    with tempfile.TemporaryFile("w+b") as file:
        kept = [os.dup(number) for number in (1, 2)]
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
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
        file.seek(0)
        watch.printed = file.read().decode("utf-8", "replace")


_current: list[Watch] = []
_hooked = False


def _watch_files(watch: Watch | None) -> None:
    """Note into `watch` each file that Python writes, makes or removes, from now on; None: no longer."""
    global _hooked
    if not _hooked:  # such a hook stays for the life of the process
        sys.addaudithook(_on_event)
        _hooked = True
    _current[:] = [] if watch is None else [watch]


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if not _current or (event != "open" and event not in _CHANGES):
        return
    path, *rest = arguments
    if event == "open":
        mode, flags = rest
        writes = any(letter in str(mode) for letter in "wax+") if mode else bool(int(str(flags)) & _WRITING)
        if not writes:
            return
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if name and name != os.devnull and "__pycache__" not in name:  # what the interpreter keeps is not the plugin's
        _current[0].files.append(name)
