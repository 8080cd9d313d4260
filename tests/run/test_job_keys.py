"""Keys of jobs: what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from asdkit.api import Config
from asdkit.data import Clip
from asdkit.plugins import discover
from asdkit.run import jobs
from asdkit.spec import load_spec

SPEC = """asdkit = 1
[data]
layout = "folder"
root = "recordings"
[featurizers.logmel]
use = "log-mel"
[detectors.K]
use = "knn"
featurizer = "logmel"
frames = 5
hop = 5
"""


class Options(Config):
    model: str = "model.bin"
    weights: Path = Path("weights.bin")
    kind: Literal["mean"] = "mean"
    size: int = 3


def test_keys_without_files_are_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "source_digest", lambda _: "0" * 64)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "spec.toml").write_text(SPEC)
    (tmp_path / "mean").write_bytes(b"no model")
    registry = discover()
    spec = load_spec(tmp_path / "spec.toml", registry=registry)
    clips = [
        Clip(name=f"fan/{i}.wav", path=Path(f"/no/fan/{i}.wav"), machine="fan", id="00", split="train", label=0)
        for i in range(4)
    ]
    assert [job.key for job in jobs.make_jobs(spec, clips, registry)] == ["b6076368a2f72b4226e8"]


def test_files_named_by_options_count(tmp_path):
    assert jobs._option_files(Options(), tmp_path) == []
    for name in ("model.bin", "weights.bin", "mean"):
        (tmp_path / name).write_bytes(b"1")
    first = jobs._option_files(Options(), tmp_path)
    assert [name for name, _ in first] == ["model.bin", "weights.bin"]
    (tmp_path / "model.bin").write_bytes(b"2")
    second = jobs._option_files(Options(), tmp_path)
    assert (second[0] != first[0], second[1] == first[1]) == (True, True)


@pytest.mark.parametrize("value", ["", ".", "a\0b", "x" * 5000])
def test_a_value_that_is_no_file_counts_nothing(tmp_path, value):
    assert jobs._option_files(Options(model=value), tmp_path) == []
