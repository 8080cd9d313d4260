"""Window scores and clip scores: unknown ids, pooling, guards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit import scoring
from asdkit.context import Context
from asdkit.errors import PluginError
from asdkit.features import Features, cut_windows
from asdkit.scoring import fuse_scores, pool_scores, score_windows
from asdkit.spec.settings import Top

MEANS = {"a": 0.0, "b": 5.0}
OFFSETS = np.array([0, 4, 10, 15, 18])
FEATURES = Features(np.random.default_rng(0).normal(3, 2, (18, 2)).astype(np.float32), OFFSETS)
WINDOWS = cut_windows(OFFSETS, 3, 2)


class Distance:
    """Distance of a window's mean from its id's; knows the ids of `MEANS` alone."""

    def __init__(self, *ids: str) -> None:
        self.ids, self.calls = ids, []

    def score(self, features, windows, ids, ctx):
        assert features.clips == windows.clips == len(ids)
        assert set(ids) <= set(self.ids)
        self.calls.append(len(ids))
        means = np.array([features.frames[start : start + windows.frames].mean() for start in windows.starts])
        return np.abs(means - np.array([MEANS[ids[clip]] for clip in windows.clip_of()])).astype(np.float32)


def under(id_: str) -> np.ndarray:
    return Distance("a", "b").score(FEATURES, WINDOWS, [id_] * 4, Context())


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    frames=st.integers(1, 6),
    hop=st.integers(1, 7),
    count=st.sampled_from([1, 4, 16]),
)
def test_long_clips_in_parts_have_the_same_window_scores(lengths, frames, hop, count):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    features = Features(np.random.default_rng(0).normal(3, 2, (offsets[-1], 2)).astype(np.float32), offsets)
    windows = cut_windows(offsets, frames, hop)
    ids = [["a", "b", "new"][index % 3] for index in range(len(lengths))]

    def score():
        detectors = {"": Distance("a", "b")}
        return score_windows(detectors, "distance", features, windows, ids, ["a", "b"], Context())

    whole = score()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_PART_ROWS", 8)
        patch.setattr(scoring, "_PART_WINDOWS", count)
        np.testing.assert_array_equal(score(), whole)


@pytest.mark.parametrize("scope", ["machine", "id"])
def test_an_unknown_id_gets_the_lowest_score_over_the_known_ids(scope):
    detectors = {"": Distance("a", "b")} if scope == "machine" else {id_: Distance(id_) for id_ in "ab"}
    scores = score_windows(detectors, "d", FEATURES, WINDOWS, ["a", "?", "b", "!"], ["a", "b"], Context())
    expected = [under("a"), np.minimum(under("a"), under("b")), under("b"), np.minimum(under("a"), under("b"))]
    np.testing.assert_array_equal(scores, np.choose(WINDOWS.clip_of(), expected))


def test_clips_of_known_ids_are_scored_in_one_call():
    detector = Distance("a", "b")
    score_windows({"": detector}, "d", FEATURES, WINDOWS, list("abab"), ["a", "b"], Context())
    assert detector.calls == [4]
    score_windows({"": detector}, "d", FEATURES, WINDOWS, list("ab?a"), ["a", "b"], Context())
    assert detector.calls[1:] == [3, 1, 1]


def test_only_detectors_of_present_ids_are_asked():
    detectors = {id_: Distance(id_) for id_ in "ab"}
    score_windows(detectors, "d", FEATURES, WINDOWS, list("aaaa"), ["a", "b"], Context())
    assert (detectors["a"].calls, detectors["b"].calls) == ([4], [])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1.0], "scores of list"),
        (np.zeros(len(WINDOWS)), "scores of float64"),
        (np.zeros(3, np.float32), r"expected float32 \(6,\)"),
        (np.full(len(WINDOWS), np.nan, np.float32), "6 scores that are NaN or infinite"),
    ],
)
def test_wrong_window_scores_are_refused(values, why):
    detector = Distance("a")
    detector.score = lambda *_: values
    with pytest.raises(PluginError, match=f"detector 'd' returned .*{why}"):
        score_windows({"": detector}, "d", FEATURES, WINDOWS, ["a"] * 4, ["a"], Context())


@pytest.mark.parametrize(("pool", "expected"), [("mean", [2, 4]), ("max", [3, 4]), (Top(top=2), [2.5, 4])])
def test_window_scores_are_pooled_over_each_clip(pool, expected):
    np.testing.assert_array_equal(pool_scores(np.float32([1, 2, 3, 4]), np.array([0, 3, 4]), pool), expected)


@pytest.mark.parametrize("fused", [[1.0], [1.0, np.nan]])
def test_wrong_fused_scores_are_refused(fused):
    with pytest.raises(ValueError, match="'f' gave scores of a wrong shape"):
        fuse_scores(lambda *_: fused, "f", np.zeros((2, 1)), ["a", "a"])
