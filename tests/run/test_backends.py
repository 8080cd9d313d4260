"""The same scores on every backend and from shards; what is refused, and how it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from asdkit.errors import SpecError, UsageError
from asdkit.run import Shard, cluster, workers
from asdkit.spec import load_spec


@pytest.fixture
def whole(asdkit_command, spec, tmp_path):
    """Scores of a run on the default backend."""
    ran = asdkit_command("run", spec, "--out", "whole", "--set", "compute.threads=1")
    assert ran.returncode == 0, ran.stderr
    settings = json.loads((tmp_path / "whole" / "settings.json").read_text())
    assert settings["set"] == ["compute.threads=1"]
    return (tmp_path / "whole" / "scores.csv").read_bytes()


def test_a_dask_cluster_started_for_the_run_gives_the_same_scores_and_counts_deaths(
    asdkit_command, whole, faulty_spec, tmp_path
):
    pytest.importorskip("distributed")
    more = ("--set", 'detectors.F.how="die"', "--set", "compute.workers=2", "--set", "compute.threads=1")
    ran = asdkit_command("run", faulty_spec, "--backend", "dask", "--out", "dask", "--machine", "fan", *more)
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    failed = json.loads((tmp_path / "dask" / "results.json").read_text())["failed"]
    assert set(failed) == {"fan F"}
    assert "died 3 times" in failed["fan F"]
    ours = (tmp_path / "dask" / "scores.csv").read_text().splitlines()
    theirs = [line for line in whole.decode().splitlines() if line.startswith("fan/")]
    columns = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]  # all but F's
    assert [[line.split(",")[i] for i in columns] for line in ours[1:]] == [line.split(",") for line in theirs]


def test_shards_in_folders_of_their_own_or_in_one_make_the_whole(asdkit_command, whole, spec, tmp_path):
    for index in (1, 2):
        for out in (f"part{index}", "shared"):
            more = ("--shard", f"{index}/2", "--out", out, "--set", "compute.threads=1")
            ran = asdkit_command("run", spec, *more)
            assert ran.returncode == 0, ran.stderr
            assert not (tmp_path / out / "scores.csv").exists()
    for parts in (("merged", "part1", "part2"), ("shared",)):
        merged = asdkit_command("merge", *parts)
        assert merged.returncode == 0, merged.stderr
        assert (tmp_path / parts[0] / "scores.csv").read_bytes() == whole
        assert (tmp_path / parts[0] / "report.html").exists()
    missing = asdkit_command("merge", "half", "part2")
    assert missing.returncode == 2
    assert "missing: shard 1/2" in missing.stderr
    asdkit_command("run", spec, "--shard", "2/2", "--out", "other", "--set", "seed=5")
    refused = asdkit_command("merge", "mixed", "part1", "other")
    assert refused.returncode == 2
    assert f"{tmp_path / 'other'} (shard 2/2) is of another run than {tmp_path / 'part1'}" in refused.stderr
    assert "settings.seed 1, 5" in refused.stderr
    assert not (tmp_path / "mixed").exists()


def test_a_second_run_is_refused_in_under_a_second_of_work(asdkit_command, faulty_spec, tmp_path):
    first = subprocess.Popen(
        [sys.executable, "-m", "asdkit", "run", str(faulty_spec), "--set", 'detectors.F.how="slow"'],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not list((tmp_path / "runs" / "small").glob("work/*/*/lease.json")):
            assert time.monotonic() < end
            time.sleep(0.05)
        for more in ((), ("--shard", "1/2")):
            refused = asdkit_command("run", faulty_spec, *more)
            assert refused.returncode == 6
            assert f"is in use by process {first.pid} on " in refused.stderr
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://cluster.example:8786", "tcp://0.0.0.0:1"])
def test_a_plain_address_off_loopback_needs_a_word(spec, address, asdkit_registry):
    sets = ["compute.backend=dask", f"compute.scheduler={address}"]
    with pytest.raises(SpecError, match="can run code there"):
        load_spec(spec, sets=sets, registry=asdkit_registry)
    assert load_spec(spec, sets=[*sets, "compute.insecure=true"], registry=asdkit_registry).compute.scheduler == address


@pytest.mark.parametrize(
    "address", ["tls://cluster.example:8786", "tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1"]
)
def test_tls_and_loopback_need_none(spec, address, asdkit_registry):
    sets = ["compute.backend=dask", f"compute.scheduler={address}"]
    assert load_spec(spec, sets=sets, registry=asdkit_registry).compute.scheduler == address


@pytest.fixture
def asdkit_registry(spec):
    """The installed plugins; the light detector's place is taken by a built-in one."""
    from asdkit.plugins import discover

    spec.write_text(spec.read_text().replace('"spectrum"', '"knn"').replace("order = 4.0", "neighbours = 2"))
    return discover()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "needs a certificate, and Dask's configuration names none"),
        ({"CA_FILE": "gone.pem", "CLIENT__CERT": "gone.pem", "CLIENT__KEY": "gone.pem"}, "No such file"),
    ],
)
def test_tls_without_a_certificate_is_told_in_words(asdkit_command, spec, variables, told):
    pytest.importorskip("distributed")
    names = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in variables.items()}
    more = ("--backend", "dask", "--set", 'compute.scheduler="tls://127.0.0.1:9"')
    ran = asdkit_command("run", spec, *more, **names)
    assert ran.returncode == 2, ran.stdout
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_scheduler_that_does_not_answer_is_told_with_what_to_do(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_TIMEOUT_S", 0.5)
    with pytest.raises(UsageError, match="no scheduler answers") as refused, cluster.dask_client("tcp://127.0.0.1:9"):
        pass
    assert "dask scheduler" in refused.value.hint


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="expected k/n"):
        Shard.parse(text)


