"""A member that knows nothing on a machine is left out of its systems, in the run, its report and its bundle."""

from __future__ import annotations

import numpy as np
import pytest
from asdkit_statistics.mahalanobis import Mahalanobis

from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from asdkit.context import Context
from asdkit.errors import PluginError
from asdkit.features import Features, cut_windows
from asdkit.report.cautions import cautions
from asdkit.report.run_data import read_run
from asdkit.run.fusion import with_weight
from asdkit.run.notes import no_weight_notes
from asdkit.scoring import why_no_weight
from tests.helpers.bundle_room import SPEC, finished_run

REASON = "it guesses"
LONE = '\n[systems.lone]\nmembers = ["I"]\n\n[systems.K-alone]\nmembers = ["K"]\nfuser = { use = "z-score" }\n'


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Return a run in which I, one detector an id, says that it guesses; its clips held out are noted."""
    heard = []

    def guess(self, features, windows, ids, ctx):
        heard.append((sorted(set(ids)), features.clips, len(windows)))
        return f"{REASON}\n"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mahalanobis, "why_no_weight", guess, raising=False)
        folder = finished_run(tmp_path_factory.mktemp("run"), SPEC + LONE, train=12, test=3)
    assert [(ids, clips) for ids, clips, _ in heard] == [(["00"], 6), (["02"], 6)]  # half of 12 are held out
    return folder


def test_the_system_has_the_scores_of_the_member_with_weight(run_folder):
    table = read_run(run_folder).tables["fan"]
    np.testing.assert_array_equal(table.columns["both"], table.columns["K-alone"])
    np.testing.assert_array_equal(table.columns["lone"], table.columns["I"])


def test_notes_and_cautions_say_which_member_and_why(run_folder):
    run = read_run(run_folder)
    note = (
        "I gets no weight on fan: it guesses; left out of both; used in lone all the same, because none of its members "
        "has weight"
    )
    assert run.notes.count(note) == 1
    assert [c.lines for c in cautions(run) if c.title == "Members without weight"] == [[note]]
    assert all(note not in c.lines for c in cautions(run) if c.title == "Notes of the run")


@pytest.mark.parametrize(("system", "members"), [("both", ["K"]), ("lone", ["I"])])
def test_a_bundle_scores_as_the_run(run_folder, tmp_path, system, members):
    path = tmp_path / "b.asdkit"
    path.write_bytes(export(Bundle.of_run(run_folder, system)))
    bundle = Bundle.load(path)
    assert [member.name for member in bundle.members] == members
    assert bundle.description.no_weight == {"I": REASON}
    table = read_run(run_folder).tables["fan"]
    wave = bundle.read(run_folder.parent / "room" / table.clips[-1])
    (verdict,) = bundle.score_waves([wave], [table.ids[-1]])
    assert verdict.score == table.columns[system][-1]


def test_only_members_that_all_know_nothing_are_used() -> None:
    reasons = {"A": "a", "B": "b"}
    assert with_weight(["A", "B", "C"], reasons) == ["C"]
    assert with_weight(["A", "B"], reasons) == ["A", "B"]
    assert no_weight_notes("fan", {"s": ["A", "B"]}, {"A": "a"}) == ["A gets no weight on fan: a; left out of s"]
    assert no_weight_notes("fan", {}, {"A": "a"}) == ["A gets no weight on fan: a"]


class Reasoner:
    def __init__(self, reason: object) -> None:
        self.reason = reason

    def why_no_weight(self, features, windows, ids, ctx):
        return self.reason


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [({"": "a\x1b"}, "a\\x1b"), ({"00": "a", "02": "b"}, "a; b"), ({"00": "a", "02": ""}, ""), ({}, "")],
    ids=["one", "per id", "one knows something", "none"],
)
def test_a_member_of_detectors_per_id_has_weight_if_any_of_them_has(reasons, expected) -> None:
    features = Features(np.zeros((8, 2), np.float32), np.array([0, 4, 8]))
    windows = cut_windows(features.offsets, 2, 1)
    detectors = {id_: Reasoner(reason) for id_, reason in reasons.items()}
    assert why_no_weight(detectors, features, windows, ["00", "02"], Context()) == expected


def test_a_reason_that_is_no_sentence_is_an_error_of_the_plugin() -> None:
    features = Features(np.zeros((4, 2), np.float32), np.array([0, 4]))
    with pytest.raises(PluginError, match="why_no_weight failed: TypeError: returned NoneType; expected str"):
        why_no_weight({"": Reasoner(None)}, features, cut_windows(features.offsets, 2, 1), ["00"], Context())
