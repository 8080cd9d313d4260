"""State of the process that a plugin may change: compared around its calls, restored, or reported as left behind.

The only list of such state: runs, bundles and the checks of plugins use it. What libraries do on their first use is no
change: pools of threads and worker processes, descriptors of devices, variables of their own.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FLOAT_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # NumPy's defaults
_HANDLERS = tuple(
    number
    for number in signal.Signals
    if number.name not in ("SIGKILL", "SIGSTOP", "SIGCHLD")  # torch handles SIGCHLD for its data loaders
)
_LIBRARY_VARIABLES = (
    "CUDA_MODULE_LOADING", "KMP_", "LD_LIBRARY_PATH", "LOKY_", "OPENCV_", "PYTORCH_", "QT_", "TORCH", "__KMP_",
)  # fmt: skip
"""Beginnings of the names of environment variables that libraries set when they are imported."""
_POOLS = ("asdkit", "concurrent", "distributed", "joblib", "multiprocessing", "numba", "sklearn", "torch", "tqdm")
"""Packages whose threads are pools that they start on first use."""
_POOL_PROCESSES = re.compile(rb"loky|multiprocessing|resource_tracker|forkserver")
_KERNEL_FILES = ("/dev/", "/memfd:", "/proc/", "/sys/")
_GRACE_S = 0.1  # for threads and processes that are about to end
_left_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_left_processes: set[int] = set()


@dataclass
class Changes:
    """What a block of code changed in the process.

    Attributes
    ----------
    restored
        Settings that it changed; they are as before again.
    left
        What it left behind: threads, processes, open files.
    """

    restored: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.restored or self.left)

    def __str__(self) -> str:
        parts = [f"changed {', '.join(self.restored)} of the process (restored)"] if self.restored else []
        parts += [f"left {', '.join(self.left)} behind"] if self.left else []
        return " and ".join(parts)


@contextmanager
def restored_process_state() -> Iterator[Changes]:
    """Restore after the body what it changed in the process; what cannot be restored is listed.

    Yields
    ------
    changes
        Filled in after the body.

    Examples
    --------
    >>> import sys
    >>> with restored_process_state() as changes:
    ...     sys.setrecursionlimit(5000)
    >>> str(changes)
    'changed the recursion limit of the process (restored)'
    """
    changes = Changes()
    before, left_before = _settings(), _resources()
    streams = _duplicate_streams()
    try:
        yield changes
    finally:
        changes.restored += _restore_streams(streams)
        after = _settings()
        for name, value in before.items():
            if after[name] != value:
                changes.restored += _changed(name, value, after[name])
        changes.left += _left_behind(left_before)


def left_threads() -> bool:
    """Whether a thread that a plugin left behind would keep the process from ending."""
    return any(thread.is_alive() and not thread.daemon for thread in _left_threads)


def end_left_processes() -> None:
    """End the child processes that plugins left behind: a forked one holds our locks and standard streams."""
    while _left_processes:
        number = _left_processes.pop()
        if number in _children():  # the number may belong to another process by now
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)


def _settings() -> dict[str, Any]:
    umask = os.umask(0o077)
    os.umask(umask)
    torch: Any = sys.modules.get("torch")  # where it is not loaded, its defaults are in force
    numpy: Any = sys.modules.get("numpy")
    return {
        "the working folder": _working_folder(),
        "the umask": umask,
        "the recursion limit": sys.getrecursionlimit(),
        "the environment": {k: v for k, v in os.environ.items() if not k.startswith(_LIBRARY_VARIABLES)},
        "the handlers of signals": _handlers(),
        "the warning filters": [one for one in warnings.filters if _is_blanket(one)],
        "NumPy's error handling": numpy.geterr() if hasattr(numpy, "geterr") else _FLOAT_ERRORS,
        "torch's default dtype": str(torch.get_default_dtype()) if _has_settings(torch) else "torch.float32",
        "torch's grad mode": torch.is_grad_enabled() if _has_settings(torch) else True,
    }


def _changed(name: str, before: Any, after: Any) -> list[str]:
    """Restore a setting; return how messages call the change."""
    try:
        _RESTORE[name](before)
    except OSError as error:  # the working folder is gone
        return [f"{name} ({error.strerror}: not restored)"]
    if isinstance(before, Mapping) and isinstance(after, Mapping) and name != "NumPy's error handling":
        keys = [key for key in [*before, *after] if before.get(key) != after.get(key)]
        return [f"{name} ({', '.join(dict.fromkeys(map(_key_name, keys)))})"]
    return [name]


def _key_name(key: object) -> str:
    return key.name if isinstance(key, signal.Signals) else str(key)


def _has_settings(torch: Any) -> bool:
    """Whether torch is imported, and not just being imported."""
    return hasattr(torch, "get_default_dtype") and hasattr(torch, "is_grad_enabled")


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def _handlers() -> dict[signal.Signals, Any]:
    """Return the handlers of signals; only the main thread can change them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in _HANDLERS}


def _is_blanket(entry: tuple[Any, ...]) -> bool:
    """Whether a warning filter hides all warnings for users, or turns them into errors, wherever they come from."""
    action, message, category, module, _ = entry
    return action in ("error", "ignore") and message is None and module is None and category in (Warning, UserWarning)


def _restore_environment(before: Mapping[str, str]) -> None:
    for key in [key for key in os.environ if key not in before and not key.startswith(_LIBRARY_VARIABLES)]:
        del os.environ[key]
    os.environ.update(before)


