"""How kernels are compiled, and where compiled code is kept.

It is kept in a folder of ours, since Numba's own choice, beside the source, is often read-only and its index does not
notice when a function that another one calls has changed. The folder's name holds a digest of all that compiled code
depends on: version, the kernels' source, Numba, Python and the CPU. It is private (0700): Numba's format is pickle.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba.core.caching import FunctionCache

from asdkit.errors import AsdkitWarning
from asdkit.kernels import lowering  # noqa: F401  # teaches Numba about lanes before anything is compiled
from asdkit.version import __version__


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first use, without the GIL; compiled code is kept. No fastmath flag but that of `lowering`."""
    dispatcher = numba.njit(nogil=True, fastmath=False)(function)
    folder = None if numba.config.DISABLE_JIT else cache_folder()
    if folder is not None:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)  # read when a cache is made; nobody else's
        try:
            dispatcher._cache = _Cache(function)
        finally:
            numba.config.CACHE_DIR = before
    return dispatcher


inline = numba.njit(nogil=True, fastmath=False, forceinline=True)
"""Make a function a part of the kernels that call it."""


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Folder of compiled code, made if need be; None, after one warning, if there can be none."""
    try:
        folder = _base() / f"kernels-{__version__}-{_digest()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            _make_private(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: no home
        _note(str(error))
        return None
    return folder


def _base() -> Path:
    """Folder for what can be made again: where NUMBA_CACHE_DIR says, else where the platform keeps such things."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "asdkit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "asdkit"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "asdkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asdkit"


def _digest() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    features = binding.get_host_cpu_features().flatten()
    for fact in (numba.__version__, llvmlite.__version__, sys.version, binding.get_host_cpu_name(), features):
        digest.update(fact.encode() + b"\0")
    return digest.hexdigest()[:16]


def _make_private(folder: Path) -> None:
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


class _Cache(FunctionCache):  # type: ignore[misc]
    """A cache whose faults (a full disk, a damaged file) cost time, not the work."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # what unpickling a damaged file may raise
            _note(f"{type(error).__name__}: {error}")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # OSError, and as above: it reads the index first
            _note(f"{type(error).__name__}: {error}")


@lru_cache(maxsize=1)
def _warned() -> list[str]:
    return []


def _note(cause: str) -> None:
    """Say once a process that compiled code is not kept."""
    if not _warned():
        _warned().append(cause)
        warnings.warn(
            f"compiled kernels cannot be kept, so each process takes seconds to compile them again ({cause}); "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            AsdkitWarning,
            stacklevel=3,
        )
