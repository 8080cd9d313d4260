"""Start of the command line, ``plugins``, ``check``, and errors of specs and data before a run."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time

import pytest

import asdkit as package
from tests.helpers.rooms import write_clip

IMPORTS = """
import json, sys
from asdkit.cli import main

stdout = sys.stdout
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["asdkit", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, arguments
    heavy = sorted({"torch", "numba", "cv2", "sklearn"} & set(sys.modules))
    print("heavy after", *arguments, heavy, file=sys.stderr)
"""


@pytest.fixture
def builtin_spec(tmp_path):
    """A spec of built-in detectors on a room of three short clips."""
    for i, name in enumerate(("train/normal_id_00_00", "train/normal_id_02_00", "test/anomaly_id_00_01")):
        write_clip(tmp_path / "room" / "fan" / f"{name}000000.wav", i, seconds=6)
    path = tmp_path / "spec.toml"
    path.write_text(
        """
asdkit = 1
[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
[featurizers.mel]
use = "log-mel"
[augmenters.mix]
use = "mix"
[augmenters.warp]
use = "warp"
[augmenters.resample]
use = "resample"
[detectors.AE]
use = "autoencoder"
[detectors.G]
use = "group-made"
[detectors.M]
use = "id-classifier"
augmenters = ["mix", "warp", "resample"]
[systems.both]
members = ["AE", "G"]
fuser = { use = "z-score" }
"""
    )
    return path


def test_version(asdkit):
    assert asdkit("--version").stdout == f"asdkit {package.__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["run", "check", "plugins", "demo", "data", "download", "evaluate", "init", "compare", "report", "watch", "listen"],
)
def test_each_command_has_help(asdkit, command):
    shown = asdkit(command, "--help")
    assert shown.returncode == 0
    assert f"asdkit {command}" in shown.stdout


def test_help_takes_under_half_a_second(asdkit_command):
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        assert asdkit_command("--help").returncode == 0
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5, f"median {statistics.median(times):.2f} s"


def test_light_commands_import_no_heavy_library(builtin_spec, tmp_path):
    commands = [
        ["--help"],
        ["listen", "--help"],
        ["watch", "--help"],
        ["plugins"],
        ["plugins", "log-mel"],
        ["plugins", "--trace"],
        ["schema"],
        ["new-plugin", "detector", "my-own"],
        ["check", "spec.toml"],
    ]
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(commands)],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("heavy after")]
    assert lines == [f"heavy after {' '.join(arguments)} []" for arguments in commands]


def test_check_prints_the_plan_with_counts(asdkit, builtin_spec, tmp_path):
    shown = asdkit("check", "spec.toml")
    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    counts = [line[:8] + line[-1:] for line in lines]
    # 6 s at 8 kHz, hop 512: 94 frames; 90 windows of 5, and 8 of 32 with hop 8
    assert ["fan", "G", "2", "2", "0", "1", "180", "90", "left"] in counts
    assert ["fan", "M", "2", "2", "0", "1", "16", "8", "left"] in counts
    assert {(line[9], line[11]) for line in lines[1:]} == {("MiB", "s")}  # estimated memory and time
    assert "memory and time are estimates" in shown.stderr
    assert not (tmp_path / "runs").exists()


def test_unknown_command_and_missing_spec_exit_with_2(asdkit):
    assert asdkit("rnu").returncode == 2
    missing = asdkit("run", "nothing.toml")
    assert missing.returncode == 2
    assert "nothing.toml" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_all_faults_of_a_spec_have_lines(asdkit, builtin_spec):
    text = builtin_spec.read_text().replace('use = "group-made"', 'use = "group-mad"\nhiden = 3')
    builtin_spec.write_text(text.replace("sample_rate = 8000", 'sample_rate = "fast"'))
    ran = asdkit("run", "spec.toml")
    assert ran.returncode == 2
    lines = builtin_spec.read_text().splitlines()
    (line,) = [number for number, line in enumerate(lines, 1) if line.startswith("sample_rate")]
    assert f"spec.toml:{line}: data.sample_rate" in ran.stderr
    assert 'did you mean "group-made"' in ran.stderr
    assert "Traceback" not in ran.stderr


def test_missing_data_folder_exits_with_3(asdkit, builtin_spec, tmp_path):
    ran = asdkit("run", "spec.toml", "--set", 'data.root="elsewhere"')
    assert ran.returncode == 3
    assert str(tmp_path / "elsewhere") in ran.stderr


def test_one_id_without_new_classes_is_a_spec_error(asdkit, builtin_spec, tmp_path):
    for path in (tmp_path / "room" / "fan" / "train").glob("*_id_02_*"):
        path.unlink()
    ran = asdkit("run", "spec.toml", "--set", "detectors.M.augmenters=[]")
    assert ran.returncode == 2, ran.stderr
    assert "detectors.M" in ran.stderr
    assert not (tmp_path / "runs").exists()
    allowed = asdkit("check", "spec.toml")
    assert allowed.returncode == 0, allowed.stderr


def test_plugins_shows_options_with_defaults(asdkit):
    shown = asdkit("plugins", "log-mel")
    assert shown.returncode == 0
    assert re.search(r"^n_fft  .*\b1024\b", shown.stdout, re.MULTILINE)
    unknown = asdkit("plugins", "log-mell")
    assert unknown.returncode == 2
    assert 'did you mean "log-mel"' in unknown.stderr
