"""Memory and time of jobs are estimated before any work, and jobs beyond the limits are refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from asdkit_autoencoder.config import AutoencoderConfig
from asdkit_autoencoder.detector import Autoencoder
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMade
from asdkit_id_classifier.config import _BACKBONES, IdClassifierConfig
from asdkit_id_classifier.detector import IdClassifier
from asdkit_statistics.config import GmmConfig, KnnConfig, MahalanobisConfig
from torch.utils.flop_counter import FlopCounterMode

from asdkit.api import DetectorConfig, JobSize, NetworkConfig
from asdkit.plugins import discover
from asdkit.run import limits, make_plan
from asdkit.run.estimates import Estimate
from asdkit.run.plan import Plan
from asdkit.run.resources import _cgroup_limits, machine_memory
from asdkit.spec import load_spec
from tests.helpers.packages import install
from tests.helpers.rooms import make_room

SPEC = """
asdkit = 1
name = "built-in"

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
machines = ["fan"]

[compute]
threads = 1

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32

[augmenters.resample]
use = "resample"

[detectors.AE]
use = "autoencoder"

[detectors.G]
use = "group-made"

[detectors.M]
use = "id-classifier"
frames = 8
augmenters = ["resample"]
score = "negative-softmax"

[detectors.K]
use = "knn"
"""
NETWORKS = [
    (Autoencoder, AutoencoderConfig()),
    (Autoencoder, AutoencoderConfig(hidden=300, bottleneck=77, target="middle")),
    (GroupMade, GroupMadeConfig()),
    (GroupMade, GroupMadeConfig(hidden=[64, 200], components=3)),
    (GroupMade, GroupMadeConfig(order="causal")),
    (GroupMade, GroupMadeConfig(order=[[0, 4], [2, 1], [3]], likelihood="joint", hidden=[100, 40])),
    (GroupMade, GroupMadeConfig(order=[[0, 1, 2, 3, 4]], likelihood="joint")),
    (IdClassifier, IdClassifierConfig()),
    (IdClassifier, IdClassifierConfig(backbone="resnet-50", loss="arcface")),
]
# What a new process does with a command: exit code, heavy imports, processor time [s].
RUN = """
import json, sys, time
from asdkit.cli import main
sys.argv = ["asdkit", *sys.argv[1:]]
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code
heavy = sorted({"torch", "numba", "cv2", "sklearn"} & set(sys.modules))
print(json.dumps([code, heavy, time.process_time()]))
sys.exit(code)
"""


def size(**changes: int) -> JobSize:
    """Size of a small job."""
    counts = {"frames": 5, "bands": 32, "ids": 2, "classes": 6, "clips": 8, "windows": 472, "scored": 1000}
    return JobSize(**{**counts, **changes})


@pytest.fixture
def room_spec(tmp_path: Path) -> Path:
    """A spec of built-in detectors."""
    make_room(tmp_path / "room")
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def plan_of(spec: Path, *sets: str) -> Plan:
    """Make the plan of a spec."""
    registry = discover()
    return make_plan(load_spec(spec, sets=sets, registry=registry), spec.parent / "run", registry)


def estimates_of(spec: Path, *sets: str) -> dict[str, Estimate]:
    """Estimate the jobs of a spec, by detector."""
    return {estimate.job.detectors[0]: estimate for estimate in plan_of(spec, *sets).estimates}


def new_process(command: str, folder: Path, *sets: str) -> tuple[int, list[str], float, str]:
    """Run a command in a process of its own: exit code, heavy imports, processor time [s], messages."""
    options = [part for one in sets for part in ("--set", one)]
    arguments = [sys.executable, "-c", RUN, command, "spec.toml", "--out", "out", *options]
    ran = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    of_each = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]  # `run` forks
    heavy = sorted({module for _, modules, _ in of_each for module in modules})
    return ran.returncode, heavy, max(seconds for _, _, seconds in of_each), ran.stderr


ABSURD = {
    "layers of 60,000": (["detectors.AE.hidden=60000"], "detectors.AE.hidden", "the estimated memory is 8"),
    "three of 60,000": (["detectors.G.hidden=[60000, 60000, 60000]"], "detectors.G.hidden", "the estimated memory is "),
    "a batch of 1e9": (["detectors.AE.batch_size=1000000000"], "detectors.AE.batch_size", "the estimated memory is "),
    "epochs of 1e12": (["detectors.G.epochs=1000000000000"], "detectors.G.epochs", "the estimated time is "),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", ABSURD)
def test_a_spec_that_no_machine_can_run_is_refused_before_any_work(room_spec, name, command):
    sets, key, text = ABSURD[name]
    code, heavy, seconds, messages = new_process(command, room_spec.parent, *sets)
    (error,) = [line for line in messages.splitlines() if line.startswith("error: ")]
    assert (code, heavy) == (2, [])
    assert error.startswith(f"error: --set {sets[0]}: {key}: {text}")
    assert f"reduce {key.rpartition('.')[2]}" in error
    assert "(machine fan)" in error
    assert "Traceback" not in messages
    assert seconds < 2
    assert not (room_spec.parent / "out").exists()


@pytest.mark.parametrize("command", ["check", "run"])
def test_20_000_resampling_rates_are_refused_at_their_line(room_spec, command):
    rates = ", ".join(f"{0.5 + i / 20_000:.6f}" for i in range(20_000))
    text = room_spec.read_text().replace('use = "resample"', f'use = "resample"\nrates = [{rates}]')
    room_spec.write_text(text)
    line = text.splitlines().index('augmenters = ["resample"]') + 1
    code, heavy, seconds, messages = new_process(command, room_spec.parent)
    assert (code, heavy) == (2, [])
    assert f"error: spec.toml:{line}: detectors.M.augmenters: the estimated memory is " in messages
    assert seconds < 2
    assert not (room_spec.parent / "out").exists()


def test_memory_is_limited_on_demand(room_spec, asdkit):
    assert asdkit("check", "spec.toml", "--set", "compute.memory=2 GiB").returncode == 0
    refused = asdkit("check", "spec.toml", "--set", "compute.memory=400MiB")
    assert refused.returncode == 2
    assert "expected at most 400 MiB (compute.memory); raise compute.memory" in refused.stderr
    assert [name for name in ("AE", "G", "M", "K") if f"detectors.{name}: " in refused.stderr] == ["AE", "G", "M"]
    assert "left" in refused.stdout  # the table is shown
    assert asdkit("run", "spec.toml", "--set", "compute.memory=400MiB").returncode == 2


def test_a_limit_above_the_machine_is_obeyed(room_spec, asdkit):
    assert asdkit("check", "spec.toml", "--set", "detectors.AE.hidden=60000").returncode == 2
    allowed = asdkit("check", "spec.toml", "--set", "detectors.AE.hidden=60000", "--set", "compute.memory=2TiB")
    assert allowed.returncode == 0, allowed.stderr


@pytest.mark.parametrize("text", ['"8GB"', '"8"', '"-1GiB"', '"0 MiB"', '"1e3GiB"', '"8gib"', '"\uff18GiB"', "8"])
def test_a_size_is_parsed_strictly(room_spec, asdkit, text):
    ran = asdkit("check", "spec.toml", "--set", f"compute.memory={text}")
    assert ran.returncode == 2
    assert "compute.memory: " in ran.stderr


def test_a_long_job_is_noted_before_any_work(room_spec):
    plan = plan_of(room_spec, "detectors.G.epochs=1000000000", "detectors.AE.epochs=2000000000")
    (text,) = limits.notes(plan)
    assert text.startswith("jobs with an estimated time of more than 30 days on the CPU: fan AE ")
    assert ", fan G " in text
    limits.refuse_impossible(plan, plan.jobs)


def test_workers_together_above_the_limit_are_noted(room_spec, monkeypatch):
    monkeypatch.setattr(limits, "core_count", lambda: 4)
    (text,) = limits.notes(plan_of(room_spec, "compute.workers=4", "compute.memory=1GiB"))
    assert "the estimated memory of 4 jobs at a time" in text
    assert text.endswith("reduce compute.workers")


def test_a_finished_job_is_not_refused(finished, asdkit):
    assert asdkit("run", finished, "--set", "compute.memory=1MiB").returncode == 0
    changed = asdkit("run", finished, "--set", "compute.memory=1MiB", "--set", "detectors.S4.order=3.0")
    assert changed.returncode == 2
    assert changed.stderr.count("estimated memory") == 1


def test_a_plugin_without_a_cost_gives_a_lower_bound(spec, asdkit):
    shown = asdkit("check", "spec.toml")
    assert shown.returncode == 0, shown.stderr
    rows = [line for line in shown.stdout.splitlines() if line.endswith("left")]
    assert [row.count("> ") for row in rows] == [2] * 6
    assert "> where a plugin does not state its cost" in shown.stderr


@pytest.mark.parametrize("body", ["raise KeyError('x')", "return 3"])
def test_a_cost_that_fails_is_a_plugin_error(tmp_path, room_spec, asdkit, body):
    source = f"""
