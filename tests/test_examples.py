"""Examples in docstrings: each runs, and each public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from asdkit import api, kernels, metrics
from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from tests.helpers.bundle_room import finished_run

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "asdkit").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
NEEDS_BUNDLE = ("asdkit.bundle.bundle", "asdkit.bundle.system", "asdkit.bundle.export")


def public_functions() -> Iterator[tuple[str, object]]:
    """Functions that plugins, notebooks and scripts call, by name."""
    for module in (api, kernels, metrics):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not inspect.isclass(value) and getattr(value, "__module__", "").startswith("asdkit"):
                yield f"{module.__name__}.{name}", value


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a finished run and a bundle of it, where examples expect them."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "runs").mkdir()
    finished_run(folder).rename(folder / "runs" / "fan")
    (folder / "fan.asdkit").write_bytes(export(Bundle.of_run(folder / "runs" / "fan", "both")))
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request) -> None:
    monkeypatch.chdir(request.getfixturevalue("bundle_folder") if name in NEEDS_BUNDLE else tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_each_public_function_has_an_example() -> None:
    documented = {name: inspect.getdoc(value) or "" for name, value in public_functions()}
    assert [name for name, text in documented.items() if ">>> " not in text] == []
    assert len(documented) > 20


def test_bundle_has_an_example() -> None:
    assert ">>> " in (inspect.getdoc(Bundle) or "")