def test_ids_too_long_for_a_file_are_told_at_the_check(asdkit_command, spec, room):
    for path in (room / "fan").rglob("*_id_00_*"):
        path.rename(path.with_name(path.name.replace("_id_00_", f"_id_{'7' * 231}_")))
    ran = asdkit_command("check", spec)
    assert ran.returncode == 3
    assert "makes a file name of more than 255 bytes" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_who_stops_listening_changes_nothing(spec, tmp_path):
    code = f"{sys.executable} -m asdkit run {spec} --out piped 2>&1 | true; echo ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    ran = subprocess.run(["bash", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "0"
    assert (tmp_path / "piped" / "report.html").exists()


def job_of(*sizes):
    return SimpleNamespace(clips=[SimpleNamespace(size=size) for size in sizes])


def test_jobs_of_little_sound_are_handed_out_together_and_each_worker_gets_several_batches():
    little, large = [job_of(1000)] * 60, [job_of(600_000, 600_000)] * 3
    batches = list(workers._batches([*little[:30], *large, *little[30:]], workers=2))
    assert [batch for batch in batches if batch[0] in large] == [[job] for job in large]
    sizes = [len(batch) for batch in batches if batch[0] in little]
    assert sum(sizes) == 60
    assert len(sizes) >= 4 * 2
    assert max(sizes) > 1
    assert [len(batch) for batch in workers._batches(little[:5], workers=2)] == [1] * 5
    assert max(len(batch) for batch in workers._batches(little * 100, workers=2)) == 16


def test_what_a_plugin_does_by_joblib_stays_in_the_worker_of_a_cluster(monkeypatch):
    from joblib import Parallel, effective_n_jobs, parallel_config

    def attempt(*_, **__):
        return effective_n_jobs(None), Parallel(n_jobs=2)._backend.__class__.__name__

    monkeypatch.setattr(workers, "attempt", attempt)
    with parallel_config("loky", n_jobs=2):  # as Dask's own backend around a task
        assert workers._attempt_on_cluster(["a job"], None, "run") == [(1, "ThreadingBackend")]
