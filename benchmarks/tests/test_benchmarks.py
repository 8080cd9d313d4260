"""The benchmarks' own machinery: that it refuses unequal contenders, counts rightly, and tells what changed."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from benchmarks import report
from benchmarks.harness import Case, NotEqual, run, summary
from benchmarks.suites import gpu

ROOT = Path(__file__).parents[2]


def case(**contenders):
    same = lambda ours, theirs: "" if ours == theirs else f"{theirs} is not {ours}"  # noqa: E731
    return Case("suite", "job", {"threads": 1}, contenders, same, samples=4)


def test_a_contender_whose_output_differs_is_refused():
    with pytest.raises(NotEqual, match="wrong differs from asdkit: 2 is not 1"):
        run(case(asdkit=lambda: 1, wrong=lambda: 2))


def test_the_slower_contender_is_seen_to_be_slower():
    quick, slow = run(case(asdkit=lambda: sum(range(10)) * 0, slow=lambda: sum(range(100_000)) * 0))
    assert (quick.contender, slow.contender) == ("asdkit", "slow")
    assert 0 < quick.least <= quick.median < slow.least
    assert quick.samples == 4


def record(**medians):
    results = [summary("suite", "job", {"n": 1}, who, [m * 0.99, m, m * 1.01]) for who, m in medians.items()]
    stamp = {
        "cpu": "c",
        "cores": 2,
        "system": "s",
        "python": "3",
        "commit": "x",
        "time": "t",
        "load": [0],
        "versions": {},
    }
    return {"stamp": stamp, "results": [r.as_dict() for r in results]}


def test_the_table_gives_ratios_to_ours():
    table = report.markdown(record(asdkit=0.002, other=0.005))
    assert "| other | 5 ms | 4.95 ms to 5.05 ms | 2.50 |" in table
    assert "| asdkit | 2 ms | 1.98 ms to 2.02 ms | 1.00 |" in table


def test_what_changed_is_told_and_what_did_not_as_well():
    text = report.changes(record(asdkit=1, same=1, gone=1), record(asdkit=2, same=1.001, new=1))
    assert "slower  suite: job (n 1), asdkit: 1 s -> 2 s (x 2.00)" in text
    assert "as ever suite: job (n 1), same" in text
    assert "new     suite: job (n 1), new" in text
    assert "gone    suite: job (n 1), gone" in text


def test_compare_works_as_a_command_and_a_wrong_file_is_one_line(tmp_path):
    old, new = tmp_path / "a.json", tmp_path / "b.json"
    old.write_text(json.dumps(record(asdkit=1)))
    new.write_text(json.dumps(record(asdkit=0.5)))
    command = [sys.executable, "-m", "benchmarks", "compare", str(old)]
    done = subprocess.run([*command, str(new)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "faster  suite: job (n 1), asdkit: 1 s -> 500 ms (x 0.50)" in done.stdout
    new.write_text("[]")
    done = subprocess.run([*command, str(new)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{new}: not a benchmark file\n"


CPU = torch.device("cpu")
MEMBERS = {member.name: member for member in gpu.MEMBERS}


def test_without_a_cuda_device_its_suite_says_so_in_a_line_and_measures_nothing(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(gpu.measure(quick=True)) == []
    assert capsys.readouterr().err == "gpu: there is no CUDA device here, so nothing is measured\n"


def test_members_of_table_1_are_those_of_its_spec():
    spec = tomllib.loads((ROOT / "specs/dcase2020_table1.toml").read_text())
    assert list(spec["detectors"]) == list(MEMBERS)
    for name, table in spec["detectors"].items():
        stated = spec["detectors"][table["extends"]] | table if "extends" in table else table
        member = MEMBERS[name]
        assert (stated["use"], stated["frames"], stated.get("hop", 1)) == (member.use, member.frames, member.hop)
        used = tuple(spec["augmenters"][augmenter]["use"] for augmenter in stated.get("augmenters", ()))
        assert used == member.augmenters
        asked, made = member.make().config.model_dump(), member.make(**_own_options(stated)).config.model_dump()
        assert asked == made


def _own_options(table):
    core = {"use", "extends", "featurizer", "frames", "hop", "augmenters"}
    return {key: value for key, value in table.items() if key not in core}


def test_the_gpu_suite_measures_epochs_and_computes_table_1_from_them():
    """On the CPU, at toy size: the same code runs on a GPU."""
    limits = gpu.measured_limits(CPU, 64, 2**12)
    assert min(limits.float32, limits.bfloat16, limits.memory) > 0
    few = {"batch_size": 4, "windows_per_clip": 4, "least_batches": 2}
    results = list(gpu.table_1(CPU, limits, 2, 1, (MEMBERS["G"], MEMBERS["M"]), **few))
    found = {(r.case, r.parameters.get("precision", "")): r.median for r in results}
    assert min(found.values()) > 0
    epoch = found["G: epoch", "float32"] / 4 * gpu.counted(MEMBERS["G"].make(**few), 5, 2, CPU).flops / limits.float32
    assert found["G: share of the limit of products", "float32"] == pytest.approx(100 * epoch)
    expected = 0
    for name, windows in (("G", 309), ("M", 32)):  # of a clip
        expected += 15 * 2 * 4 / found[f"{name}: epoch as in Table 1", ""]
        expected += 3 * windows / found[f"{name}: scoring", ""]  # two clips to train with, one to test
    assert found["Table 1, computed", ""] == pytest.approx(6 * expected)
    assert [r.unit for r in gpu.limit_results(limits, "a card")] == ["TFLOP/s", "TFLOP/s", "GB/s"]


def test_operations_and_bytes_of_a_step_of_group_made_are_those_of_its_layers():
    step = gpu.counted(MEMBERS["G"].make(batch_size=8, precision="float32"), 5, 2, CPU)
    known, bins, mixtures = 4 * 128, 128, 3 * 10 * 128
    first, others = known * 128, 128 * (128 + 128 + mixtures)
    # What is known needs no gradient: the layers that see it have two products, the others three.
    assert step.flops == 2 * 8 * (2 * first + 3 * others)
    weights, windows = first + others + 3 * 128 + mixtures, 8 * 5 * 128
    kept = 8 * (known + 3 * 128 + mixtures + bins)  # inputs of layers, gradients of mixtures and shifts
    assert not step.bfloat16
    assert step.moved == 4 * (11 * weights + 4 * windows + 2 * kept)


def test_operations_of_a_step_of_a_classifier_are_those_of_its_convolutions():
    """Most are of one channel each, which torch's own count of the pass backward takes for full ones."""
    detector = MEMBERS["M"].make(batch_size=2)
    network = detector.build(64, 128, 2)
    counts = []

    def count(layer, inputs, output):
        counts.append(2 * output.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network.loss(torch.randn(2, 64, 128), torch.eye(2))
    assert gpu.counted(detector, 64, 2, CPU).flops == 3 * sum(counts) - counts[0]  # windows need no gradient
