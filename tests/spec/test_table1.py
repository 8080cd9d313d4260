"""The spec of Table 1 with the built-in plugins."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asdkit.errors import SpecError
from asdkit.plugins import Registry, discover
from asdkit.spec import load_spec

TABLE1 = Path(__file__).parents[2] / "specs" / "dcase2020_table1.toml"


@pytest.fixture(scope="module")
def installed() -> Registry:
    return discover()


def test_table_1_loads_as_written(installed: Registry) -> None:
    spec = load_spec(TABLE1, registry=installed)
    assert (spec.name, spec.seed, spec.data.layout) == ("dcase2020-table1", 2020, "dcase2020")
    assert spec.data.root == TABLE1.parent.resolve() / "data" / "dcase2020"
    assert spec.detector_names == ("AE", "G", "M", "R", "A")
    shapes = {name: (d.use, d.frames, d.hop) for name, d in spec.detectors.items()}
    assert shapes == {
        "AE": ("autoencoder", 5, 1),
        "G": ("group-made", 5, 1),
        **dict.fromkeys("MRA", ("id-classifier", 64, 8)),
    }
    members = {name: system.members for name, system in spec.systems.items()}
    assert members == {
        "baseline": ("AE",),
        "1-mean": ("M", "R", "G"),
        "1-max": ("M", "R", "G"),
        "2-mean": ("M", "G"),
        "2-max": ("M", "G"),
        "3-mean": ("M", "A", "G"),
        "3-max": ("M", "A", "G"),
        "4": ("G",),
    }
    fusers = {name: s.fuser.config.model_dump()["combine"] if s.fuser else None for name, s in spec.systems.items()}
    assert fusers == {name: next((c for c in ("mean", "max") if name.endswith(c)), None) for name in members}


def test_table_1_overrides_the_valves_augmenters_of_m(installed: Registry) -> None:
    spec = load_spec(TABLE1, registry=installed)
    lists = {
        machine: {name: [a.name for a in d.augmenters] for name, d in spec.detectors_for(machine).items()}
        for machine in ("fan", "valve")
    }
    assert lists["fan"] == {"AE": [], "G": [], "M": ["mix_log", "warp"], "R": ["mix_log", "warp"], "A": ["warp"]}
    assert lists["valve"] == {**lists["fan"], "M": ["mix_power", "resample"]}


def test_table_1_has_no_problems_with_any_ids(installed: Registry) -> None:
    spec = load_spec(TABLE1, registry=installed)
    assert spec.problems("fan", ids=1) == []
    assert spec.problems("valve", ids=4) == []


def test_a_misspelt_key_in_table_1_is_reported(installed: Registry, tmp_path: Path) -> None:
    lines = TABLE1.read_text().splitlines()
    index = lines.index("components = 10")
    path = tmp_path / "spec.toml"
    path.write_text("\n".join([*lines[:index], "hiden = 128", *lines[index:]]))
    with pytest.raises(SpecError) as error:
        load_spec(path, registry=installed)
    assert error.value.message == f'{path}:{index + 1}: detectors.G.hiden: unknown option; did you mean "hidden"?'


def test_table_1_loads_quickly(installed: Registry) -> None:
    load_spec(TABLE1, registry=installed)
    begin = time.perf_counter()
    load_spec(TABLE1, registry=installed)
    assert time.perf_counter() - begin < 0.15


def test_reading_a_spec_imports_nothing_heavy() -> None:
    code = (
        "import json, sys; from pathlib import Path; from asdkit.spec import load_spec; "
        f"load_spec(Path({str(TABLE1)!r})); print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numba", "cv2", "sklearn", "scipy", "soundfile", "librosa", "hypothesis"}
    assert heavy.isdisjoint(json.loads(result.stdout))
