"""Calls into plugins: any error of a plugin becomes one line with its name, its distribution and the method."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from asdkit.errors import DataError, PluginError, Stopped
from asdkit.text import error_line

_PASSED = (Stopped, DataError, PluginError)
"""Errors of asdkit that a plugin may raise for the user; they stay as they are."""
_titles: dict[int, str] = {}  # by id of an instance


def remember(instance: object, title: str) -> None:
    """Keep the name of a plugin's instance for `plugin_call`."""
    try:
        forget = weakref.finalize(instance, _titles.pop, id(instance), None)
    except TypeError:  # its class has slots: messages name the class
        return
    forget.atexit = False
    _titles[id(instance)] = title


@contextmanager
def plugin_call(instance: object, method: str) -> Iterator[None]:
    """Guard a call of a plugin's method; `guarded` with the name under which it was constructed."""
    known = _titles.get(id(instance))
    with guarded(known or f"plugin class {type(instance).__module__}.{type(instance).__qualname__}", method):
        yield


@contextmanager
def guarded(title: str, method: str) -> Iterator[None]:
    """Guard code of a plugin.

    Parameters
    ----------
    title
        Its name in messages.
    method
        What is called.

    Raises
    ------
    PluginError
        If the body raises anything but a `DataError`, `Stopped` or `MemoryError`.
    """
    try:
        yield
    except (*_PASSED, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        raise PluginError(
            f"{title}: {method} failed: {error_line(error, 300)}",
            hint="Update or replace the plugin, or report the error to its authors.",
        ) from error
