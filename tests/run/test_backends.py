"""Backends and shards: the same scores on each; addresses and folders that are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from asdkit.errors import SpecError, UsageError
from asdkit.plugins import discover
from asdkit.run import Shard, cluster, workers
from asdkit.run.job import Outcome
from asdkit.run.locks import mark_run
from asdkit.run.store import RunPaths
from asdkit.spec import load_spec


@pytest.fixture
def scores(whole_run) -> bytes:
    """Scores of a run on the default backend."""
    return (whole_run[0] / "runs" / "small" / "scores.csv").read_bytes()


def test_a_local_dask_cluster_gives_the_same_scores(asdkit_command, scores, faulty_spec, tmp_path):
    pytest.importorskip("distributed")
    args = ("--set", 'detectors.F.how="die"', "--set", "compute.workers=2", "--set", "compute.threads=1")
    ran = asdkit_command("run", faulty_spec, "--backend", "dask", "--out", "dask", "--machine", "fan", *args)
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    failed = json.loads((tmp_path / "dask" / "results.json").read_text())["failed"]
    assert set(failed) == {"fan F"}
    assert "died 3 times" in failed["fan F"]
    actual = (tmp_path / "dask" / "scores.csv").read_text().splitlines()
    expected = [line for line in scores.decode().splitlines() if line.startswith("fan/")]
    columns = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]  # all but F's
    assert [[line.split(",")[i] for i in columns] for line in actual[1:]] == [line.split(",") for line in expected]


def test_merged_shards_give_the_same_scores(asdkit, scores, spec, tmp_path):
    for index in (1, 2):
        for out in (f"part{index}", "shared"):
            ran = asdkit("run", spec, "--shard", f"{index}/2", "--out", out, "--set", "compute.threads=1")
            assert ran.returncode == 0, ran.stderr
            assert not (tmp_path / out / "scores.csv").exists()
            assert json.loads((tmp_path / out / "settings.json").read_text())["set"] == ["compute.threads=1"]
    for parts in (("merged", "part1", "part2"), ("shared",)):
        merged = asdkit("merge", *parts)
        assert merged.returncode == 0, merged.stderr
        assert (tmp_path / parts[0] / "scores.csv").read_bytes() == scores
        assert (tmp_path / parts[0] / "report.html").exists()
    missing = asdkit("merge", "half", "part2")
    assert missing.returncode == 2
    assert "missing: shard 1/2" in missing.stderr
    asdkit("run", spec, "--shard", "2/2", "--out", "other", "--set", "seed=5")
    refused = asdkit("merge", "mixed", "part1", "other")
    assert refused.returncode == 2
    assert f"{tmp_path / 'other'} (shard 2/2) is of another run than {tmp_path / 'part1'}" in refused.stderr
    assert "settings.seed 1, 5" in refused.stderr
    assert not (tmp_path / "mixed").exists()


@pytest.fixture
def knn_spec(spec):
    """The spec with a built-in detector, and the installed plugins."""
    spec.write_text(spec.read_text().replace('"mean-spectrum"', '"knn"').replace("order = 4.0", "neighbours = 2"))
    return spec, discover()


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://cluster.example:8786", "tcp://0.0.0.0:1"])
def test_a_plain_remote_address_must_be_allowed(knn_spec, address):
    spec, registry = knn_spec
    sets = ["compute.backend=dask", f"compute.scheduler={address}"]
    with pytest.raises(SpecError, match="can run code there"):
        load_spec(spec, sets=sets, registry=registry)
    assert load_spec(spec, sets=[*sets, "compute.insecure=true"], registry=registry).compute.scheduler == address


@pytest.mark.parametrize(
    "address", ["tls://cluster.example:8786", "tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1"]
)
def test_tls_and_loopback_need_no_permission(knn_spec, address):
    spec, registry = knn_spec
    sets = ["compute.backend=dask", f"compute.scheduler={address}"]
    assert load_spec(spec, sets=sets, registry=registry).compute.scheduler == address


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "needs a certificate, and Dask's configuration names none"),
        ({"CA_FILE": "gone.pem", "CLIENT__CERT": "gone.pem", "CLIENT__KEY": "gone.pem"}, "No such file"),
    ],
)
def test_tls_without_a_certificate_is_a_clear_error(asdkit_command, spec, variables, message):
    pytest.importorskip("distributed")
    names = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in variables.items()}
    args = ("--backend", "dask", "--set", 'compute.scheduler="tls://127.0.0.1:9"')
    ran = asdkit_command("run", spec, *args, **names)
    assert ran.returncode == 2, ran.stdout
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_silent_scheduler_is_a_clear_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_TIMEOUT_S", 0.5)
    with (
        pytest.raises(UsageError, match="no scheduler answers") as refused,
        cluster.dask_client("tcp://127.0.0.1:9"),
    ):
        pass
    assert "dask scheduler" in refused.value.hint


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_an_invalid_shard_is_refused(text):
    with pytest.raises(UsageError, match="expected k/n"):
        Shard.parse(text)


def test_the_check_reports_ids_too_long_for_files(asdkit, spec, room):
    for path in (room / "fan").rglob("*_id_00_*"):
        path.rename(path.with_name(path.name.replace("_id_00_", f"_id_{'7' * 231}_")))
    ran = asdkit("check", spec)
    assert ran.returncode == 3
    assert "makes a file name of more than 255 bytes" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_closed_pipe_changes_nothing(spec, tmp_path):
    code = f"{sys.executable} -m asdkit run {spec} --out piped 2>&1 | true; echo ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(["bash", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "0"
    assert (tmp_path / "piped" / "report.html").exists()


def job_of(*sizes):
    return SimpleNamespace(clips=[SimpleNamespace(size=size) for size in sizes])


def test_small_jobs_are_batched_several_batches_per_worker():
    small, large = [job_of(1000)] * 60, [job_of(600_000, 600_000)] * 3
    batches = list(workers._batches([*small[:30], *large, *small[30:]], workers=2))
    assert [batch for batch in batches if batch[0] in large] == [[job] for job in large]
    sizes = [len(batch) for batch in batches if batch[0] in small]
    assert sum(sizes) == 60
    assert len(sizes) >= 4 * 2
    assert max(sizes) > 1
    assert [len(batch) for batch in workers._batches(small[:5], workers=2)] == [1] * 5
    assert max(len(batch) for batch in workers._batches(small * 100, workers=2)) == 16


def test_a_plugins_joblib_stays_in_its_cluster_worker(monkeypatch):
    from joblib import Parallel, effective_n_jobs, parallel_config

    def attempt(*_, **__):
        return effective_n_jobs(None), Parallel(n_jobs=2)._backend.__class__.__name__

    monkeypatch.setattr(workers, "attempt", attempt)
    monkeypatch.setattr(workers, "_hidden", lambda *_: "")
    with parallel_config("loky", n_jobs=2):  # as Dask's own backend around a task
        assert workers._attempt_on_cluster(["a job"], None, "run") == [(1, "ThreadingBackend")]


@pytest.mark.parametrize("seen", ["neither", "recordings", "run folder"])
def test_a_worker_that_does_not_see_the_folders_fails_its_jobs(tmp_path, seen):
    path = tmp_path / ("a.wav" if seen == "recordings" else "none/a.wav")
    (tmp_path / "a.wav").touch()
    job = SimpleNamespace(key="k", clips=[SimpleNamespace(clip=SimpleNamespace(path=path))])
    if seen == "run folder":
        mark_run(tmp_path / "run")
    [outcome] = workers._attempt_on_cluster(
        [job], RunPaths(tmp_path / "run"), "run", device="cpu", threads=1, alone=True
    )
    hidden = f"the run folder {tmp_path / 'run'}" if seen != "run folder" else f"the recordings in {tmp_path / 'none'}"
    assert outcome.status == "failed"
    assert f"does not see {hidden}" in outcome.message
    assert "same paths as here" in outcome.message
    assert seen == "run folder" or not (tmp_path / "run").exists()


@pytest.mark.parametrize("count", [1, 2])
def test_jobs_run_on_the_workers_of_a_cluster(monkeypatch, tmp_path, count):
    pytest.importorskip("distributed")

    def tell(batch, *_, **__):
        time.sleep(0.05)
        return [Outcome(str(os.getpid()), "done") for _ in batch]

    monkeypatch.setattr(workers, "_attempt_on_cluster", tell)
    with cluster.dask_client(None, workers=count) as client:
        backend = workers.Backend("dask", count, 1, "cpu", client)
        outcomes = list(backend.run([job_of(1000)] * 6, RunPaths(tmp_path), "run", alone=False))
        pids = {str(pid) for pid in client.run(os.getpid).values()}
    assert len(outcomes) == 6
    assert {outcome.key for outcome in outcomes} <= pids
    assert str(os.getpid()) not in pids
    assert len(pids) == count


def test_job_that_ends_the_only_worker_spares_the_driver(monkeypatch, tmp_path):
    pytest.importorskip("distributed")

    def end(batch, *_, **__):
        if batch[0].clips[0].size > 1:
            os._exit(1)
        return [Outcome("small", "done") for _ in batch]

    monkeypatch.setattr(workers, "_attempt_on_cluster", end)
    with cluster.dask_client(None, workers=1) as client:
        client.run_on_scheduler(allow_no_deaths)
        backend = workers.Backend("dask", 1, 1, "cpu", client)
        for size, ended in ((2 << 20, []), (1, ["small"])):  # the second on the worker that replaces the dead one
            outcomes = backend.run([job_of(size)], RunPaths(tmp_path), "run", alone=False)
            assert [outcome.key for outcome in outcomes] == ended


def allow_no_deaths(dask_scheduler):
    dask_scheduler.allowed_failures = 0