from asdkit.api import DetectorConfig, Entry, hookimpl

class Config(DetectorConfig):
    def cost(self, size):
        {body}

@hookimpl
def asdkit_detectors():
    return [Entry("costly", Config, "costly:Nothing")]
"""
    install(tmp_path / "site", "asdkit-costly", {"costly.py": source}, {"costly": "costly"})
    room_spec.write_text(SPEC.replace('use = "knn"', 'use = "costly"'))
    ran = asdkit("check", "spec.toml")
    assert ran.returncode == 4
    assert "asdkit-costly" in ran.stderr
    assert "cost failed" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_numbers_beyond_all_floats_are_refused(room_spec, asdkit):
    ran = asdkit("check", "spec.toml", "--set", f"detectors.AE.hidden=1{'0' * 400}")
    assert ran.returncode == 2
    assert "more than 1,000 TiB" in ran.stderr


def test_frames_are_counted_as_they_are_extracted(room_spec):
    estimate = estimates_of(room_spec, "detectors.M.hop=3")["M"]
    rows = 1 + 8000 // 128  # of each clip of 1 s
    assert (estimate.train_windows, estimate.test_windows) == (6 * ((rows - 8) // 3 + 1), 12 * ((rows - 8) // 3 + 1))
    assert estimate.memory["featurizer"] == 14 * rows * 32 * 4  # held out and test clips are more than 6 clips
    copies = sum(1 / rate for rate in (0.8, 0.9, 1.1, 1.2))
    assert estimate.memory["augmenters"] > 6 * rows * 32 * 4 * copies
    assert "memmap" not in room_spec.read_text()
    stored = estimates_of(room_spec, 'featurizers.mel.store="memmap"')["M"]
    assert stored.memory["augmenters"] < estimate.memory["augmenters"] - 6 * rows * 32 * 4 * 4


def test_a_detector_for_each_id_costs_as_long_and_less_memory(room_spec):
    machine, id_ = (estimates_of(room_spec, f'detectors.K.scope="{scope}"')["K"] for scope in ("machine", "id"))
    assert id_.train_windows == machine.train_windows
    assert id_.memory["frames"] < machine.memory["frames"]


@pytest.mark.parametrize(("kind", "config"), NETWORKS, ids=lambda value: "")
def test_a_network_costs_at_least_its_weights_and_products(kind: type, config: NetworkConfig) -> None:
    job = size(frames=32, bands=128) if kind is IdClassifier else size()
    cost = config.cost(job)
    assert cost is not None
    network = kind(config).build(job.frames, job.bands, job.classes)
    weights = sum(parameter.numel() for parameter in network.parameters())
    stated = {key: part for key, part in cost.memory.items() if key not in ("", "batch_size", "least_batches")}
    assert 4 * 4 * weights < sum(stated.values())  # weights, gradients and two moments
    windows = torch.randn(4, job.frames, job.bands)
    targets = torch.eye(job.classes)[torch.zeros(4, dtype=torch.long)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.loss(windows, targets)
    trained = config.epochs * max(config.least_batches * config.batch(64), 64)
    assert cost.operations > 2 * counter.get_total_flops() / 4 * trained  # the gradient takes twice as many again


@pytest.mark.parametrize("name", _BACKBONES)
def test_backbones_are_as_large_as_stated(name: str) -> None:
    stated = _BACKBONES[name]
    network = IdClassifier(IdClassifierConfig(backbone=name)).build(32, 128, 2).backbone
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    assert sum(parameter.numel() for parameter in network.parameters()) == stated.weights
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        features = network(torch.randn(2, 1, 32, 128))
    bins = 2 * 32 * 128
    assert features.shape[1] == stated.features
    assert counter.get_total_flops() / bins == pytest.approx(stated.operations, rel=0.01)
    activations = sum(number for place, number in kept.items() if place not in weights) / bins
    assert activations == pytest.approx(stated.activations, rel=0.1)


@pytest.mark.parametrize("config", [KnnConfig(), MahalanobisConfig(), GmmConfig(), *(c for _, c in NETWORKS)], ids=str)
def test_more_work_costs_more(config: DetectorConfig) -> None:
    sizes = [size(clips=clips, windows=59 * clips, scored=200 * clips) for clips in (8, 800, 80_000)]
    costs = [config.cost(one) for one in sizes]
    for less, more in pairwise(costs):
        assert less is not None
        assert more is not None
        assert more.operations > less.operations > 0
        assert sum(more.memory.values()) > sum(less.memory.values()) > 0


def test_no_list_is_as_long_as_an_option(room_spec):
    code, _, seconds, messages = new_process("check", room_spec.parent, "detectors.G.frames=1000000001")
    assert code == 3
    assert "of 1000000001 frames" in messages
    assert seconds < 2


def test_memory_is_that_of_the_control_group(tmp_path):
    proc = tmp_path / "cgroup"
    proc.write_text("4:memory:/jobs/one\n3:cpu:/jobs\n0::/user/two\n")
    for path, limit in {
        "memory/jobs/one/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/jobs/memory.limit_in_bytes": "3000\n",
        "user/two/memory.max": "max\n",
        "user/memory.max": "2000\n",
        "cpu/jobs/memory.limit_in_bytes": "1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(limit)
    assert sorted(_cgroup_limits(proc, tmp_path)) == [2000, 3000, 9223372036854771712]
    assert list(_cgroup_limits(tmp_path / "none", tmp_path)) == []


def test_a_job_that_may_fit_is_not_refused(room_spec, asdkit, monkeypatch):
    largest = max(estimate.bytes for estimate in estimates_of(room_spec).values())
    for share, code in ((2, 0), (4, 2)):
        monkeypatch.setattr("asdkit.run.limits.machine_memory", lambda share=share: int(largest / share))
        ran = asdkit("check", "spec.toml")
        assert ran.returncode == code, ran.stderr
        assert code or "it may end for lack of memory" in ran.stderr
        assert ("3 times that of this machine" in ran.stderr) == (code == 2)


def test_memory_of_this_machine_is_known():
    memory = machine_memory()
    assert memory is None or memory > 1 << 28


def test_the_documented_cost_runs():
    page = (Path(__file__).parents[2] / "docs" / "plugin-api.md").read_text()
    (code,) = [
        block for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "Cost" in block
    ]
    names: dict[str, Any] = {"__name__": "linear"}
    exec(compile(code, "plugin-api.md", "exec"), names)
    cost = names["LinearConfig"](units=10).cost(size())
    assert cost.memory["units"] > 2 * 5 * 32 * 10
