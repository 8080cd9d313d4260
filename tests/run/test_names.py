"""Names of machines and ids from any source: which can be parts of paths."""

from pathlib import Path

import pytest

from asdkit.data import Clip
from asdkit.errors import DataError
from asdkit.run.plan import _require_names
from asdkit.spec.settings import folder_fault, name_fault


def clips(*pairs):
    return [
        Clip(name=str(i), path=Path(str(i)), machine=machine, id=id_, split="train", label=0)
        for i, (machine, id_) in enumerate(pairs)
    ]


BAD = ["", "a/b", "a\\b", "..", "../x", ".x", "x.", " x", "x ", "\u00a0x", "a\0b", "a\nb", "a:b", "a\u202eb"]
BAD += ["nul", "CON", "Aux.txt", "com1", "LPT9.csv", "com¹", "nul .x"]
GOOD = ["fan", "00", "section_00", "ポンプ", "gear box", "a\u00a0b", "a.b", "a..b", "com", "com10", "null", "\udcff"]


@pytest.mark.parametrize("name", BAD)
def test_one_rule_refuses_names_of_any_source(name):
    assert folder_fault(name) == name_fault(name) != ""
    for pair in ((name, "00"), ("fan", name)):
        with pytest.raises(DataError) as refused:
            _require_names(clips(pair))
        assert folder_fault(name) in refused.value.message


def test_other_names_are_accepted():
    assert [folder_fault(name) for name in GOOD] == [""] * len(GOOD)
    _require_names(clips(*((name, name) for name in GOOD), ("m" * 120, "00")))


def test_two_names_of_one_folder_are_refused():
    pairs = [("Fan", "00"), ("fan", "00"), ("e\u0301", "00"), ("\u00e9", "00"), ("pump", "A"), ("pump", "a")]
    pairs += [("x", "1_id_2"), ("x_id_1", "2"), ("..", "00"), ("pump", "nul")]
    with pytest.raises(DataError) as refused:
        _require_names(clips(*pairs))
    lines = refused.value.message.splitlines()
    assert len(lines) == 6
    assert 'machines "Fan" and "fan": one folder where case is ignored' in lines
    assert any("pump id A and machine pump id a: both make the file" in line for line in lines)
    assert any("x id 1_id_2 and machine x_id_1 id 2: both make the file" in line for line in lines)
