"""Lines of keys, compared with those of a generator and with the keys that tomllib reads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asdkit.spec.positions import KeyPath, dotted, locate

EVERYTHING = """\
# a comment with [brackets] and = signs
title = "x # not a comment"

[a.b]                 # header
one = 1
"two words" = { x = 1, "y=" = [1, 2], z.w = 3 }
dotted.inner.key = 'its'
list = [
    1,                # ] not here
    [2, 3],
    { k = "]" },

    "last",
]
date = 1979-05-27 07:32:00
text = \"\"\"
[not.a.header]
key = "\\\"\"\" still text
\"\"\"
raw = '''
# no comment
'''
after = true

[[points]]
x = 1
[points.detail]
deep = 2
[[points]]
x = 3
[points.detail]
deep = 4
[a]
late = 5
"""


def keys_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from keys_of(below, (*path, key))


def test_every_form_of_key_is_located() -> None:
    lines = locate(EVERYTHING).lines
    assert set(lines) == set(keys_of(tomllib.loads(EVERYTHING)))
    expected: dict[KeyPath, int] = {
        ("title",): 2,
        ("a",): 33,
        ("a", "b"): 4,
        ("a", "b", "one"): 5,
        ("a", "b", "two words"): 6,
        ("a", "b", "two words", "y=", 1): 6,
        ("a", "b", "two words", "z", "w"): 6,
        ("a", "b", "dotted", "inner"): 7,
        ("a", "b", "list"): 8,
        ("a", "b", "list", 0): 9,
        ("a", "b", "list", 1, 1): 10,
        ("a", "b", "list", 2, "k"): 11,
        ("a", "b", "list", 3): 13,
        ("a", "b", "date"): 15,
        ("a", "b", "text"): 16,
        ("a", "b", "raw"): 20,
        ("a", "b", "after"): 23,
        ("points",): 25,
        ("points", 0): 25,
        ("points", 0, "x"): 26,
        ("points", 0, "detail"): 27,
        ("points", 1, "x"): 30,
        ("points", 1, "detail", "deep"): 32,
        ("a", "late"): 34,
    }
    assert {path: lines[path] for path in expected} == expected


def test_a_repeated_key_gives_both_lines() -> None:
    assert locate("[a]\nx = 1\n\n[b]\n[a]\ny = 2\ny = 3\n").repeated == [
        (("a",), 1, 5),
        (("a", "y"), 6, 7),
    ]


def test_an_unclosed_value_is_located_at_its_begin() -> None:
    assert locate("a = 1\nb = [1,\n2\n\n").broken == (2, "this array is never closed")
    assert locate('a = """\n\n').broken == (1, "the quotes of this string are never closed")
    assert locate("\n[table\n").broken == (2, "this table header is never closed")


def test_paths_are_formatted_as_toml() -> None:
    assert dotted(("detectors", "my det", "rates", 1)) == 'detectors."my det".rates[1]'
    assert dotted(("a", "b\n\u202e")) == 'a."b\\n\\u202e"'


@dataclass
class Writer:
    """Writes TOML and records the line of each key."""

    draw: st.DrawFn
    text: str = ""
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def here(self, path: KeyPath) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def key(self, name: str) -> str:
        plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if plain and self.draw(st.booleans()):
            return name
        if "'" not in name and name.isprintable() and self.draw(st.booleans()):
            return f"'{name}'"
        return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")

    def space(self, *, lines: bool) -> None:
        some = [" ", "", "  ", "\t"] + (["\n", " # [x] = {\n", "\n\n"] if lines else [])
        self.text += self.draw(st.sampled_from(some))

    def value(self, path: KeyPath, depth: int = 0) -> None:
        kind = self.draw(st.sampled_from(["scalar", "scalar", "list", "table"] if depth < 3 else ["scalar"]))
        if kind == "list":
            self.text += "["
            for index in range(self.draw(st.integers(0, 3))):
                self.space(lines=True)
                self.here((*path, index))
                self.value((*path, index), depth + 1)
                self.space(lines=True)
                self.text += ","
            self.space(lines=True)
            self.text += "]"
        elif kind == "table":
            self.text += "{"
            names = self.draw(st.lists(NAMES, max_size=3, unique=True))
            for number, name in enumerate(names):
                self.text += ", " if number else " "
                self.pair((*path, name), name, depth + 1)
            self.text += " }"
        else:
            self.text += self.draw(SCALARS)

    def pair(self, path: KeyPath, name: str, depth: int = 0) -> None:
        self.here(path)
        self.text += self.key(name)
        self.space(lines=False)
        self.text += "="
        self.space(lines=False)
        self.value(path, depth)


NAMES = st.one_of(
    st.sampled_from(["a", "b-c", "1", "_"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4),
)
NUMBERS = ("1", "-2.5e3", "true", "inf", "0x1F", "07:32:00", "1979-05-27 07:32:00")
TEXTS = (r'"a ] } # = \" b"', r"'x\'", '""', "''", '"' * 6, "'" * 6)
LONG_TEXTS = ('"""\n[a]\nb = 1 """', "'''\n# '' \n'''", '"""a\\\n  """""')
SCALARS = st.sampled_from((*NUMBERS, *TEXTS, *LONG_TEXTS))


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)

    def pairs(path: KeyPath, names: list[str]) -> None:
        for name in names:
            writer.space(lines=True)
            writer.pair((*path, name), name)
            writer.text += draw(st.sampled_from(["\n", " # c\n", "\n\n"]))

    names = draw(st.lists(NAMES, max_size=6, unique=True))
    pairs((), names[:2])
    for name in names[2:4]:
        writer.here((name,))
        writer.text += f"[{writer.key(name)}] # t\n"
        pairs((name,), draw(st.lists(NAMES, max_size=3, unique=True)))
    for name in names[4:]:
        writer.here((name,))
        for index in range(draw(st.integers(1, 3))):
            writer.here((name, index))
            writer.text += f"[[ {writer.key(name)} ]]\n"
            pairs((name, index), draw(st.lists(NAMES, max_size=2, unique=True)))
    return writer


@given(documents())
def test_keys_of_any_document_are_located(writer: Writer) -> None:
    keys = locate(writer.text)
    assert set(keys.lines) == set(keys_of(tomllib.loads(writer.text)))
    assert keys.lines == writer.lines
    assert (keys.broken, keys.too_deep, keys.repeated) == (None, None, [])


@given(st.text(st.sampled_from("ab.=[]{}\"'#\n ,1\\\r")))
def test_keys_of_any_text_match_tomllib(text: str) -> None:
    text = text.replace("\r\n", "\n")
    keys = locate(text)
    try:
        expected = set(keys_of(tomllib.loads(text)))
    except ValueError:
        return
    assert set(keys.lines) == expected
    assert keys.repeated == []
