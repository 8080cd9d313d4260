"""Text for people: suggestions for an unknown name, plurals, errors on one line, names that are safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NEGATIONS = ("ab", "anti", "de", "dis", "il", "im", "in", "ir", "no", "non", "not", "un")
_FORMULA = ("=", "+", "-", "@")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` if a name in `known` is similar to `name`, else an empty string."""
    similar = [known_name for known_name in known if not _opposite(name, known_name)]
    match = get_close_matches(name, similar, n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


def _opposite(one: str, other: str) -> bool:
    """Whether one of two names is the other with a negating prefix, such as ``abnormal`` and ``normal``."""
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    prefix = long.removesuffix(short) if short and long.endswith(short) else ""
    return prefix.strip(" _-") in _NEGATIONS


def suggestion_or_choices(name: str, known: Iterable[str]) -> str:
    """Return the `suggestion`, or ``'; expected one of: x, y'`` if no name in `known` is similar."""
    choices = list(known)
    return suggestion(name, choices) or (f"; expected one of: {', '.join(choices)}" if choices else "")


def plural(n: int, one: str, many: str = "") -> str:
    """Return ``"1 clip"`` or ``"2 clips"``; `many` is the plural of `one` where it is not formed with an s."""
    return f"{n} {one if n == 1 else many or f'{one}s'}"


def error_message(error: BaseException, limit: int = 1000) -> str:
    """Return the message of an error on one printable line of at most `limit` characters."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # the __str__ of a third-party exception may fail
        message = ""
    return printable(message[:limit]) or "no message"


def error_line(error: BaseException, limit: int = 1000) -> str:
    """Return ``"ValueError: message"`` on one printable line; the message has at most `limit` characters."""
    return f"{type(error).__name__}: {error_message(error, limit)}"


def printable(name: str) -> str:
    r"""Return `name` as one line that any terminal and file accepts.

    Control characters and undecodable bytes become ``\xNN``.
    """
    return _UNPRINTABLE.sub(_escaped, name)


def spreadsheet_cell(name: str) -> str:
    r"""Return `name` for a CSV file: control characters as ``\xNN``, ``'`` before what a spreadsheet would evaluate."""
    text = _CONTROL.sub(_escaped, name)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's surrogate escape for a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
