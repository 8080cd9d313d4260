"""Output on a terminal and into a closed pipe: tables, result rows, progress of runs and downloads."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from asdkit.bundle.result import Verdict
from asdkit.bundle.score_recordings import FileResult
from asdkit.bundle.stream import WindowResult
from asdkit.cli.console import PipeSafeStream, print_table
from asdkit.cli.options import Format
from asdkit.cli.progress import Progress
from asdkit.cli.rows import FILE_COLUMNS, WINDOW_COLUMNS, clock, file_row, window_row, write_rows
from asdkit.data import download
from asdkit.data.editions import Archive
from asdkit.run.job import Outcome
from tests.helpers.rooms import write_clip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch, name: str = "stdout") -> Terminal:
    """Replace a standard stream by a terminal of 80 columns; pytest restores streams after each fixture."""
    stream = Terminal()
    monkeypatch.setattr(f"sys.{name}", stream)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def verdict(**changes: object) -> Verdict:
    values = {
        "score": 2.5, "id": "00", "id_known": True, "p_value": 0.05, "anomalous": True, "reason": "",
        "supported_rate": 0.1, "worst_seconds": 1.25, "members": {"K": 2.5}, "windows": {},
    }  # fmt: skip
    return Verdict(**values | changes)


def test_a_closed_pipe_discards_output():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        stream = PipeSafeStream(pipe)
        stream.write("x\n")
        stream.flush()
        assert stream.pipe_closed
        stream.write("y\n")
        stream.flush()


def test_tables_are_drawn_on_a_terminal(monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    print_table(["machine", "AUC"], [["fan\x1b", "90.00"]], title="Results")
    title, header, rule, row = [line for line in terminal.getvalue().splitlines() if line.strip()]
    assert title.strip() == "Results"
    assert header.split() == ["machine", "AUC"]
    assert set(rule.strip()) == {"─"}
    assert row.split() == ["fan\\x1b", "90.00"]


def test_rows_are_a_coloured_table_on_a_terminal(monkeypatch):
    terminal = open_terminal(monkeypatch)
    row = file_row(FileResult("long/" * 10 + "a.wav", verdict(id_known=False)))
    write_rows(None, FILE_COLUMNS, [row])
    header, line = terminal.getvalue().splitlines()
    assert header.split()[:3] == ["path", "id", "score"]
    assert "…" in line
    assert "a.wav         00?         2.5     <= 0.1  \x1b[1;31manomalous \x1b[0m    1.25 s" in line
    monkeypatch.setenv("NO_COLOR", "1")
    write_rows(None, FILE_COLUMNS, [row])
    assert terminal.getvalue().count("\x1b[1;31m") == 1


def test_windows_without_a_verdict_have_a_reason(monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    write_rows(
        Format.table, WINDOW_COLUMNS, [window_row(WindowResult(61.5, 1.0, None, "holds NaN", False, False), 2, 1)]
    )
    assert terminal.getvalue().splitlines()[1].split() == [
        "0:01:01.5", "-", "-", "-", "bad", "-", "holds", "NaN",
    ]  # fmt: skip


def test_csv_has_empty_cells_for_unknown_values(capsys):
    write_rows(Format.csv, FILE_COLUMNS, [file_row(FileResult("=a.wav", verdict(p_value=None, worst_seconds=None)))])
    header, line = capsys.readouterr().out.splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True)) == {
        "path": "'=a.wav", "id": "00", "id_known": "True", "score": "2.5", "p_value": "", "verdict": "anomalous",
        "worst_seconds": "", "supported_rate": "0.1", "reason": "", "note": "",
    }  # fmt: skip


def test_json_lines_have_nulls_and_members(capsys):
    write_rows(None, FILE_COLUMNS, [file_row(FileResult("a.wav", verdict(), notes=("one", "two")))])
    row = json.loads(capsys.readouterr().out)
    assert tuple(row) == (*FILE_COLUMNS.names, "members")
    assert (row["reason"], row["note"], row["members"]) == (None, "one; two", {"K": 2.5})


def test_clock_carries_rounded_seconds():
    assert [clock(s) for s in (0, 59.96, 3725.5)] == ["0:00:00.0", "0:01:00.0", "1:02:05.5"]


def start_progress(folder: Path, monkeypatch) -> Progress:
    """Start the progress of two jobs on a terminal."""
    open_terminal(monkeypatch, "stderr")
    for job in ("a", "b"):
        (folder / job).mkdir()
    plan = SimpleNamespace(paths=SimpleNamespace(folder=folder, work=lambda job: folder / job.key))
    jobs = [SimpleNamespace(key=k, title=f"fan {k}", machine="fan", detectors=[k]) for k in ("a", "b")]
    progress = Progress(plan)
    progress.planned(plan, jobs, jobs)
    return progress


def rendered(progress: Progress) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(progress._render())
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_live_progress_shows_epochs_and_time_left(tmp_path, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with start_progress(tmp_path, monkeypatch) as progress:
        values = {"epoch": 1, "epochs": 5, "loss": 0.5, "windows_per_s": 2000.0, "id": "00"}
        (tmp_path / "a" / "progress.json").write_text(json.dumps(values))
        (tmp_path / "b" / "progress.json").write_text(json.dumps({"stage": "features", "clips": 3, "of": 8}))
        first, second, total = rendered(progress)
        assert first == "fan a id 00 epoch 1/5 loss 0.5000 2,000 windows/s"
        assert second == "fan b features 3/8"
        assert total.startswith("0 of 2 jobs, 0:00")
        now += 10
        (tmp_path / "a" / "progress.json").write_text(json.dumps(values | {"epoch": 3}))
        assert rendered(progress)[0].endswith("windows/s 0:10 left")
        progress.ended(progress.left["b"], Outcome("b", "done", seconds=10.0))
        assert rendered(progress)[-1].endswith("1 of 2 jobs, 0:10, about 0:10 left")


def test_stale_progress_is_not_shown(tmp_path, monkeypatch):
    with start_progress(tmp_path, monkeypatch) as progress:
        path = tmp_path / "a" / "progress.json"
        path.write_text(json.dumps({"stage": "features"}))
        os.utime(path, (0, 0))
        assert len(rendered(progress)) == 1


def test_download_shows_each_archive(asdkit, monkeypatch, tmp_path):
    archive = Archive("dev_data_fan.zip", "dev_data", "fan", 1_000_000, "md5:", "")
    monkeypatch.setattr(download, "list_archives", lambda edition, machines: [archive, archive])
    results = iter([True, False])

    def fetch(archive, folder, watch):
        assert folder.name == "dcase2020"
        watch(500_000)
        return next(results)

    monkeypatch.setattr(download, "fetch", fetch)
    ran = asdkit("download", "dcase2020")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [
        "2 archives, 0.00 GB, into data/dcase2020",
        "dev_data/dev_data_fan.zip: unpacked",
        "dev_data/dev_data_fan.zip: exists already",
    ]


@pytest.mark.parametrize("command", ["data", "check"])
def test_streams_escape_what_they_cannot_encode(asdkit_command, command, tmp_path):
    write_clip(tmp_path / "rec" / "ポンプ" / "train" / "a.wav", 0)
    (tmp_path / "s.toml").write_text(
        'asdkit = 1\n[data]\nlayout = "folder"\nroot = "rec"\nsample_rate = 8000\n[featurizers.f]\nuse = "log-mel"\n'
        '[detectors.K]\nuse = "knn"\n'
    )
    target = "rec" if command == "data" else "s.toml"
    ran = asdkit_command(command, target, PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert ran.returncode == 0, ran.stderr
    assert r"\u30dd\u30f3\u30d7" in ran.stdout
