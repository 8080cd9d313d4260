"""No module of asdkit reaches itself by imports, those under ``TYPE_CHECKING`` and inside functions included."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]


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


def test_no_module_imports_itself_through_others():
    known = modules("asdkit")
    graph = {name: imports((ROOT / path).read_text(), set(known)) for name, path in known.items()}
    assert circles(graph) == []


def test_a_circle_is_found_wherever_it_is_imported():
    known = {"a", "a.b", "c"}
    lazy = "def f():\n    from a import b\n"
    typing = "if TYPE_CHECKING:\n    from c import X\n"
    graph = {"a": set(), "a.b": imports(typing, known), "c": imports(lazy, known)}
    assert circles(graph) == [["a.b", "c"]]
