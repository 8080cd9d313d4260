"""Structure of the source: no import circles, small files and functions, plain words, independent tests."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
MAX_FILE, MAX_FUNCTION = 350, 60  # lines
LONG_FILES = {
    "asdkit/run/store.py",  # one reader and writer of all files of a run folder
}
LONG_FUNCTIONS = {
    "plugins/asdkit_group_made/kernel.py:likelihood",  # one nest of loops for one equation; its source is in job keys
}
OLD_WORDS = re.compile(
    r"(?<![`.])\b(?:told|heard|learnt|anew|strangers?|gainsays?|vouched|foretold|lest|hangs on|papered)\b(?!`)"
)


def modules(package: str) -> dict[str, Path]:
    """Modules of a package, by dotted name."""
    paths = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(source: str, known: set[str]) -> set[str]:
    """Known modules that a source imports anywhere in it: at the top, under a condition, in a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other, each sorted by name."""
    names = sorted(graph)
    index = {name: number for number, name in enumerate(names)}
    edges = [(index[name], index[other]) for name in names for other in graph[name] if name != other]
    rows, columns = np.array(edges, int).reshape(-1, 2).T
    matrix = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    _, labels = connected_components(matrix, connection="strong")
    groups: dict[int, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        groups.setdefault(int(label), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def test_no_import_circle():
    known = modules("asdkit")
    graph = {name: imports((ROOT / path).read_text(), set(known)) for name, path in known.items()}
    assert circles(graph) == []


def test_a_lazy_or_typing_circle_is_found():
    known = {"a", "a.b", "c"}
    lazy = "def f():\n    from a import b\n"
    typing = "if TYPE_CHECKING:\n    from c import X\n"
    graph = {"a": set(), "a.b": imports(typing, known), "c": imports(lazy, known)}
    assert circles(graph) == [["a.b", "c"]]


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Path below the root, and text, of each Python file."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def prose(source: str) -> str:
    """Comments, docstrings and messages of a source."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    return "\n".join(token.string for token in tokens if token.type in kinds)


def test_files_are_short():
    assert {path for path, text in sources("asdkit", "plugins") if text.count("\n") > MAX_FILE} == LONG_FILES


def test_functions_are_short():
    long = {
        f"{path}:{node.name}"
        for path, text in sources("asdkit", "plugins")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION
    }
    assert long == LONG_FUNCTIONS


def test_words_are_plain():
    texts = {path: prose(text) for path, text in sources("asdkit")}
    texts |= {
        path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    }
    assert {path: sorted(set(OLD_WORDS.findall(text))) for path, text in texts.items() if OLD_WORDS.search(text)} == {}


def test_tests_are_independent():
    """No test imports from another test file or from the benchmarks."""
    pattern = re.compile(
        r"^\s*from (benchmarks|tests\.robustness|tests(?:\.\w+)*\.(?:test_\w+|conftest))\b", re.MULTILINE
    )
    found = {path: pattern.findall(text) for path, text in sources("tests") if "/robustness/" not in path}
    assert {path: names for path, names in found.items() if names} == {}
