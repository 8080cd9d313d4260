"""Text for people: suggestions for an unknown name, plurals, errors on one line, safe names, lines of CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

_DAY = 24 * 3600  # s
YEAR = 365 * _DAY
"""Seconds."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Prefixes, suffixes and words that negate a meaning.
_NEGATIONS = ("a", "ab", "anti", "de", "dis", "il", "im", "in", "ir", "mis", "no", "non", "not", "para", "sub", "un")
_WITHOUT = ("free", "less")
_NEGATING_WORDS = {*_NEGATIONS[1:], *_WITHOUT, "never", "o", "without", "wo"}  # o: w/o
_OPPOSITES = (
    ("above", "below"), ("after", "before"), ("anomaly", "normal"), ("asc", "desc"), ("begin", "end"),
    ("decrease", "increase"), ("disable", "enable"), ("exclude", "include"), ("external", "internal"),
    ("fall", "rise"), ("first", "last"), ("high", "low"), ("input", "output"), ("largest", "smallest"),
    ("left", "right"), ("longest", "shortest"), ("lower", "upper"), ("max", "min"), ("negative", "positive"),
    ("off", "on"), ("over", "under"), ("source", "target"), ("test", "train"), ("with", "without"),
)  # fmt: skip
_ALIKE = 0.75  # ratio of difflib above which the rest behind a negation counts as the other name
_LIKE_FORMULA = re.compile("'*[=+@-]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")
_LIKE_ESCAPE = re.compile(r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` if a name in `known` is similar to `name`, else an empty string."""
    similar = [known_name for known_name in known if not opposite(name, known_name)]
    match = get_close_matches(name, similar, n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


def opposite(one: str, other: str) -> bool:
    """Return whether two names that look alike mean the contrary: ``anormal``, ``no-latch``, ``min_rate``, ...

    Examples
    --------
    >>> opposite("abnormal_clips", "normal"), opposite("min_rate", "max_rate"), opposite("nomral", "normal")
    (True, True, False)
    """
    names = one.casefold(), other.casefold()
    words = [re.findall(r"[^\W_]+", name) for name in names]
    if bool(_NEGATING_WORDS & set(words[0])) != bool(_NEGATING_WORDS & set(words[1])):
        return True
    if any(_has(words[0], a) and _has(words[1], b) for pair in _OPPOSITES for a, b in (pair, pair[::-1])):
        return True
    joined = ["".join(parts) for parts in words]
    return _negates(*joined) or _negates(*joined[::-1])


def _has(words: Sequence[str], part: str) -> bool:
    """Whether a part is one of the words, or begins or ends one and is longer than two letters."""
    return any(w == part or (2 < len(part) < 6 and (w.startswith(part) or w.endswith(part))) for w in words)


def _negates(long: str, short: str) -> bool:
    """Whether a name is about another one with a negation before or behind it, which that one has not."""
    rests = [long.removeprefix(n) for n in _NEGATIONS if long.startswith(n) and not short.startswith(n)]
    rests += [long.removesuffix(n) for n in _WITHOUT if long.endswith(n) and not short.endswith(n)]
    return any(rest in short or SequenceMatcher(None, rest, short).ratio() >= _ALIKE for rest in rests if len(rest) > 2)


def suggestion_or_choices(name: str, known: Iterable[str]) -> str:
    """Return the `suggestion`, or ``'; expected one of: x, y'`` if no name in `known` is similar."""
    choices = list(known)
    return suggestion(name, choices) or (f"; expected one of: {', '.join(choices)}" if choices else "")


def plural(n: int, one: str, many: str = "") -> str:
    """Return ``"1 clip"`` or ``"2 clips"``; `many` is the plural of `one` where it is not formed with an s."""
    return f"{n} {one if n == 1 else many or f'{one}s'}"


def size_text(size: float) -> str:
    """Return a number of bytes as ``"300 MiB"``, ``"1.5 GiB"`` or ``"2.0 TiB"``."""
    if size < 1 << 30:
        return f"{size / (1 << 20):.0f} MiB"
    if size < 1 << 40:
        return f"{size / (1 << 30):.1f} GiB"
    return f"{size / (1 << 40):,.1f} TiB" if size < 1000 << 40 else "more than 1,000 TiB"


def duration_text(seconds: float) -> str:
    """Return a time in one unit: ``"40 s"``, ``"12 min"``, ``"5 h"``, ``"12 days"`` or ``"3 years"``."""
    for unit, length, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48), ("days", _DAY, 730)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    years = seconds / YEAR
    return f"{years:,.0f} years" if years < 1e6 else "more than a million years"


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


def csv_line(values: Iterable[object]) -> str:
    """Return one line of a CSV file; texts are written by `spreadsheet_cell`, None as an empty cell."""
    line = io.StringIO(newline="")
    cells = (spreadsheet_cell(value) if isinstance(value, str) else value for value in values)
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def spreadsheet_cell(name: str) -> str:
    r"""Return `name` as a CSV cell that a spreadsheet does not evaluate; `from_spreadsheet_cell` returns `name`.

    Control characters become ``\xNN``. A ``'`` is put before a name that a spreadsheet would take for a formula. What
    looks like either in a name is marked, too: ``\x41`` becomes ``\x5cx41``, and ``'=`` becomes ``''=``.
    """
    text = _CONTROL.sub(_escaped, _LIKE_ESCAPE.sub(r"\\x5c", name))
    return f"'{text}" if _LIKE_FORMULA.match(text) else text


def from_spreadsheet_cell(cell: str) -> str:
    """Return the name that `spreadsheet_cell` made a cell of."""
    text = cell[1:] if cell.startswith("'") and _LIKE_FORMULA.match(cell) else cell
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's surrogate escape for a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def file_name(text: str) -> str:
    """Return `text` as a file name: unchanged if it is plain, else plain characters and a digest."""
    plain = re.sub(r"[^0-9A-Za-z_-]", "_", text)[:60]
    if plain == text:
        return text
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
