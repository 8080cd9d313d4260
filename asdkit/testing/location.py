"""Where in a plugin's own source files a failed check points to."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from asdkit.plugins import Kind
from asdkit.testing.contract import Check
from asdkit.testing.subject import Subject

_CORE = Path(__file__).parents[1]
_USED: dict[Kind, tuple[str, ...]] = {
    "detector": ("score",),
    "featurizer": ("fill",),
    "augmenter": ("transform", "vary"),
    "fuser": ("fuse",),
    "layout": ("clips",),
}
"""The methods whose results most checks of a kind look at."""


def location(subject: Subject, check: Check, error: BaseException) -> str:
    """Return ``"file.py:12 (score)"``: where the plugin raised, else the method or options that the check is about.

    Empty where neither is known, as for a class that was defined in a shell.
    """
    return _raised(subject, error) or _defined(subject, check)


def _raised(subject: Subject, error: BaseException) -> str:
    """Return the innermost line of the plugin's own files that an exception, or its cause, passed through."""
    found = ""
    for link in _chain(error):
        for frame in traceback.extract_tb(link.__traceback__):
            path = Path(frame.filename)
            if any(path == own or own in path.parents for own in _own_files(subject)):
                found = f"{_shown(path)}:{frame.lineno} ({frame.name})"
    return found


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _own_files(subject: Subject) -> list[Path]:
    """Return the files and folders that hold the plugin's source: those of its class and of its options."""
    target = subject.entry.target
    modules = [subject.entry.config.__module__, target.partition(":")[0] if isinstance(target, str) else ""]
    modules.append(getattr(target, "__module__", ""))
    files = []
    for name in modules:
        top, module = sys.modules.get(name.partition(".")[0]), sys.modules.get(name)
        path = getattr(top, "__file__", None) or getattr(module, "__file__", None)
        if path:
            files.append(Path(path).parent if Path(path).name == "__init__.py" else Path(path))
    return [path for path in files if path != _CORE]


def _defined(subject: Subject, check: Check) -> str:
    """Return where the plugin defines what a check is about; its class where that is inherited from asdkit."""
    if check.about_options:
        return _definition(subject.entry.config)
    try:
        plugin_class = subject.plugin_class
    except Exception:  # it cannot be imported, which is what the check reports
        return _definition(subject.entry.config)
    for name in (check.method,) if check.method else _USED[subject.kind]:
        where = _definition(getattr(plugin_class, name, None))
        if where:
            return where
    return _definition(plugin_class)


def _definition(thing: object) -> str:
    try:
        path = Path(inspect.getsourcefile(thing) or "")  # type: ignore[arg-type]
        line = inspect.getsourcelines(thing)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
    return "" if _CORE in path.parents else f"{_shown(path)}:{line} ({getattr(thing, '__name__', '')})"


def _shown(path: Path) -> str:
    """Return the path, relative to the working folder where it is below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
