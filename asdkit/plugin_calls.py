"""Calls into plugins: an error or a change of the process becomes one line with the plugin's name and distribution."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asdkit.errors import AsdkitWarning, DataError, PluginError, Stopped
from asdkit.process_state import restored_process_state
from asdkit.stop_signals import is_of_user
from asdkit.text import error_line, error_message

_PASSED = (Stopped, DataError, PluginError)
"""Errors of asdkit that a plugin may raise for the user; they stay as they are."""
_PER_CLIP = frozenset({"bands", "fill", "rows", "samples", "transform", "vary"})
"""Methods called for each clip or batch: the process is compared around the whole work (`watched`), not each call."""
_titles: dict[int, str] = {}  # by id of an instance
_watches: list[dict[str, None]] = []  # titles of the plugins called in each block that is watched now
_listeners: list[Callable[[str], object]] = []


def remember(instance: object, title: str) -> None:
    """Keep the name of a plugin's instance for `plugin_call`."""
    try:
        forget = weakref.finalize(instance, _titles.pop, id(instance), None)
    except TypeError:  # its class has slots: messages name the class
        return
    forget.atexit = False
    _titles[id(instance)] = title


def title_of(instance: object) -> str:
    """Return the name under which a plugin's instance was constructed, else that of its class."""
    known = _titles.get(id(instance))
    return known or f"plugin class {type(instance).__module__}.{type(instance).__qualname__}"


@contextmanager
def plugin_call(instance: object, method: str) -> Iterator[None]:
    """Guard a call of a plugin's method; `guarded` with the name under which it was constructed."""
    with guarded(title_of(instance), method):
        yield


@contextmanager
def guarded(title: str, method: str) -> Iterator[None]:
    """Guard code of a plugin, and watch it unless `method` is called for each clip.

    Parameters
    ----------
    title
        Its name in messages.
    method
        What is called.

    Raises
    ------
    PluginError
        If the body raises anything but a `DataError`, `Stopped`, `MemoryError` or the user's Ctrl-C.
    MemoryError
        With the plugin's name.

    Warns
    -----
    AsdkitWarning
        If Ctrl-C ends the body.
    """
    try:
        if method in _PER_CLIP:
            for titles in _watches:
                titles[title] = None
            with _one_process():
                yield
        else:
            with watched(title, method):
                yield
    except _PASSED:
        raise
    except MemoryError as error:
        raise MemoryError(f"{title}: {method}: not enough memory: {error_message(error, 300)}") from error
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        if isinstance(error, KeyboardInterrupt) and is_of_user():
            warnings.warn(f"stopped during {method} of {title}", AsdkitWarning, stacklevel=2)  # it may hang
            raise
        raise PluginError(
            f"{title}: {method} failed: {error_line(error, 300)}",
            hint="Update or replace the plugin, or report the error to its authors.",
        ) from error


@contextmanager
def watched(title: str, work: str) -> Iterator[None]:
    """Restore what the plugins called in the body change in the process.

    A block within another one is part of it.

    Parameters
    ----------
    title
        Name of the plugin; further ones are added as they are called.
    work
        What is done.

    Warns
    -----
    AsdkitWarning
        If a plugin changed something; names all plugins called in the body.
    """
    if _watches:
        for titles in _watches:
            titles[title] = None
        with _one_process():
            yield
        return
    titles = {title: None}
    _watches.append(titles)
    try:
        with _announced(f"{work} of {title}"), restored_process_state() as changes, _one_process():
            yield
    finally:
        _watches.remove(titles)
        if changes:
            warnings.warn(f"{' or '.join(titles)} {changes} in {work}", AsdkitWarning, stacklevel=2)


@contextmanager
def announced_calls(listener: Callable[[str], object]) -> Iterator[None]:
    """Call `listener` with plugin and method before each watched call, and with an empty string after it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def os_exit_raises() -> Iterator[None]:
    """Let `os._exit` raise SystemExit while a plugin is called: a command would end with its code and say nothing."""
    real, process = os._exit, os.getpid()

    def exit_process(code: int) -> None:
        if _watches and os.getpid() == process:
            raise SystemExit(f"os._exit({code})")
        real(code)

    os._exit = exit_process  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = real


@contextmanager
def _announced(call: str) -> Iterator[None]:
    for listener in _listeners:
        listener(call)
    try:
        yield
    finally:
        for listener in _listeners:
            listener("")


@contextmanager
def _one_process() -> Iterator[None]:
    """End a process that the body forked and that returns from it: only the parent goes on."""
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(1)
