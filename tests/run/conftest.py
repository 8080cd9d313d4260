"""A small room of real-looking recordings, and specs that run on it in seconds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.commands import command_in
from tests.helpers.packages import install
from tests.helpers.rooms import FAULTY, make_room, make_spec


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which the spec has been run, once for all tests that begin there, and what the command said."""
    folder = tmp_path_factory.mktemp("whole")
    make_room(folder / "room")
    ran = command_in(folder)("run", make_spec(folder))
    assert ran.returncode == 0, ran.stderr
    return folder, ran


@pytest.fixture
def finished(whole_run, tmp_path) -> Path:
    """The spec, in a copy of the folder in which it has been run already."""
    shutil.copytree(whole_run[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "spec.toml"


@pytest.fixture
def faulty_spec(spec, tmp_path):
    """The spec with one more detector, which goes wrong as its option ``how`` says."""
    install(tmp_path / "site", "asdkit-faulty", {"asdkit_faulty.py": FAULTY}, {"faulty": "asdkit_faulty"})
    text = spec.read_text().replace("[systems.one]", '[detectors.F]\nuse = "faulty"\nhow = "raise"\n\n[systems.one]')
    spec.write_text(text)
    return spec
