"""Line numbers of the keys in a TOML text.

`tomllib` returns values without positions. The scanner here reads the same grammar for positions alone; `tomllib`
decides what a value means and whether the text is valid.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Path to a value: keys of tables and indices of arrays."""

MAX_DEPTH = 32
"""Deepest nesting that is read: `tomllib` takes quadratic time on long dotted keys."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRINGS = (
    ('"""', re.compile(r'"""(?:\\.|[^\\])*?"""(?:"{0,2})', re.DOTALL)),
    ("'''", re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)),
    ('"', re.compile(r'"(?:\\.|[^"\\\n])*"')),
    ("'", re.compile(r"'[^'\n]*'")),
)


@dataclass
class KeyLines:
    """Lines of the keys of a text, from 1.

    Attributes
    ----------
    lines
        Line of each key; for a table that of its header, for an array element that of the element.
    repeated
        Keys that are written twice, with the lines of both.
    broken
        Line and reason where the scanner stopped: a string or an array that does not end, for example.
    too_deep
        Line where the nesting exceeds `MAX_DEPTH`.
    """

    lines: dict[KeyPath, int] = field(default_factory=dict)
    repeated: list[tuple[KeyPath, int, int]] = field(default_factory=list)
    broken: tuple[int, str] | None = None
    too_deep: int | None = None


def locate(text: str) -> KeyLines:
    """Find the line of every key of `text`; in invalid TOML at least those before the first error."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _ScanError as error:
        scanner.keys.broken = (scanner.line(error.position), error.reason)
    except _TooDeepError as error:
        scanner.keys.too_deep = scanner.line(error.position)
    return scanner.keys


def dotted(path: KeyPath) -> str:
    """Format a path as in TOML, such as ``detectors."my det".rates[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return text


def quoted(value: str) -> str:
    """Return a string in double quotes, on one printable line."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


class _ScanError(Exception):
    """The text at a position is not TOML."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position, self.reason = position, reason


class _TooDeepError(Exception):
    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position


class _Scanner:
    """Scan a text once, from the first character to the last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.keys = KeyLines()
        self._newlines = [m.start() for m in re.finditer("\n", text)]
        self._defined: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}  # array of tables -> index of its last table

    def line(self, position: int) -> int:
        """Return the line of a character, from 1."""
        return bisect_right(self._newlines, position - 1) + 1

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_BLANK)
            if self.position >= len(self.text):
                return
            if self.text.startswith("[[", self.position):
                table = self._header("[[", "]]")
            elif self.text.startswith("[", self.position):
                table = self._header("[", "]")
            else:
                self._assignment(table)

    def _header(self, opening: str, closing: str) -> KeyPath:
        begin = self.position
        self.position += len(opening)
        path: KeyPath = ()
        keys = self._dotted_key()
        for key in keys[:-1]:
            path = self._latest((*path, key))
            self.keys.lines.setdefault(path, self.line(begin))
        path = (*path, keys[-1])
        self._expect(closing, begin, "this table header is never closed")
        if opening == "[[":
            self.keys.lines.setdefault(path, self.line(begin))
            self._last[path] = self._last.get(path, -1) + 1
        path = self._latest(path)
        self.keys.lines[path] = self.line(begin)
        self._define(path, begin)
        return path

    def _latest(self, path: KeyPath) -> KeyPath:
        """Return the last table of an array of tables; any other path as it is."""
        return (*path, self._last[path]) if path in self._last else path

    def _assignment(self, table: KeyPath) -> None:
        begin = self.position
        keys = self._dotted_key()
        if len(table) + len(keys) > MAX_DEPTH:
            raise _TooDeepError(begin)
        for end in range(1, len(keys)):
            self.keys.lines.setdefault((*table, *keys[:end]), self.line(begin))
        path = (*table, *keys)
        self.keys.lines.setdefault(path, self.line(begin))
        self._define(path, begin)
        self._expect("=", begin, "this key has no value")
        self._skip(_SPACE)
        self._value(path)

    def _define(self, path: KeyPath, begin: int) -> None:
        first = self._defined.setdefault(path, begin)
        if first != begin:
            self.keys.repeated.append((path, self.line(first), self.line(begin)))

    def _dotted_key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            if len(keys) > MAX_DEPTH:
                raise _TooDeepError(self.position)
            self._skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return keys
            self.position += 1

    def _key(self) -> str:
        begin = self.position
        if self.text.startswith(('"', "'"), begin):
            self._string()
            try:
                key: str = tomllib.loads(f"key = {self.text[begin : self.position]}")["key"]
            except ValueError:
                raise _ScanError(begin, "this key cannot be read") from None
            return key
        self._skip(_BARE_KEY)
        if self.position == begin:
            raise _ScanError(begin, "a key was expected here")
        return self.text[begin : self.position]

    def _value(self, path: KeyPath) -> None:
        begin = self.position
        if len(path) > MAX_DEPTH:
            raise _TooDeepError(begin)
        if self.text.startswith("[", begin):
            self._array(path)
        elif self.text.startswith("{", begin):
            self._inline_table(path)
        elif self.text.startswith(('"', "'"), begin):
            self._string()
        else:
            self._skip(_SCALAR)
            if self.position == begin:
                raise _ScanError(begin, "a value was expected here")

    def _array(self, path: KeyPath) -> None:
        begin = self.position
        self.position += 1
        index = 0
        while not self._closes("]", begin, "this array is never closed"):
            self.keys.lines[(*path, index)] = self.line(self.position)
            self._value((*path, index))
            self._comma()
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        begin = self.position
        self.position += 1
        while not self._closes("}", begin, "this inline table is never closed"):
            self._assignment(path)
            self._comma()

    def _closes(self, closing: str, begin: int, reason: str) -> bool:
        self._skip(_BLANK)
        if self.position >= len(self.text):
            raise _ScanError(begin, reason)
        if not self.text.startswith(closing, self.position):
            return False
        self.position += 1
        return True

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self.text.startswith(",", self.position):
            self.position += 1

    def _string(self) -> None:
        for opening, pattern in _STRINGS:
            if self.text.startswith(opening, self.position):
                match = pattern.match(self.text, self.position)
                if match is None:
                    raise _ScanError(self.position, "the quotes of this string are never closed")
                self.position = match.end()
                return

    def _expect(self, token: str, begin: int, reason: str) -> None:
        self._skip(_SPACE)
        if not self.text.startswith(token, self.position):
            raise _ScanError(begin, reason)
        self.position += len(token)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
