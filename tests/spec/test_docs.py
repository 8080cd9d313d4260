"""``docs/spec.md`` matches the code: its examples load, its faults are reported, its tables list all keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from asdkit.errors import SpecError
from asdkit.plugins import Registry, discover
from asdkit.spec import RESERVED_NAMES, CalibrationSettings, ComputeSettings, DataSettings, Spec, load_spec
from asdkit.spec.document import MAX_BYTES
from asdkit.spec.positions import MAX_DEPTH
from asdkit.spec.settings import MAX_NAME, AugmenterKeys, DetectorKeys, FeaturizerKeys, HeadKeys, SystemKeys

PAGE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text()
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SMALLEST = BLOCKS[0]

KEYS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "The spec as a whole": (HeadKeys, set()),
    "`[data]`": (DataSettings, set()),
    "`[compute]`": (ComputeSettings, set()),
    "`[calibration]`": (CalibrationSettings, set()),
    "`[featurizers.NAME]`": (FeaturizerKeys, {"use", "extends"}),
    "`[augmenters.NAME]`": (AugmenterKeys, {"use", "extends"}),
    "`[detectors.NAME]`": (DetectorKeys, {"use", "extends"}),
    "`[systems.NAME]`": (SystemKeys, {"extends", "fuser"}),
}


@pytest.fixture(scope="module")
def installed() -> Registry:
    return discover()


def load(folder: Path, text: str, installed: Registry) -> Spec:
    (folder / "spec.toml").write_text(text)
    return load_spec(folder / "spec.toml", registry=installed)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_loads(number: int, tmp_path: Path, installed: Registry) -> None:
    text = BLOCKS[number]
    spec = load(tmp_path, text if "asdkit = 1" in text else f"{SMALLEST}\n{text}", installed)
    assert spec.detector_names


def test_the_overrides_example_resolves_as_commented(tmp_path: Path, installed: Registry) -> None:
    [text] = [block for block in BLOCKS if "[machines." in block]
    spec = load(tmp_path, f"{SMALLEST}\n{text}", installed)
    valve = {name: [a.name for a in d.augmenters] for name, d in spec.detectors_for("valve").items()}
    assert valve == {"AE": [], "M": ["warp"], "R": ["mix", "warp"]}


def test_the_faulty_example_gives_the_shown_faults(
    tmp_path: Path, installed: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = re.search(r"^```toml faulty\n(.*?)^```.*?^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert match is not None
    monkeypatch.chdir(tmp_path)
    Path("spec.toml").write_text(match[1])
    with pytest.raises(SpecError) as error:
        load_spec(Path("spec.toml"), registry=installed)
    assert error.value.message == match[2].strip()


@pytest.mark.parametrize("title", KEYS)
def test_each_table_lists_all_keys_and_defaults(title: str) -> None:
    model, more = KEYS[title]
    section = PAGE.split(f"### {title}\n", 1)[1].split("\n#", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", section, re.MULTILINE))
    assert set(rows) == set(model.model_fields) | more
    for name, field in model.model_fields.items():
        if field.is_required():
            assert rows[name] == "required"
        elif field.default is not None:
            shown = f'"{field.default}"' if isinstance(field.default, str) else str(field.default)
            shown = shown.lower() if isinstance(field.default, bool) else shown
            assert rows[name] == f"`{'[]' if field.default == () else shown}`"


def test_reserved_names_and_limits_match_the_code() -> None:
    names = PAGE.split("are reserved for a run (", 1)[1].split(")", 1)[0]
    assert set(re.findall(r"`([^`]+)`", names)) == RESERVED_NAMES
    assert f"at most {MAX_NAME} characters" in PAGE
    assert f"at most {MAX_BYTES >> 20} MiB, and nests at most {MAX_DEPTH} deep" in PAGE
