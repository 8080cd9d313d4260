"""The commands as a person types them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

import asdkit

HEAVY = """
import sys
from asdkit.cli import main
sys.argv = ["asdkit", *sys.argv[1:]]
try:
    main()
finally:
    found = sorted({"torch", "numba", "cv2", "sklearn"} & set(sys.modules))
    print("heavy:", ",".join(found), file=sys.stderr)
"""


def test_version(asdkit_command):
    assert asdkit_command("--version").stdout == f"asdkit {asdkit.__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["run", "check", "plugins", "demo", "data", "download", "evaluate", "init", "compare", "report", "watch", "listen"],
)
def test_help_of_each_command_names_its_options(asdkit_command, command):
    shown = asdkit_command(command, "--help")
    assert shown.returncode == 0
    assert f"asdkit {command}" in shown.stdout


def test_help_answers_in_under_half_a_second(asdkit_command):
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        assert asdkit_command("--help").returncode == 0
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5, f"median {statistics.median(times):.2f} s"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["listen", "--help"],
        ["watch", "--help"],
        ["plugins"],
        ["plugins", "log-mel"],
        ["check", "spec.toml"],
    ],
)
def test_light_commands_import_nothing_heavy(arguments, spec_of_builtins, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", HEAVY, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1] == "heavy: "


@pytest.fixture
def spec_of_builtins(tmp_path):
    """A spec of built-in detectors on a room of three short clips."""
    from tests.helpers.rooms import write_clip

    for i, name in enumerate(("train/normal_id_00_00", "train/normal_id_02_00", "test/anomaly_id_00_01")):
        write_clip(tmp_path / "room" / "fan" / f"{name}000000.wav", i, seconds=6)
    (tmp_path / "spec.toml").write_text(
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


def test_check_prints_the_plan_with_counts(asdkit_command, spec_of_builtins, tmp_path):
    shown = asdkit_command("check", "spec.toml")
    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    # 6 s at 8 kHz, hop 512: 94 frames; 90 windows of 5, and 8 of 32 with hop 8
    assert ["fan", "G", "2", "2", "0", "1", "180", "90", "left"] in lines
    assert ["fan", "M", "2", "2", "0", "1", "16", "8", "left"] in lines
    assert not (tmp_path / "runs").exists()


def test_a_mistyped_command_and_a_missing_spec_exit_with_2(asdkit_command):
    assert asdkit_command("rnu").returncode == 2
    missing = asdkit_command("run", "nothing.toml")
    assert missing.returncode == 2
    assert "nothing.toml" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_all_faults_of_a_spec_are_told_at_once_with_their_lines(asdkit_command, spec_of_builtins, tmp_path):
    path = tmp_path / "spec.toml"
    text = path.read_text().replace('use = "group-made"', 'use = "group-mad"\nhiden = 3')
    path.write_text(text.replace("sample_rate = 8000", 'sample_rate = "fast"'))
    ran = asdkit_command("run", "spec.toml")
    assert ran.returncode == 2
    line_of = {part: i for i, line in enumerate(path.read_text().splitlines(), 1) for part in [line.split(" = ")[0]]}
    assert f"spec.toml:{line_of['sample_rate']}: data.sample_rate" in ran.stderr
    assert 'did you mean "group-made"' in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_missing_data_folder_exits_with_3_and_names_the_folder(asdkit_command, spec_of_builtins, tmp_path):
    ran = asdkit_command("run", "spec.toml", "--set", 'data.root="elsewhere"')
    assert ran.returncode == 3
    assert str(tmp_path / "elsewhere") in ran.stderr


def test_one_id_and_no_new_classes_is_an_error_of_the_spec_before_any_work(asdkit_command, spec_of_builtins, tmp_path):
    for path in (tmp_path / "room" / "fan" / "train").glob("*_id_02_*"):
        path.unlink()
    ran = asdkit_command("run", "spec.toml", "--set", "detectors.M.augmenters=[]")
    assert ran.returncode == 2, ran.stderr
    assert "detectors.M" in ran.stderr
    assert not (tmp_path / "runs").exists()
    allowed = asdkit_command("check", "spec.toml")
    assert allowed.returncode == 0, allowed.stderr


def test_plugins_shows_options_with_defaults(asdkit_command):
    shown = asdkit_command("plugins", "log-mel")
    assert shown.returncode == 0
    (line,) = [x for x in shown.stdout.splitlines() if x.startswith("n_fft  ")]
    assert "1024" in line
    unknown = asdkit_command("plugins", "log-mell")
    assert unknown.returncode == 2
    assert 'did you mean "log-mel"' in unknown.stderr
