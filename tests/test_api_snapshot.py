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


def unreleased(text: str) -> str:
    """Entries under "Plugin API" in the changelog's unreleased section."""
    section = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    entries = section and re.search(r"^### Plugin API\n(.*?)(?=^### |\Z)", section[1], re.DOTALL | re.MULTILINE)
    return entries[1].strip() if entries else ""


def released(path: str) -> str | None:
    """A file as of the last release; None if there is no release, no such file, or no git."""
    tags = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=TREE, capture_output=True, text=True, check=False
    )
    if tags.returncode:
        return None
    file = subprocess.run(
        ["git", "show", f"{tags.stdout.strip()}:{path}"], cwd=TREE, capture_output=True, text=True, check=False
    )
    return file.stdout if file.returncode == 0 else None


def test_signatures_match_the_snapshot():
    assert api_snapshot.drift() == [], (
        'asdkit.api changed: say so in CHANGELOG.md under "Plugin API", then run: python -m tests.helpers.api_snapshot'
    )


def test_a_changed_signature_is_drift(monkeypatch):
    def cut_windows(offsets, frames):
        """Another signature."""

    monkeypatch.setattr(api, "cut_windows", cut_windows)
    assert [line[:13] for line in api_snapshot.drift()] == ["- cut_windows", "+ cut_windows"]


def test_a_removed_name_is_drift(monkeypatch):
    monkeypatch.setattr(api, "__all__", [name for name in api.__all__ if name != "Fuser"])
    assert "- class Fuser(Protocol)" in api_snapshot.drift()


def test_a_changed_snapshot_needs_a_changelog_entry():
    before = released("tests/api_snapshot.txt") or ""  # before the first release everything is new
    if before != api_snapshot.FILE.read_text():
        assert unreleased((TREE / "CHANGELOG.md").read_text()), 'CHANGELOG.md has no entry under "Plugin API"'


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("## [Unreleased]\n\n### Plugin API\n\n- A new hook.\n\n## [1.0]\n", "- A new hook."),
        ("## [Unreleased]\n\n### Added\n\n- x\n\n## [1.0]\n\n### Plugin API\n\n- old\n", ""),
        ("## [Unreleased]\n\n### Plugin API\n\n### Added\n- x\n", ""),
    ],
)
def test_only_unreleased_changelog_entries_count(text, entries):
    assert unreleased(text) == entries


def test_the_snapshot_is_the_same_in_another_process():
    code = "from tests.helpers.api_snapshot import lines; print('\\n'.join(lines()))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=TREE, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == api_snapshot.lines()
