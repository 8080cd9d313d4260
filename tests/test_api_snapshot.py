"""The plugin API does not change unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asdkit import api
from tests.helpers import api_snapshot

TREE = Path(__file__).parents[1]


def drift() -> list[str]:
    kept = api_snapshot.FILE.read_text().splitlines()
    now = api_snapshot.lines()
    return [f"- {line}" for line in kept if line not in now] + [f"+ {line}" for line in now if line not in kept]


def test_signatures_are_those_of_the_snapshot():
    assert drift() == [], (
        'asdkit.api changed: say so in CHANGELOG.md under "Plugin API", then run: python -m tests.helpers.api_snapshot'
    )


def test_a_changed_signature_is_drift(monkeypatch):
    def cut_windows(offsets, frames):
        """Another signature."""

    monkeypatch.setattr(api, "cut_windows", cut_windows)
    found = drift()
    assert [line[:13] for line in found] == ["- cut_windows", "+ cut_windows"]


def test_a_removed_name_and_a_new_field_are_drift(monkeypatch):
    monkeypatch.setattr(api, "__all__", [name for name in api.__all__ if name != "Fuser"])
    assert "- class Fuser(Protocol)" in drift()


def unreleased(text: str) -> str:
    """What the changelog's unreleased part says under "Plugin API"."""
    part = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    under = part and re.search(r"^### Plugin API\n(.*?)(?=^### |\Z)", part[1], re.DOTALL | re.MULTILINE)
    return under[1].strip() if under else ""


def committed(path: str) -> str | None:
    """A file as the last release has it; None where there is none, or no git."""
    tags = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=TREE, capture_output=True, text=True, check=False
    )
    if tags.returncode:
        return None
    shown = subprocess.run(
        ["git", "show", f"{tags.stdout.strip()}:{path}"], cwd=TREE, capture_output=True, text=True, check=False
    )
    return shown.stdout if shown.returncode == 0 else None


def test_a_snapshot_that_differs_from_the_last_releases_has_an_entry_in_the_changelog():
    before = committed("tests/api_snapshot.txt")
    if before is None:
        before = ""  # never released: the first version is itself to be told
    if before != api_snapshot.FILE.read_text():
        assert unreleased((TREE / "CHANGELOG.md").read_text()), 'CHANGELOG.md says nothing under "Plugin API"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("## [Unreleased]\n\n### Plugin API\n\n- A new hook.\n\n## [1.0]\n", "- A new hook."),
        ("## [Unreleased]\n\n### Added\n\n- x\n\n## [1.0]\n\n### Plugin API\n\n- old\n", ""),
        ("## [Unreleased]\n\n### Plugin API\n\n### Added\n- x\n", ""),
    ],
)
def test_only_the_unreleased_entry_counts(text, found):
    assert unreleased(text) == found


def test_the_snapshot_is_the_same_in_another_process():
    code = "from tests.helpers.api_snapshot import lines; print('\\n'.join(lines()))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=TREE, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == api_snapshot.lines()
