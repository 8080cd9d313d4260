"""Documents about plugins: pages follow from the contracts, and snippets run."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from asdkit import api, hookspecs
from asdkit.plugins import KINDS, discover
from asdkit.spec import load_spec
from asdkit.testing.checks import checks_of
from tests import tutorial
from tests.helpers.packages import install_tree

DOCS = Path(__file__).parents[1] / "docs"
PAGES = runpy.run_path(str(DOCS / "plugin_pages.py"))["pages"]()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_plugin_pages_are_up_to_date(path):
    assert path.read_text() == PAGES[path], "a contract or an example changed; run: python docs/plugin_pages.py"


def test_the_table_of_the_contract_names_every_hook_and_member():
    table = "\n".join(re.findall(r"^\| .*", (DOCS / "plugin-api.md").read_text(), re.MULTILINE))
    hooks = [name for name in vars(hookspecs) if name.startswith("asdkit_")]
    contracts = (api.Featurizer, api.FittedFeaturizer, api.WaveAugmenter, api.WindowAugmenter, api.Detector, api.Fuser)
    members = {name for each in contracts for name in (*vars(each), *each.__annotations__) if not name.startswith("_")}
    members |= api.Layout.__abstractmethods__ | {"learn", "score_windows", "restore", "build", "loss"}
    assert len(hooks) == 6
    assert len(members) >= 20
    assert [name for name in [*hooks, *sorted(members)] if not re.search(rf"`{name}\b", table)] == []


def test_each_kind_has_a_page_with_a_complete_example():
    assert {path.stem for path in PAGES} == {*(f"{kind}s" for kind in KINDS), "commands"}
    for text in PAGES.values():
        example = text.partition("## A complete example")[2]
        for part in ("`pyproject.toml`:", "__init__.py`:", "@hookimpl", "`tests/test_asdkit_"):
            assert part in example


@pytest.mark.parametrize("kind", KINDS)
def test_plugin_pages_name_every_check_plugin_and_option(kind):
    text = (DOCS / "plugins" / f"{kind}s.md").read_text()
    registry = discover()
    for check in checks_of(kind):
        assert f"`{check.name}`" in text
    for name in registry.names(kind):
        for option in registry.entry(kind, name).config.model_fields:
            assert f"| `{option}` |" in text


def test_the_python_example_runs_and_has_ten_lines(tmp_path, monkeypatch, capsys):
    page = (DOCS / "python.md").read_text()
    code, _ = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (spec,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "spec.toml").write_text(spec)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "python.md", "exec"), {})
    healthy, louder = map(float, capsys.readouterr().out.split())
    assert louder > healthy + 0.5


def test_the_tutorial_has_six_commands_to_a_running_detector():
    commands = tutorial.commands()
    assert len(commands[: tutorial.FIRST]) == 6
    assert "demo" in commands[tutorial.FIRST - 1]
    check, run = commands[tutorial.FIRST :]  # again, after the change
    assert check == commands[tutorial.FIRST - 2]
    assert run.startswith(commands[tutorial.FIRST - 1])


def test_snippets_of_the_tutorial_fit_the_new_plugin(tmp_path, monkeypatch, asdkit):
    written = asdkit("new-plugin", "detector", "my-idea")
    assert written.returncode == 0, written.stderr
    tutorial.change_score(tmp_path / "asdkit-my-idea" / "asdkit_my_idea" / "detector.py")
    site = tmp_path / "site"
    install_tree(site, tmp_path / "asdkit-my-idea")
    checked = asdkit("check-plugin", "my-idea")
    assert checked.returncode == 0, checked.stdout
    (table,) = tutorial.blocks("toml")
    (tmp_path / "spec.toml").write_text(
        'asdkit = 1\n[data]\nlayout = "folder"\nroot = "."\n[featurizers.f]\nuse = "log-mel"\n' + table
    )
    monkeypatch.syspath_prepend(site)
    assert load_spec(tmp_path / "spec.toml").detectors["my-idea"].config.order == 2.0
    sys.modules.pop("asdkit_my_idea", None)


def test_the_policy_names_the_environment_variable_and_the_commands():
    text = (DOCS / "plugin-api.md").read_text()
    for words in ("ASDKIT_PLUGINS=", "--trace", "python -m tests.helpers.api_snapshot", "expected_failures"):
        assert words in text