def _restore_handlers(before: Mapping[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:  # None: not set by Python
            signal.signal(number, handler)


def _restore_filters(before: list[Any]) -> None:
    kept = [one for one in warnings.filters if not _is_blanket(one) or one in before]
    missing = [one for one in before if one not in kept]
    with warnings.catch_warnings():
        warnings.resetwarnings()  # lets the interpreter know that filters changed
    warnings.filters[:] = [*missing, *kept]  # type: ignore[index]


_RESTORE: dict[str, Callable[[Any], object]] = {
    "the working folder": os.chdir,
    "the umask": os.umask,
    "the recursion limit": sys.setrecursionlimit,
    "the environment": _restore_environment,
    "the handlers of signals": _restore_handlers,
    "the warning filters": _restore_filters,
    "NumPy's error handling": lambda before: sys.modules["numpy"].seterr(**before),
    "torch's default dtype": lambda before: sys.modules["torch"].set_default_dtype(
        getattr(sys.modules["torch"], before.removeprefix("torch."))
    ),
    "torch's grad mode": lambda before: sys.modules["torch"].set_grad_enabled(before),
}


def _duplicate_streams() -> dict[int, tuple[int, tuple[int, int]]]:
    """Duplicate the descriptors of the standard streams; return each duplicate and what it refers to."""
    streams = {}
    for number in (0, 1, 2):
        if (identity := _identity(number)) is not None:
            streams[number] = os.dup(number), identity
    return streams


def _restore_streams(streams: Mapping[int, tuple[int, tuple[int, int]]]) -> list[str]:
    """Restore standard streams that were closed or redirected; close the duplicates."""
    changed = []
    for number, (duplicate, identity) in streams.items():
        if _identity(number) != identity:
            with suppress(OSError):  # the duplicate may be closed, too
                os.dup2(duplicate, number)
            changed.append(("standard input", "standard output", "standard error")[number])
        with suppress(OSError):
            os.close(duplicate)
    return changed


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class _Resources:
    threads: set[threading.Thread]
    processes: set[int]
    descriptors: set[int]


def _resources() -> _Resources:
    return _Resources(set(threading.enumerate()), _children(), _descriptors())


def _left_behind(before: _Resources) -> list[str]:
    """List threads, processes and files that are there now and were not before, without the pools of libraries."""
    end = time.monotonic() + _GRACE_S
    threads = set(threading.enumerate()) - before.threads
    own_threads = [thread for thread in threads if not _is_pool(thread)]
    for thread in own_threads:
        thread.join(max(0.0, end - time.monotonic()))
    own_threads = [thread for thread in own_threads if thread.is_alive()]
    processes = {number for number in _children() - before.processes if number != os.getpid()}
    own_processes = {number for number in processes if not _is_pool_process(number)}
    _left_threads.update(own_threads)
    _left_processes.update(own_processes)
    pools = len(threads) > len(own_threads) or len(processes) > len(own_processes) or _connects_at_any_time()
    left = {f"a running thread{_thread_name(thread)}": None for thread in own_threads}
    if own_processes:
        left["a child process"] = None
    left |= dict.fromkeys(_open_files(_descriptors() - before.descriptors, pools=pools))
    return list(left)


def _connects_at_any_time() -> bool:
    """Whether a thread of Dask runs, which opens and closes connections while a plugin is at work."""
    return any(_belongs_to(thread, ("distributed",)) for thread in threading.enumerate())


def _is_pool(thread: threading.Thread) -> bool:
    """Whether a thread belongs to a library."""
    return _belongs_to(thread, _POOLS)


def _belongs_to(thread: threading.Thread, packages: tuple[str, ...]) -> bool:
    target = getattr(thread, "_target", None)
    modules = [type(thread).__module__, getattr(target, "__module__", None) or ""]
    return any(module.partition(".")[0] in packages for module in modules)


def _thread_name(thread: threading.Thread) -> str:
    """Return the name of its function or its own name, in parentheses; empty for ``Thread-3``: numbers vary."""
    name = re.sub(r"Thread-\d+(?: \((.*)\))?", r"\1", thread.name)
    return f" ({name})" if name else ""


def _children() -> set[int]:
    """Return the process ids of the children, zombies included; empty where the system does not list them."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return set()  # there are none, or the system has no such call
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that ended meanwhile
            found.update(map(int, path.read_text().split()))
    return found


def _is_pool_process(number: int) -> bool:
    """Whether a child is a worker process of a library, or about to end."""
    end = time.monotonic() + _GRACE_S
    while time.monotonic() < end:
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            return True  # it has ended
        if _POOL_PROCESSES.search(command):
            return True
        time.sleep(_GRACE_S / 5)
    return False


def _descriptors() -> set[int]:
    """Return the open file descriptors; empty where the system does not list them."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return set()
    return {number for number in numbers if _identity(number) is not None}  # not the one that listed them


def _open_files(descriptors: set[int], *, pools: bool) -> Iterator[str]:
    """Yield what descriptors refer to; pipes and sockets only if no pool has some."""
    for number in sorted(descriptors):
        try:
            mode, path = os.fstat(number).st_mode, os.readlink(f"/dev/fd/{number}")
        except OSError:
            continue
        if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and not path.startswith(_KERNEL_FILES):
            yield f"the open file {path}"
        elif (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) and not pools:
            yield "an open pipe or socket"
