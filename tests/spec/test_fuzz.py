"""Any file and any ``--set`` give settings or an error for the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asdkit.errors import AsdkitError
from asdkit.spec import load_spec
from tests.helpers.properties import examples
from tests.helpers.spec_plugins import BASE, fake_registry

REGISTRY = fake_registry()
GOOD = (
    BASE
    + """[augmenters.slow]
use = "resample"
[detectors.G]
use = "group-made"
order = [[0], [1]]
frames = 2
[detectors.H]
extends = "G"
pool = { top = 3 }
augmenters = ["slow"]
[machines.fan.detectors.G]
rate = 1e-3
[systems.s]
members = ["G", "H"]
fuser = { use = "z-score" }
"""
)
TOKENS = ["[", "]", "{", "}", "=", ".", ",", '"', "'", '"""', "\n", " ", "#", "\\", "1", "-1", "1.5", "true", "nan"]
WORDS = ["detectors", "systems", "machines", "featurizers", "extends", "use", "G", "H", "members", "fuser", "frames"]
VALUES = st.recursive(
    st.one_of(
        st.sampled_from(
            ["1", "-1", "0.5", "true", "nan", "1979-05-27", '"G"', '"H"', '"log-mel"', '"z-score"', '"x\\n"']
        ),
        st.integers().map(str),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(WORDS), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
        ),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "spec.toml"


def loads_or_explains(path: Path, data: bytes, sets: list[str]) -> bool:
    """Return whether the spec loads; any error but an `AsdkitError` fails the test."""
    path.write_bytes(data)
    try:
        spec = load_spec(path, sets=sets, registry=REGISTRY)
    except AsdkitError as error:
        lines = error.message.split("\n")
        assert all(line.startswith((f"{path}:", "--set ")) for line in lines), lines
        assert all(line.isprintable() for line in lines)
        return False
    for detector in (*spec.detectors.values(), *spec.detectors_for("fan").values()):
        json.dumps(detector.canonical(), allow_nan=False)
    spec.problems("fan", ids=1)
    return True


def test_the_unchanged_spec_loads(spec_file: Path) -> None:
    assert loads_or_explains(spec_file, GOOD.encode(), [])


@given(st.lists(st.sampled_from(TOKENS + WORDS), max_size=40).map("".join))
def test_text_like_toml_loads_or_explains(spec_file: Path, text: str) -> None:
    loads_or_explains(spec_file, text.encode(), [])


@given(st.binary(max_size=200))
def test_any_bytes_are_explained(spec_file: Path, data: bytes) -> None:
    assert not loads_or_explains(spec_file, data, [])


@settings(max_examples=examples(300))
@given(st.data())
def test_a_randomly_changed_spec_loads_or_explains(spec_file: Path, data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = begin + data.draw(st.integers(0, 12))
        text = text[:begin] + data.draw(st.sampled_from(["", *TOKENS, *WORDS])) + text[end:]
    loads_or_explains(spec_file, text.encode(), [])


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), VALUES), max_size=3))
@example([(["detectors", "detectors"], "[]"), (["detectors"], "1")])
def test_any_value_at_any_key_loads_or_explains(spec_file: Path, edits: list[tuple[list[str], str]]) -> None:
    sets = [f"{'.'.join(keys)}={value}" for keys, value in edits]
    loads_or_explains(spec_file, GOOD.encode(), sets)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_set_loads_or_explains(spec_file: Path, sets: list[str]) -> None:
    loads_or_explains(spec_file, GOOD.encode(), sets)
    loads_or_explains(spec_file, GOOD.encode(), [f"detectors.G.{text}" for text in sets])
