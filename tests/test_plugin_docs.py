"""Documents about plugins say what is: pages are those of the contracts, snippets run."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from asdkit.plugins import KINDS, discover
from asdkit.spec import load_spec
from asdkit.testing.contract import checks_of
from tests import tutorial

DOCS = Path(__file__).parents[1] / "docs"
PAGES = runpy.run_path(str(DOCS / "plugin_pages.py"))["pages"]()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_is_what_the_command_writes(kind):
    path = DOCS / "plugins" / f"{kind}s.md"
    assert path.read_text() == PAGES[path], "the contract changed; run: python docs/plugin_pages.py"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_names_every_check_plugin_and_option(kind):
    text = (DOCS / "plugins" / f"{kind}s.md").read_text()
    registry = discover()
    for check in checks_of(kind):
        assert f"`{check.name}`" in text
    for name in registry.names(kind):
        for option in registry.entry(kind, name).config.model_fields:
            assert f"| `{option}` |" in text


def test_the_notebook_style_example_runs_and_is_ten_lines_long(tmp_path):
    page = (DOCS / "python.md").read_text()
    code, _ = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (spec,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "spec.toml").write_text(spec)
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    healthy, louder = map(float, ran.stdout.split())
    assert louder > healthy + 0.5


def test_the_tutorial_is_six_commands_to_a_running_detector():
    listed = tutorial.commands()
    assert len(listed[: tutorial.FIRST]) == 6
    assert "demo" in listed[tutorial.FIRST - 1]
    check, run = listed[tutorial.FIRST :]  # once more
    assert check == listed[tutorial.FIRST - 2]
    assert run.startswith(listed[tutorial.FIRST - 1])


def test_the_tutorials_spec_and_change_of_score_fit_the_scaffold(tmp_path, monkeypatch, asdkit_command):
    made = asdkit_command("new-plugin", "detector", "my-idea")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "asdkit-my-idea"
    tutorial.change_score(folder / "asdkit_my_idea.py")
    install_in_place(folder)
    checked = asdkit_command("check-plugin", "my-idea", PYTHONPATH=str(folder))
    assert checked.returncode == 0, checked.stdout
    (table,) = tutorial.blocks("toml")
    (tmp_path / "spec.toml").write_text(
        'asdkit = 1\n[data]\nlayout = "folder"\nroot = "."\n[featurizers.f]\nuse = "log-mel"\n' + table
    )
    monkeypatch.syspath_prepend(folder)
    assert load_spec(tmp_path / "spec.toml").detectors["my-idea"].config.order == 2.0
    sys.modules.pop("asdkit_my_idea", None)


def install_in_place(folder):
    """Let the package of a folder be found as if it were installed there."""
    info = folder / "asdkit_my_idea-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: asdkit-my-idea\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[asdkit]\nmy-idea = asdkit_my_idea\n")


def test_the_policy_names_the_environment_variable_and_the_commands():
    text = (DOCS / "plugin-api.md").read_text()
    for words in ("ASDKIT_PLUGINS=", "--trace", "python -m tests.helpers.api_snapshot", "expected_failures"):
        assert words in text
