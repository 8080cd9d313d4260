"""Keys of jobs: what they depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from asdkit.api import Config
from asdkit.data import Clip
from asdkit.option_files import option_files
from asdkit.plugins import discover
from asdkit.run import jobs
from asdkit.run.check_recordings import Checked
from asdkit.run.plan import Plan
from asdkit.run.provenance import provenance, signature
from asdkit.run.store import RunPaths
from asdkit.spec import load_spec
from asdkit.spec.settings import PluginSettings, SystemSettings

SPEC = """asdkit = 1
[data]
layout = "folder"
root = "recordings"
[featurizers.logmel]
use = "log-mel"
[detectors.K]
use = "autoencoder"
featurizer = "logmel"
frames = 5
hop = 5
"""


class Options(Config):
    model: str = "model.bin"
    weights: Path = Path("weights.bin")
    kind: Literal["mean"] = "mean"
    size: int = 3


CLIPS = [
    Clip(name=f"fan/{i}.wav", path=Path(f"/no/fan/{i}.wav"), machine="fan", id="00", split="train", label=0)
    for i in range(4)
]


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "spec.toml").write_text(SPEC)
    return load_spec(tmp_path / "spec.toml", registry=discover())


def test_keys_without_files_are_as_before(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "source_digest", lambda _: "0" * 64)
    (tmp_path / "mean").write_bytes(b"no model")
    assert [job.key for job in jobs.make_jobs(spec, CLIPS, discover())] == ["afee8fc5c1962119cc1d"]


def test_files_of_a_fuser_count_for_the_settings_and_for_merging(spec, tmp_path):
    registry = discover()
    fused = replace(spec, systems={"all": SystemSettings("all", ("K",), PluginSettings("any", Options()))})
    digests, signatures = [], []
    for content in (None, b"1", b"2"):
        if content is not None:
            (tmp_path / "model.bin").write_bytes(content)
        made = jobs.make_jobs(fused, CLIPS, registry)
        digests.append(provenance(fused, made, {})["settings"])
        signatures.append(signature(Plan(fused, Checked(CLIPS, {}, [], []), made, RunPaths(tmp_path), registry)))
    assert len(set(digests)) == 3
    assert ["file model.bin" in found for found in signatures] == [False, True, True]
    assert signatures[1] != signatures[2]


class Stage(Config):
    kind: Literal["mean"] = "mean"
    file: str = "stage.bin"


class Deep(Options):
    pair: tuple[str, ...] = ("a.bin", "none.bin")
    kinds: tuple[Literal["mean", "std"], ...] = ("mean", "std")
    start: Literal["mean"] | Path = "mean"
    by_id: dict[str, Path] = {"mean": Path("id.bin")}  # noqa: RUF012 (pydantic copies it)
    stages: tuple[Stage, ...] = (Stage(), Stage(file="other.bin"))


def test_files_in_lists_tables_and_nested_models_count(tmp_path):
    for name in ("model.bin", "a.bin", "id.bin", "stage.bin", "other.bin", "mean", "std"):
        (tmp_path / name).write_bytes(b"1")
    found = option_files([Deep(), Deep()], tmp_path)
    assert [name for name, _ in found] == ["a.bin", "id.bin", "model.bin", "other.bin", "stage.bin"]
    (tmp_path / "other.bin").write_bytes(b"2")
    assert option_files([Deep()], tmp_path)[3] != found[3]


def test_files_named_by_options_count(tmp_path):
    assert option_files([Options()], tmp_path) == []
    for name in ("model.bin", "weights.bin", "mean"):
        (tmp_path / name).write_bytes(b"1")
    first = option_files([Options()], tmp_path)
    assert [name for name, _ in first] == ["model.bin", "weights.bin"]
    (tmp_path / "model.bin").write_bytes(b"2")
    second = option_files([Options()], tmp_path)
    assert (second[0] != first[0], second[1] == first[1]) == (True, True)


@pytest.mark.parametrize("value", ["", ".", "a\0b", "x" * 5000])
def test_a_value_that_is_no_file_counts_nothing(tmp_path, value):
    assert option_files([Options(model=value)], tmp_path) == []
