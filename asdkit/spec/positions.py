"""Where each key of a TOML text is written: key path -> line.

`tomllib` gives values without positions. The scanner here reads the same grammar once more for positions alone; what
a value means, and whether the text is valid TOML, stays `tomllib`'s to say.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""A way to a value: keys of tables and indices of arrays."""

MAX_DEPTH = 32
"""Nesting beyond which a text is refused: `tomllib` takes quadratic time on long dotted keys."""

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
    """What the scanner found.

    Attributes
    ----------
    of
        Line of each key: of a table its header, of an element of an array the element itself.
    repeated
        Keys written twice, with the line of the first and of the second.
    broken
        Line where the scanner lost its way (a string or an array that never ends), and what began there.
    too_deep
        Line where the nesting passed `MAX_DEPTH`.
    """

    of: dict[KeyPath, int] = field(default_factory=dict)
    repeated: list[tuple[KeyPath, int, int]] = field(default_factory=list)
    broken: tuple[int, str] | None = None
    too_deep: int | None = None


def locate(text: str) -> KeyLines:
    """Find the line of every key of `text`; of invalid TOML, those before the first fault at least."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _LostError as lost:
        scanner.lines.broken = (scanner.line(lost.at), lost.what)
    except _TooDeepError as deep:
        scanner.lines.too_deep = scanner.line(deep.at)
    return scanner.lines


def dotted(path: KeyPath) -> str:
    """Write a path as TOML does, such as ``detectors."my det".rates[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else shown(part))
    return text


def shown(value: str) -> str:
    """Write a text in quotes on one line, whatever it holds."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)


class _LostError(Exception):
    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at, self.what = at, what


class _TooDeepError(Exception):
    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


class _Scanner:
    """Reads a text once, from the first character to the last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines = KeyLines()
        self._newlines = [m.start() for m in re.finditer("\n", text)]
        self._defined: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}  # array of tables -> index of its last table

    def line(self, at: int) -> int:
        """Line of a character, from 1."""
        return bisect_right(self._newlines, at - 1) + 1

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[[", self.at):
                table = self._header("[[", "]]")
            elif self.text.startswith("[", self.at):
                table = self._header("[", "]")
            else:
                self._assignment(table)

    def _header(self, opening: str, closing: str) -> KeyPath:
        begin = self.at
        self.at += len(opening)
        path: KeyPath = ()
        keys = self._keys()
        for key in keys[:-1]:
            path = self._latest((*path, key))
            self.lines.of.setdefault(path, self.line(begin))
        path = (*path, keys[-1])
        self._expect(closing, begin, "this table header is never closed")
        if opening == "[[":
            self.lines.of.setdefault(path, self.line(begin))
            self._last[path] = self._last.get(path, -1) + 1
        path = self._latest(path)
        self.lines.of[path] = self.line(begin)
        self._define(path, begin)
        return path

    def _latest(self, path: KeyPath) -> KeyPath:
        """Of an array of tables its last table; of all else itself."""
        return (*path, self._last[path]) if path in self._last else path

    def _assignment(self, table: KeyPath) -> None:
        begin = self.at
        keys = self._keys()
        if len(table) + len(keys) > MAX_DEPTH:
            raise _TooDeepError(begin)
        for end in range(1, len(keys)):
            self.lines.of.setdefault((*table, *keys[:end]), self.line(begin))
        path = (*table, *keys)
        self.lines.of.setdefault(path, self.line(begin))
        self._define(path, begin)
        self._expect("=", begin, "this key has no value")
        self._skip(_SPACE)
        self._value(path)

    def _define(self, path: KeyPath, begin: int) -> None:
        first = self._defined.setdefault(path, begin)
        if first != begin:
            self.lines.repeated.append((path, self.line(first), self.line(begin)))

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            if len(keys) > MAX_DEPTH:
                raise _TooDeepError(self.at)
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _key(self) -> str:
        begin = self.at
        if self.text.startswith(('"', "'"), self.at):
            self._string()
            token = self.text[begin : self.at]
            try:
                key: str = tomllib.loads(f"key = {token}")["key"]
            except ValueError:
                raise _LostError(begin, "this key cannot be read") from None
            return key
        self._skip(_BARE_KEY)
        if self.at == begin:
            raise _LostError(begin, "a key was expected here")
        return self.text[begin : self.at]

    def _value(self, path: KeyPath) -> None:
        if len(path) > MAX_DEPTH:
            raise _TooDeepError(self.at)
        if self.text.startswith("[", self.at):
            self._array(path)
        elif self.text.startswith("{", self.at):
            self._inline_table(path)
        elif self.text.startswith(('"', "'"), self.at):
            self._string()
        else:
            begin = self.at
            self._skip(_SCALAR)
            if self.at == begin:
                raise _LostError(begin, "a value was expected here")

    def _array(self, path: KeyPath) -> None:
        begin = self.at
        self.at += 1
        index = 0
        while not self._closes("]", begin, "this array is never closed"):
            self.lines.of[(*path, index)] = self.line(self.at)
            self._value((*path, index))
            self._comma()
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        begin = self.at
        self.at += 1
        while not self._closes("}", begin, "this inline table is never closed"):
            self._assignment(path)
            self._comma()

    def _closes(self, closing: str, begin: int, what: str) -> bool:
        self._skip(_BLANK)
        if self.at >= len(self.text):
            raise _LostError(begin, what)
        if not self.text.startswith(closing, self.at):
            return False
        self.at += 1
        return True

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self.text.startswith(",", self.at):
            self.at += 1

    def _string(self) -> None:
        for opening, pattern in _STRINGS:
            if self.text.startswith(opening, self.at):
                match = pattern.match(self.text, self.at)
                if match is None:
                    raise _LostError(self.at, "this text's quotes are never closed")
                self.at = match.end()
                return

    def _expect(self, token: str, begin: int, what: str) -> None:
        self._skip(_SPACE)
        if not self.text.startswith(token, self.at):
            raise _LostError(begin, what)
        self.at += len(token)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
