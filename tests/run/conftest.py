"""A finished run shared by all tests of this folder, and a spec with a detector that fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.cli import cli_in
from tests.helpers.packages import install
from tests.helpers.rooms import FAULTY, make_room, make_spec


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the spec once; give its folder and the output of the command."""
    folder = tmp_path_factory.mktemp("whole")
    make_room(folder / "room")
    ran = cli_in(folder)("run", make_spec(folder))
    assert ran.returncode == 0, ran.stderr
    return folder, ran


@pytest.fixture
def finished(whole_run, tmp_path) -> Path:
    """The spec in a copy of the folder of `whole_run`."""
    shutil.copytree(whole_run[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "spec.toml"


@pytest.fixture
def faulty_spec(spec, tmp_path) -> Path:
    """The spec with one more detector, F, which fails as its option ``how`` says."""
    install(tmp_path / "site", "asdkit-faulty", {"asdkit_faulty.py": FAULTY}, {"faulty": "asdkit_faulty"})
    text = spec.read_text().replace("[systems.one]", '[detectors.F]\nuse = "faulty"\nhow = "raise"\n\n[systems.one]')
    spec.write_text(text)
    return spec
