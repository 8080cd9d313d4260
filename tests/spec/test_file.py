"""Files that are not specs, and text that is not TOML."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from asdkit.errors import SpecError, UsageError
from asdkit.plugins import Registry
from asdkit.spec import load_spec
from tests.helpers.spec_plugins import BASE, Faults, Load

GOOD = BASE + '[detectors.G]\nuse = "group-made"\n'

NOT_TOML = {
    "use = log-mel": (
        'not valid TOML: Invalid value (column 7); text needs quotes, as in use = "log-mel"; '
        "true and false are lower case"
    ),
    "x = True": (
        'not valid TOML: Invalid value (column 5); text needs quotes, as in use = "log-mel"; '
        "true and false are lower case"
    ),
    "x = [1 2]": "not valid TOML: Unclosed array (column 8); a comma or ] is missing",
    'x = "open\ny = 1': "not valid TOML: Illegal character '\\n' (column 10)",
    'x = """open\n\n': "not valid TOML: the quotes of this string are never closed",
    "x = [1,\n\n": "not valid TOML: this array is never closed",
    "x = { a = 1,\n\n": None,
    "[x\ny = 1": "not valid TOML: Expected ']' at the end of a table declaration (column 3)",
    "x": "not valid TOML: this key has no value",
    "x = 1 y = 2": "not valid TOML: Expected newline or end of document after a statement (column 7)",
    "x = 1\nx = 2": "x: written twice, first on line 1; keep one",
    "[x.y]\n[z]\n[x.y]": "x.y: written twice, first on line 1; keep one",
    "x = { a = 1, a = 2 }": "x.a: written twice, first on line 1; keep one",
    "x = { a = 1 }\nx.b = 2": "not valid TOML: Cannot mutate immutable namespace ('x',), at the end of the file",
}
LINES = {"x = 1\nx = 2": 2, "[x.y]\n[z]\n[x.y]": 3, "x = { a = 1 }\nx.b = 2": 2}


@pytest.mark.parametrize("text", NOT_TOML)
def test_invalid_toml_is_reported_with_its_line(faults: Faults, text: str) -> None:
    [fault] = faults(text)
    assert fault.startswith(f"spec.toml:{LINES.get(text, 1)}: ")
    if NOT_TOML[text] is not None:
        assert fault == f"spec.toml:{LINES.get(text, 1)}: {NOT_TOML[text]}"


def test_windows_line_ends_and_byte_order_mark_load(load: Load, faults: Faults) -> None:
    text = "\ufeff" + GOOD.replace("\n", "\r\n")
    assert load(text).detector_names == ("G",)
    assert faults(text + "hidden = 0\r\n") == [
        "spec.toml:9: detectors.G.hidden: 0 is out of bounds; expected at least 1"
    ]


def test_bytes_that_are_not_utf8_are_located(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(b"asdkit = 1\nname = 'caf\xe9'\n")
    with pytest.raises(SpecError) as error:
        load_spec(path)
    assert error.value.message == f"{path}:2: not UTF-8 (byte 0xe9); save it as UTF-8"


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("# " + "x" * (1 << 20))
    with pytest.raises(SpecError) as error:
        load_spec(path)
    assert error.value.message == f"{path}:1: larger than 1024 KiB, which is too large for a spec"


def test_a_missing_file_suggests_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(GOOD)
    with pytest.raises(UsageError) as error:
        load_spec(tmp_path / "spce.toml")
    assert error.value.message == f'no such file: {tmp_path / "spce.toml"}; did you mean "spec.toml"?'
    with pytest.raises(UsageError, match="no such file"):
        load_spec(tmp_path / "nowhere" / "spec.toml")
    with pytest.raises(UsageError, match="no such file"):
        load_spec(tmp_path / "spec.toml" / "below")


def test_a_folder_is_not_a_spec(tmp_path: Path) -> None:
    (tmp_path / "any.toml").write_text(GOOD)
    with pytest.raises(UsageError) as error:
        load_spec(tmp_path)
    assert error.value.message == f"{tmp_path} is a folder; expected a spec in TOML; expected one of: any.toml"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(UsageError, match="is not a regular file"):
        load_spec(tmp_path / "pipe.toml")


def test_an_impossible_file_name_is_refused() -> None:
    for name in ("a\0b.toml", "x" * 5000):
        with pytest.raises(UsageError, match="cannot read"):
            load_spec(Path(name))


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 100_000, "x = " + "{a=" * 100_000, "a." * 100_000 + "a = 1", "[" + "a." * 100_000 + "a]"],
    ids=["lists", "tables", "dots", "header"],
)
def test_deep_nesting_is_refused_quickly(faults: Faults, text: str) -> None:
    begin = time.perf_counter()
    assert faults("\n" + text) == ["spec.toml:2: nested deeper than 32 tables or lists"]
    assert time.perf_counter() - begin < 2


def test_a_number_with_thousands_of_digits_is_refused(faults: Faults) -> None:
    [fault] = faults(GOOD + "epochs = " + "9" * 5000)
    assert fault.startswith("spec.toml:")
    assert len(fault) < 200


def test_thousands_of_tables_are_merged_quickly(load: Load) -> None:
    chain = "".join(f'[detectors.G{n}]\nextends = "G{n - 1}"\n' for n in range(1, 3000))
    begin = time.perf_counter()
    spec = load(GOOD.replace("detectors.G", "detectors.G0") + chain + "epochs = 3\n")
    assert time.perf_counter() - begin < 10
    assert spec.detectors["G2999"].config.epochs == 3


def test_a_file_name_unfit_for_a_run_needs_a_name(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / ".toml"
    path.write_text(GOOD)
    with pytest.raises(SpecError, match=r"\.toml:1: name: missing, and the file's name cannot be used"):
        load_spec(path, registry=registry)
    path.write_text('name = "given"\n' + GOOD)
    assert load_spec(path, registry=registry).name == "given"
