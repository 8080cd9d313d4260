"""Files that options name: checked first, part of job keys, stored in the run and in bundles."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from asdkit import option_files
from asdkit.api import Config, FilePath
from asdkit.bundle.archive import pack, unpack
from asdkit.errors import DataError
from asdkit.option_files import files_in
from tests.helpers.cli import cli_in
from tests.helpers.file_plugins import write_file_spec
from tests.helpers.rooms import job_folders, make_room


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder with a finished run and two bundles of it, one of them without files."""
    folder = tmp_path_factory.mktemp("files")
    make_room(folder / "room")
    asdkit = cli_in(folder)
    for command in (
        ("run", write_file_spec(folder), "--out", "run"),
        ("export", "run", "-o", "whole.asdkit"),
        ("export", "run", "-o", "bare.asdkit", "--without-files"),
    ):
        ran = asdkit(*command)
        assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def elsewhere(whole, tmp_path) -> Path:
    """The same folder on a machine without the files."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "models").rename(tmp_path / "moved")
    return tmp_path


def scores(asdkit, *args) -> list[str]:
    ran = asdkit("score", *args, "room/fan/test", "--format", "jsonl")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def content(bundle: Path) -> dict[str, bytes]:
    """Entries of a bundle, which may be changed and packed."""
    return {name: data for name, data in unpack(bundle).items() if name != "manifest.json"}


def test_a_bundle_scores_the_same_bit_for_bit_without_the_files(whole, elsewhere, asdkit):
    expected = scores(cli_in(whole), "run")
    assert len(expected) == 12
    assert scores(asdkit, "whole.asdkit") == expected
    assert scores(asdkit, "run") == expected
    assert asdkit("export", "run", "-o", "again.asdkit").returncode == 0
    assert (elsewhere / "again.asdkit").read_bytes() == (whole / "whole.asdkit").read_bytes()


def test_a_bundle_without_files_takes_only_those_of_its_digests(whole, elsewhere, asdkit):
    entries = unpack(whole / "bare.asdkit")
    assert not [name for name in entries if name.startswith("files/")]
    ran = asdkit("score", "bare.asdkit", "room/fan/test")
    assert (ran.returncode, "does not hold the file ./models/frames.bin" in ran.stderr) == (2, True)
    (elsewhere / "moved/a.bin").write_text("0.124")
    files = [part for name in ("frames", "a", "weight") for part in ("--file", f"moved/{name}.bin")]
    ran = asdkit("score", "bare.asdkit", "room/fan/test", *files)
    assert (ran.returncode, "--file moved/a.bin: its SHA-256" in ran.stderr) == (2, True)
    (elsewhere / "moved/a.bin").write_text("0.123")
    assert scores(asdkit, "bare.asdkit", *files) == scores(asdkit, "whole.asdkit")


def test_a_bundle_whose_file_differs_from_its_digest_is_refused(whole, elsewhere, asdkit):
    entries = content(whole / "whole.asdkit")
    name = next(name for name in entries if entries[name] == b"0.123")
    (elsewhere / "forged.asdkit").write_bytes(pack({**entries, name: b"0.124"}))
    ran = asdkit("score", "forged.asdkit", "room/fan/test")
    assert (ran.returncode, "models/a.bin differs from its digest" in ran.stderr) == (3, True)


def test_a_name_in_a_bundle_is_never_opened(whole, elsewhere, asdkit):
    """A bundle that names a file it does not list gets none, though a file of that name exists."""
    entries = content(whole / "whole.asdkit")
    description = json.loads(entries["bundle.json"])
    description["featurizers"][0]["config"]["model"] = "moved/a.bin"
    (elsewhere / "forged.asdkit").write_bytes(pack({**entries, "bundle.json": json.dumps(description).encode()}))
    ran = asdkit("score", "forged.asdkit", "room/fan/test")
    assert (ran.returncode, "model: the file is not among those stored" in ran.stderr) == (4, True)


def test_a_changed_file_retrains_the_jobs_that_use_it(whole, tmp_path, asdkit):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    before = job_folders(tmp_path / "run")
    (tmp_path / "models/louder.bin").write_text("1.8")
    assert asdkit("run", "spec.toml", "--out", "run").returncode == 0
    machines = json.loads((tmp_path / "run/settings.json").read_text())["machines"]
    assert not before.keys() & {detector["job"].split("/")[1] for detector in machines["fan"].values()}


def test_shards_merge_where_the_files_are(whole, tmp_path, asdkit):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for shard in ("1/2", "2/2"):
        assert asdkit("run", "spec.toml", "--shard", shard, "--out", f"part{shard[0]}").returncode == 0
    ran = asdkit("merge", "joined", "part1", "part2")
    assert ran.returncode == 0, ran.stderr
    assert scores(asdkit, "joined") == scores(asdkit, "run")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("featurizers.F.model", '"none.bin"', "featurizers.F.model: there is no file {}/none.bin"),
        ("augmenters.L.factors", '["models/a.bin", "models"]', "augmenters.L.factors[1]: {}/models is not a file"),
        (
            "detectors.A.offsets",
            '{ x = "spec.toml" }',
            "detectors.A.offsets.x: {}/spec.toml has 474 bytes; expected at most 100",
        ),
        ("featurizers.F.model", "3", "featurizers.F.model: 3 is a whole number; expected a text in quotes"),
        ("systems.both.fuser.weight", '"no"', "systems.both.fuser.weight: there is no file {}/no"),
    ],
)
def test_files_are_checked_before_any_work(key, value, message, tmp_path, asdkit, monkeypatch):
    monkeypatch.setattr(option_files, "MAX_FILE", 100)
    ran = asdkit("check", write_file_spec(tmp_path), "--set", f"{key}={value}")
    assert ran.returncode == 2
    assert message.format(tmp_path) in ran.stderr.replace("\n", " "), ran.stderr


class Options(Config):
    model: FilePath | None = None


def test_a_file_that_changes_after_the_check_is_not_used(tmp_path):
    (tmp_path / "model").write_text("1")
    file = files_in(tmp_path)("model")
    assert (file.read(), str(file), Options(model=file).model) == (b"1", "model", file)
    (tmp_path / "model").write_text("2")
    with pytest.raises(DataError, match="changed since the spec was checked"):
        file.read()
    (tmp_path / "model").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        file.read()
    assert replace(file, _source=b"").sha256 == file.sha256
