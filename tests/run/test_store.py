"""The files of a run folder: read into records and written again, byte by byte; files of other versions."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from asdkit.errors import AsdkitError, DataError
from asdkit.run import store
from asdkit.run.records import ClipRecord, LeaseRecord
from asdkit.run.score_table import ScoreTable, decode_scores, encode_csv, encode_scores
from asdkit.run.store import RunPaths
from asdkit.spec import RESERVED_NAMES


@pytest.fixture
def paths(whole_run) -> RunPaths:
    """A finished run; read only."""
    return RunPaths(whole_run[0] / "runs" / "small")


def test_records_are_written_as_they_were_read(paths, tmp_path):
    for name, read, write in (
        (store.SETTINGS, store.read_settings, store.write_settings),
        (store.RESULTS, store.read_results, store.write_results),
        (paths.owner.name, store.read_owner, store.write_owner),
    ):
        write(RunPaths(tmp_path), read(paths))
        assert (tmp_path / name).read_bytes() == (paths.folder / name).read_bytes()


def test_scores_are_written_as_they_were_read(paths, tmp_path):
    names = ["S", "S4", "long", "one", "both"]
    columns, tables = store.read_scores(paths, names, store.read_results(paths))
    assert columns == names
    store.write_scores(RunPaths(tmp_path), tables, columns)
    assert (tmp_path / store.SCORES).read_bytes() == paths.scores.read_bytes()


def test_jobs_are_written_as_they_were_read(paths, tmp_path):
    for folder in paths.folder.glob("jobs/*/*"):
        record = store.read_job(folder)
        scores = store.read_job_scores(folder, record)
        store.write_job(tmp_path, record, np.array(list(scores.values()), dtype=np.float64))
        for name in (store.JOB, store.JOB_SCORES):
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_damaged_files_are_reported_and_layout_is_free(paths, tmp_path):
    copy = RunPaths(tmp_path)
    for name in (store.SETTINGS, store.RESULTS, store.SCORES):
        (tmp_path / name).write_bytes((paths.folder / name).read_bytes())
    record = store.read_results(paths)
    readers = {
        copy.settings: lambda: store.read_settings(copy),
        copy.results: lambda: store.read_results(copy),
        copy.scores: lambda: repr(store.read_scores(copy, ["S", "S4", "long", "one", "both"], record)),
    }
    rng = np.random.default_rng(0)
    for path, read in readers.items():
        before, data = read(), path.read_bytes()
        reported = 0
        for _ in range(100):
            changed = bytearray(data)
            changed[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            try:
                assert read() == before
            except DataError:
                reported += 1
        assert reported > 90
        path.write_bytes(data)
    for path in (copy.settings, copy.results):
        path.write_text(json.dumps(json.loads(path.read_bytes()), indent=4))
        assert readers[path]() is not None


def test_names_of_run_files_are_reserved(paths):
    names = {p.name for p in paths.folder.iterdir() if not p.name.startswith(".")}
    fixed = {paths.spec, paths.settings, paths.scores, paths.results, paths.figures, paths.report, paths.plots}
    assert {p.name for p in (*fixed, paths.work_folder, paths.job(""))} <= RESERVED_NAMES
    assert names <= RESERVED_NAMES | {"one", "both"}


def test_held_out_clip_is_a_training_clip_in_the_file():
    clip = ClipRecord(name="a", id="00", split="held", sha256="0", silent=False, samples=8, sample_rate=8, windows=1)
    values = clip.model_dump()
    assert (values["split"], values["held_out"]) == ("train", True)
    assert ClipRecord.model_validate_json(json.dumps(values)) == clip


def test_job_of_an_early_version_is_read():
    early = {"name": "a", "id": "00", "split": "test", "held_out": False, "sha256": "0", "silent": False, "windows": 1}
    clip = ClipRecord.model_validate_json(json.dumps(early))
    assert (clip.split, clip.samples, clip.sample_rate) == ("test", None, None)


def test_fields_of_a_later_version_are_ignored(paths, tmp_path):
    settings = json.loads(paths.settings.read_bytes())
    (tmp_path / store.SETTINGS).write_text(json.dumps(settings | {"later": 1}))
    with pytest.raises(DataError, match="differs from its digest"):  # not written by a later version, but edited
        store.read_settings(RunPaths(tmp_path))
    del settings["content_sha256"]
    (tmp_path / store.SETTINGS).write_text(json.dumps(settings | {"later": 1}))
    assert store.read_settings(RunPaths(tmp_path)) == store.read_settings(paths)


def test_invalid_job_record_is_damage(tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / store.JOB).write_text('{"machine": 5}')
    store.publish(tmp_path / "result", tmp_path / "job")
    with pytest.raises(AsdkitError, match=r"job is damaged: job\.json: machine: Input should be a valid string"):
        store.read_job(tmp_path / "job")


def test_invalid_shard_record_is_refused(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "1-of-2.json").write_text("{}")
    with pytest.raises(AsdkitError, match=r"record of a shard cannot be read \(shard: Field required\)"):
        store.read_shards(RunPaths(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", '{"host": "here"}'])
def test_invalid_lease_or_owner_counts_as_none(text, tmp_path):
    (tmp_path / store.LEASE).write_text(text)
    RunPaths(tmp_path).owner.write_text(text)
    assert store.has_lease(tmp_path)
    assert store.read_lease(tmp_path) is None
    assert store.read_owner(RunPaths(tmp_path)) is None


def test_lease_keeps_its_keys(tmp_path):
    lease = LeaseRecord(host="h", pid=1, run="r", alone=True, deaths=2, checkpoint=3, heartbeat=4)
    store.write_lease(tmp_path, lease)
    kept = {"host": "h", "pid": 1, "run": "r", "alone": True, "deaths": 2, "got": 3, "at_work": True, "beat": 4}
    assert json.loads((tmp_path / store.LEASE).read_text()) == kept | {"call": ""}
    assert store.read_lease(tmp_path) == lease
    store.remove_lease(tmp_path)
    assert not store.has_lease(tmp_path)


def test_old_progress_is_not_shown(tmp_path):
    assert store.read_progress(tmp_path) == {}
    store.write_progress(tmp_path, {"epoch": 1})
    assert store.read_progress(tmp_path, newer_than_s=60) == {"epoch": 1}
    assert store.read_progress(tmp_path, newer_than_s=0) == {}


def test_unreadable_file_is_an_error_of_the_data(tmp_path):
    RunPaths(tmp_path).settings.mkdir()
    with pytest.raises(DataError, match=r"cannot be read \(settings\.json: Is a directory\)"):
        store.read_settings(RunPaths(tmp_path))


def test_names_in_any_encoding_survive_in_scores():
    table = ScoreTable(['fan/"a",\udcff.wav'], ["00"], ["train"], [0], {"S": np.array([0.1])})
    data = encode_scores({"fan": table}, ["S", "missing"])
    columns, tables = decode_scores(data, {"S", "missing"})
    assert columns == ["S", "missing"]
    assert tables["fan"].clips == table.clips
    assert list(tables["fan"].columns) == ["S"]


ODD = [
    "=1+1.wav",
    "'=1.wav",
    "''=1.wav",
    "'a.wav",
    "@x",
    "-1",
    "+",
    "a\nb\r\t\x1b.wav",
    r"C:\x41\u00e9.wav",
    "\\\x01",
    "\u2028",
]


def test_no_stored_name_is_a_formula():
    tables = {"=m": ScoreTable(list(ODD), ["-0"] * len(ODD), ["test"] * len(ODD), [1] * len(ODD))}
    tables["=m"].columns["+S"] = np.linspace(-1, 1, len(ODD))
    data = encode_scores(tables, ["+S"])
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert len(rows) == len(ODD) + 1 == data.count(b"\n")
    assert not [cell for row in rows for cell in row[:5] if cell.startswith(("=", "+", "-", "@"))]
    assert rows[0][5] == "'+S"
    columns, found = decode_scores(data, {"+S"})
    assert (columns, found["=m"].clips, set(found["=m"].ids)) == (["+S"], ODD, {"-0"})
    np.testing.assert_array_equal(found["=m"].columns["+S"], tables["=m"].columns["+S"])


def test_names_in_old_scores_stay_as_written():
    data = encode_csv([["path", "machine", "id", "split", "label", "S"]]) + b"'=1.wav,fan,00,test,normal,1.0\n"
    _, tables = decode_scores(data + b"a\\x41.wav,fan,00,test,normal,1.0\n", {"S"}, escaped=False)
    assert tables["fan"].clips == ["'=1.wav", r"a\x41.wav"]


def test_table_selects_by_id_split_and_label():
    table = ScoreTable(list("abcd"), ["0", "0", "1", "1"], ["train", "held", "test", "test"], [0, 0, 1, None])
    assert table.where(None, "test").tolist() == [False, False, True, True]
    assert table.where("0", "held").tolist() == [False, True, False, False]
    assert table.where("1", "test", 0, None).tolist() == [False, False, False, True]
    assert table.count("2", "test") == 0
    assert table.of_split("held") == ["b"]
