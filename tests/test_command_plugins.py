"""Commands of plugins: found late, listed when broken, and never in the way of other commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asdkit.cli import app
from asdkit.commands import CORE_COMMANDS
from tests.helpers.packages import install
from tests.helpers.rooms import write_clip
from tests.tutorial import cpu_seconds

HOOK = """
from asdkit.commands import Command, hookimpl

@hookimpl
def asdkit_commands():
    return [Command("{name}", "{module}_work:{target}", summary="Counts {name}.")]
"""
WORK = """
import typer
from asdkit.errors import DataError

def count(number: int = 1, fail: bool = False, bug: bool = False) -> None:
    if fail:
        raise DataError("nothing to count", hint="Give it something.")
    if bug:
        [][0]
    print(number + 1)

several = typer.Typer()

@several.command("list")
def list_() -> None:
    "List them."
    print("a b")

@several.command()
def convert(name: str) -> None:
    "Convert one."
    print(name.upper())
"""


@pytest.fixture
def add(tmp_path):
    """A function that installs a distribution with a command."""

    def add_command(name, module, target="count", hook=HOOK, work=WORK):
        sources = {f"{module}.py": hook.format(name=name, module=module, target=target), f"{module}_work.py": work}
        install(tmp_path / "site", f"dist-{module}", sources, {name: module}, group="asdkit.commands")

    return add_command


def test_core_names_are_those_of_the_command_line():
    names = [info.name or info.callback.__name__.replace("_", "-") for info in app.registered_commands]
    assert tuple(names) == CORE_COMMANDS


def test_a_command_is_listed_and_runs(add, asdkit):
    add("count", "plug_count")
    assert "Counts count." in asdkit("--help").stdout
    assert "--number" in asdkit("count", "--help").stdout
    assert asdkit("count", "--number", "4").stdout == "5\n"
    assert asdkit("count", "--nmber", "4").returncode == 2
    failed = asdkit("count", "--fail")
    assert (failed.returncode, failed.stderr) == (3, "error: nothing to count\nGive it something.\n")
    bug = asdkit("count", "--bug")
    assert bug.returncode == 4
    assert "bug in command 'count' of dist-plug_count 1.0" in bug.stderr
    assert "Did you mean 'count'" in asdkit("cuont").stderr


def test_a_typer_has_sub_commands(add, asdkit):
    add("things", "plug_things", target="several")
    shown = asdkit("things", "--help").stdout
    assert "convert" in shown
    assert "List them." in shown
    assert asdkit("things", "convert", "x").stdout == "X\n"


@pytest.mark.parametrize(
    ("hook", "cause"),
    [
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("raise SystemExit(1)", "SystemExit"),
        ("x = 1", "decorate asdkit_commands with @hookimpl"),
        (HOOK.replace("return [", "return 3 or ["), "must return a list of Command, not int"),
        (HOOK.replace("return [", "return [3] or ["), "the list holds int, not Command"),
        (HOOK.replace("_work:", "."), "is not 'package.module:name'"),
        (HOOK.replace("summary=", "api_version=99, summary="), "written for plugin API 99"),
        (HOOK.replace("_work:{target}", "_work:absent"), "has no attribute 'absent'"),
        (HOOK.replace("_work:{target}", "_no_work:x"), "No module named 'plug_bad_no_work'"),
        (HOOK.replace("_work:{target}", "_work:__name__"), "failed"),
    ],
)
def test_a_broken_command_does_not_affect_the_others(hook, cause, add, asdkit):
    add("bad", "plug_bad", hook=hook)
    listed = asdkit("--help")
    assert listed.returncode == 0
    assert "\n  bad " in listed.stdout
    assert "\n  demo " in listed.stdout
    used = asdkit("bad")
    assert used.returncode == 4, used.stderr
    assert cause in used.stderr
    assert "dist-plug_bad 1.0" in used.stderr
    assert "Traceback" not in used.stderr
    assert asdkit("schema").returncode == 0
    assert "dist-plug_bad" in asdkit("plugins").stdout


def test_two_commands_of_one_name_are_both_named(add, asdkit):
    add("same", "plug_one")
    add("same", "plug_two")
    used = asdkit("same")
    assert used.returncode == 4
    assert "dist-plug_one (plug_one) and dist-plug_two (plug_two)" in used.stderr
    assert "\n  same " in asdkit("--help").stdout


def test_a_name_of_asdkit_itself_is_refused(add, asdkit):
    add("schema", "plug_schema")
    shown = asdkit("--help")
    assert "command 'schema' of dist-plug_schema 1.0: 'schema' is a command of asdkit itself" in shown.stderr
    assert "Counts schema" not in shown.stdout
    assert "plug_schema must use another name" in asdkit("plugins").stdout
    assert asdkit("schema").stdout.startswith("{")


def test_the_restriction_holds_for_commands(asdkit):
    left = asdkit("demo", "--help", ASDKIT_PLUGINS="")
    assert left.returncode == 2
    assert "ASDKIT_PLUGINS is set" in left.stderr
    assert asdkit("check-plugin", "demo").returncode == 2


def test_help_imports_neither_commands_nor_interfaces_of_plugins():
    code = (
        "import sys; sys.argv = ['asdkit', '--help']\nfrom asdkit.cli import main\ntry: main()\n"
        "except SystemExit: pass\nprint({'numpy', 'pydantic', 'asdkit_demo.command'} & set(sys.modules))"
    )
    before = cpu_seconds()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    busy = cpu_seconds() - before
    before = cpu_seconds()
    subprocess.run([sys.executable, "-c", ""], check=True)
    assert ran.stdout.endswith("set()\n")
    assert busy - (cpu_seconds() - before) < 0.3  # 0.14 s where nothing else runs


def test_the_documented_command_runs(tmp_path, asdkit):
    section = (Path(__file__).parents[1] / "docs" / "plugin-api.md").read_text()
    section = section.partition("## Commands")[2].partition("\n## ")[0]
    hook, command = re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    sources = {"asdkit_peaks/__init__.py": hook, "asdkit_peaks/command.py": command}
    install(tmp_path / "site", "asdkit-peaks", sources, {"peaks": "asdkit_peaks"}, group="asdkit.commands")
    write_clip(tmp_path / "a.wav", 0, seconds=1)
    shown = asdkit("peaks", "a.wav")
    assert shown.returncode == 0, shown.stderr
    assert re.fullmatch(r"a\.wav 0\.\d{3}\n", shown.stdout)
