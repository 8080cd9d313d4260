"""CSV tables as spreadsheets save them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.data import find_clips
from asdkit.data.score_files import read_scores
from asdkit.errors import DataError
from asdkit.layouts import table
from asdkit.layouts.csv_table import read_rows, separator
from tests.helpers import csv_tables

ROWS = [["path", "machine", "split", "label"], ["a b.wav", "fan", "train", ""], ["c.wav", "fan", "test", "Abnormal"]]


def save(path: Path, rows: list[list[str]], mark: str = ",", encoding: str = "utf-8", first: str = "") -> Path:
    text = first + "\r\n".join(mark.join(row) for row in rows) + "\r\n"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", ", ", " ; "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_separator_and_encoding_are_recognised(mark: str, encoding: str, tmp_path: Path) -> None:
    clips = find_clips("csv", save(tmp_path / "t.csv", ROWS, mark, encoding))
    assert [(c.name, c.machine, c.split, c.label) for c in clips] == [
        ("a b.wav", "fan", "train", 0),
        ("c.wav", "fan", "test", 1),
    ]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_the_line_that_excel_adds_is_honoured(end: str, tmp_path: Path) -> None:
    table = save(tmp_path / "t.csv", ROWS, ";", first=f"sep=;{end}")
    assert next(read_rows(table)) == (2, ROWS[0])
    assert len(find_clips("csv", table)) == 2


def test_empty_columns_and_rows_at_the_end_are_ignored(tmp_path: Path) -> None:
    rows = [[*row, "", ""] for row in ROWS] + [[""] * 6]
    assert len(find_clips("csv", save(tmp_path / "t.csv", rows, ";"))) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"path,machine\n", "no column split among path, machine"),
        (b"path,machine,split,split\n", "two columns split"),
        ("path,machine,split\nä.wav,fan,train\n".encode("latin-1"), r"t.csv:2: not UTF-8"),
        (b"path,machine,split\r\n\0,fan,train\n", "t.csv:2: not text: a NUL character"),
        ("path,machine,split\n".encode("utf-16-le"), "t.csv:1: not text: a NUL character"),
        (b"path,machine,split\ra.wav,fan,train\r\xff.wav,fan,train\r", "t.csv:3: not UTF-8"),
        (b'sep="\npath,machine,split\n', "no column path among sep="),
        (b'path,machine,split\n"a.wav,fan,train\n', "not a row of a CSV table"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        find_clips("csv", tmp_path / "t.csv")


@pytest.mark.parametrize("spelling", ["./rec/a.wav", "rec/../rec/a.wav", "rec/link.wav", "rec/a.wav"])
def test_one_file_under_two_paths_is_refused(spelling: str, tmp_path: Path) -> None:
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "a.wav").write_bytes(b"")
    (tmp_path / "rec" / "link.wav").symlink_to("a.wav")
    rows = [ROWS[0], ["rec/a.wav", "fan", "train", ""], [spelling, "fan", "test", ""]]
    with pytest.raises(DataError, match=r"rec/a.wav.*\(train and test\)"):
        find_clips("csv", save(tmp_path / "t.csv", rows))


def test_linked_folders_do_not_hide_copies(tmp_path: Path) -> None:
    train = tmp_path / "fan" / "train"
    train.mkdir(parents=True)
    (train / "a.wav").write_bytes(b"")
    (tmp_path / "fan" / "test").symlink_to("train")
    with pytest.raises(DataError, match="are the same file"):
        find_clips("folder", tmp_path)


def test_decimal_commas_are_named(tmp_path: Path) -> None:
    file = tmp_path / "anomaly_score_fan_id_00.csv"
    file.write_text("normal_id_00_00000000.wav;0,5\n")
    with pytest.raises(DataError, match="decimal point"):
        read_scores([file])
    file.write_text("normal_id_00_00000000.wav;0.5\n")
    assert list(read_scores([file])[0].scores.values()) == [0.5]


def test_a_table_of_many_machines_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    monkeypatch.setattr(table, "read_rows", lambda path: reads.append(path) or read_rows(path))
    rows = [ROWS[0], *([f"{i}.wav", f"m{i}", "train", ""] for i in range(50))]
    assert len(find_clips("csv", save(tmp_path / "t.csv", rows))) == 50
    assert len(reads) == 1


def test_mutated_tables_are_refused_by_line_or_read_as_written(tmp_path: Path) -> None:
    target, rng = csv_tables.table_target(tmp_path), np.random.default_rng(1)
    accepted = sum(target(csv_tables.make_table(rng)) for _ in range(400))
    assert 100 < accepted < 200


FIELD = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff"), min_size=1).map(
    str.strip
)


@given(st.lists(st.lists(FIELD.filter(bool), min_size=2, max_size=2), min_size=1), st.sampled_from(",;\t"))
def test_quoted_fields_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, rows, mark: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL).writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(text.getvalue().encode())
    assert separator(text.getvalue()) == mark
    assert [row for _, row in read_rows(path)] == rows
