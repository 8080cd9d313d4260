"""How kernels are compiled, and where compiled code is stored.

It is stored in a folder of its own. Numba's default, beside the source, is often read-only, and its index does not
notice changes in a function that another one calls. The folder's name contains a digest of all that compiled code
depends on: version, the kernels' source, Numba, Python and the CPU. The folder is private (0700), because Numba's
format is pickle.
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
from asdkit.text import error_line
from asdkit.version import __version__


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba on its first call; it runs without the GIL, and compiled code is cached.

    No fastmath flag is set.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.api import kernel
    >>> @kernel
    ... def energy(wave):
    ...     total = 0.0
    ...     for sample in wave:
    ...         total += sample * sample
    ...     return total
    >>> energy(np.array([3.0, 4.0]))
    25.0
    """
    dispatcher = numba.njit(nogil=True, fastmath=False)(function)
    folder = None if numba.config.DISABLE_JIT else cache_folder()
    if folder is not None:
        previous = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)  # a cache reads this when it is created
        try:
            dispatcher._cache = _Cache(function)
        except RuntimeError:  # the function has no source file, as in an interactive session
            return dispatcher
        finally:
            numba.config.CACHE_DIR = previous
    return dispatcher


inline = numba.njit(nogil=True, fastmath=False, forceinline=True)
"""Compile a function into the kernels that call it."""


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Folder of compiled code, created if necessary; None, after one warning, if it cannot be used."""
    try:
        folder = _base() / f"kernels-{__version__}-{_digest()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            _make_private(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        _warn_not_cached(str(error))
        return None
    return folder


def _base() -> Path:
    """Parent of the cache: in NUMBA_CACHE_DIR if it is set, else in the platform's cache folder."""
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
    cpu_features = binding.get_host_cpu_features().flatten()
    for text in (numba.__version__, llvmlite.__version__, sys.version, binding.get_host_cpu_name(), cpu_features):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def _make_private(folder: Path) -> None:
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


class _Cache(FunctionCache):  # type: ignore[misc]
    """A cache that warns about its errors (a full disk, a damaged file) instead of raising them."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # unpickling a damaged file may raise anything
            _warn_not_cached(error_line(error))
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # OSError, or as above: it reads the index first
            _warn_not_cached(error_line(error))


@lru_cache(maxsize=1)
def _causes() -> list[str]:
    """Why code is not cached: the first cause in this process, or nothing."""
    return []


def _warn_not_cached(cause: str) -> None:
    """Warn once per process that compiled code is not cached."""
    if not _causes():
        _causes().append(cause)
        warnings.warn(
            f"compiled kernels cannot be cached, so each process compiles them again, which takes seconds ({cause}); "
            "set NUMBA_CACHE_DIR to a writable folder",
            AsdkitWarning,
            stacklevel=3,
        )
