"""Names as people meet them: the nearest right one for a wrong one, and any name as one line of text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """``'; did you mean "x"?'`` where `known` has something like `name`, else the list of what there is."""
    choices = list(known)
    return suggestion(name, choices) or (f"; expected one of: {', '.join(choices)}" if choices else "")


def suggestion(name: str, known: Iterable[str]) -> str:
    """``'; did you mean "x"?'`` where `known` has something like `name`, else nothing."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(name: str) -> str:
    r"""`name` as one line that any terminal and file takes: control characters and undecodable bytes as ``\xNN``."""
    return _UNPRINTABLE.sub(_escaped, name)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FORMULA = ("=", "+", "-", "@")


def spreadsheet_cell(name: str) -> str:
    r"""`name` for a CSV file: control characters as ``\xNN``, and a ``'`` before what a spreadsheet would reckon."""
    shown = _CONTROL.sub(_escaped, name)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
