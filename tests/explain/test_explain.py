"""Heat maps and nearest excerpts: against equations, naive computations, and for each kind of detector."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.api import Context, Features, cut_windows
from asdkit.explain import Grid, MemberInput, NearestExcerpts, Scorer, explain
from asdkit.plugins import discover
from asdkit.scoring import pool_scores
from asdkit.testing.synthetic import BANDS, training_clips
from tests.helpers.detector_cases import CASES, Case
from tests.helpers.detector_rooms import training
from tests.helpers.properties import examples

ROWS = 64
MEAN = partial(pool_scores, pool="mean")


def packed(clips, scale="db"):
    return Features(np.concatenate(clips).astype(np.float32), np.cumsum([0, *map(len, clips)]).astype(np.int64), scale)


def levels(features, windows):
    """Mean level of each window above -100 dB, as scores."""
    length = int(np.diff(features.offsets)[0]) if windows.frames == "clip" else windows.frames
    return np.array([features.frames[s : s + length].mean() + 100 for s in windows.starts], np.float32)


def noise(seed, *lengths, bands=BANDS):
    rng = np.random.default_rng(seed)
    return [rng.normal(-60, 3, (n, bands)).astype(np.float32) for n in lengths]


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(3, 30), min_size=2, max_size=5), st.integers(1, 3))
def test_the_nearest_excerpt_equals_brute_force(seed, lengths, rows):
    clips = noise(seed, *lengths, bands=4)
    search, (query,) = NearestExcerpts(packed(clips)), noise(seed + 1000, rows, bands=4)
    deviation = np.concatenate(clips).std(axis=0, dtype=np.float64)
    distances = {
        (clip, row): float(np.sqrt(np.mean(((frames[row : row + rows] - query) / deviation) ** 2)))
        for clip, frames in enumerate(clips)
        for row in range(len(frames) - rows + 1)
    }
    excerpt = search.nearest(query)
    assert excerpt.distance == pytest.approx(min(distances.values()), rel=1e-4)
    assert distances[excerpt.clip, excerpt.row] == pytest.approx(min(distances.values()), rel=1e-4)
    assert search.frames_of(excerpt, rows).shape == (rows, 4)
    others = [distance for (clip, _), distance in distances.items() if clip != excerpt.clip]
    assert search.nearest(query, exclude=excerpt.clip).distance == pytest.approx(min(others), rel=1e-4)


def test_an_excerpt_of_a_training_clip_is_found():
    clips = noise(0, 40, 50, 60)
    excerpt = NearestExcerpts(packed(clips)).nearest(clips[1][7:19])
    assert (excerpt.clip, excerpt.row) == (1, 7)
    assert excerpt.distance == pytest.approx(0, abs=1e-2)


def test_search_in_blocks_equals_search_in_one_block(monkeypatch):
    clips, (query,) = noise(0, 20, 33, 27, 40), noise(1, 12)
    search = NearestExcerpts(packed(clips))
    runs = [(0, 12), (3, 8)]
    one_block = [search.nearest_of_each(query, runs, exclude=w) for w in (None, 0, 2)]
    monkeypatch.setattr("asdkit.explain.nearest._BLOCK_SIZE", 1)
    for excluded, expected in zip((None, 0, 2), one_block, strict=True):
        excerpts = search.nearest_of_each(query, runs, exclude=excluded)
        assert [(e.clip, e.row) for e in excerpts] == [(e.clip, e.row) for e in expected]
        assert [e.distance for e in excerpts] == pytest.approx([e.distance for e in expected])


def test_power_is_compared_in_decibels():
    clips, (query,) = noise(0, 30, 40), noise(1, 5)
    power = NearestExcerpts(packed([10 ** (c / 10) for c in clips], "power")).nearest(10 ** (query / 10))
    decibels = NearestExcerpts(packed(clips)).nearest(query)
    assert (power.clip, power.row) == (decibels.clip, decibels.row)
    assert power.distance == pytest.approx(decibels.distance, rel=1e-3)


def test_no_excerpt_is_longer_than_all_training_clips():
    clips = noise(0, 5, 6)
    with pytest.raises(ValueError, match="as long"):
        NearestExcerpts(packed(clips)).nearest(noise(1, 7)[0])


def test_heat_is_the_fall_of_the_score():
    # training of -60 dB throughout, and one patch of 16 rows and 8 bands 20 dB above it: two by two cells of the grid
    search = NearestExcerpts(packed([np.full((ROWS, BANDS), -60.0)] * 2))
    frames = np.full((ROWS, BANDS), -60, np.float32)
    frames[16:32, 8:16] += 20
    explanation = explain([MemberInput(frames, search, Scorer(levels, MEAN, "clip"))], grid=Grid(8, 8))
    share = 20 / (ROWS * BANDS)
    assert explanation.score == pytest.approx(40 + 16 * 8 * share, rel=1e-5)
    # patches of one cell from the corner, of two beside it: 1, 2, 1 of them over each cell, by itself in either axis
    axis = np.array([0, 0.5, 1.5, 1.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(explanation.heat, np.outer(axis, axis) * 8 * 4 * share, atol=1e-4)
    assert explanation.hottest in {(2, 2), (2, 3), (3, 2), (3, 3)}


@pytest.mark.parametrize("frames", ["clip", 1, 5, 20])
@pytest.mark.parametrize("hop", [1, 3, 25])
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_partial_scoring_equals_scoring_of_whole_copies(frames, hop, pool):
    search = NearestExcerpts(packed(noise(0, 70, 90)))
    (clip,) = noise(1, 67)

    def loudest(features, windows):  # of the frames of a window, unlike a mean
        length = int(np.diff(features.offsets)[0]) if windows.frames == "clip" else windows.frames
        return np.array([features.frames[s : s + length].max(axis=0).sum() for s in windows.starts], np.float32)

    pooled = partial(pool_scores, pool=pool)

    def whole(features, windows):
        return pooled(loudest(features, windows), windows.offsets).astype(np.float32)

    def as_clip(features, _):
        return whole(features, cut_windows(features.offsets, frames, hop))

    parts = MemberInput(clip, search, Scorer(loudest, pooled, frames, hop))
    naive = MemberInput(clip, search, Scorer(as_clip, MEAN, "clip"))
    grid = Grid(6, 5)
    np.testing.assert_allclose(explain([parts], grid=grid).heat, explain([naive], grid=grid).heat, rtol=1e-4, atol=2e-4)


def test_a_training_clip_can_be_excluded():
    clips = noise(0, ROWS, ROWS, ROWS)
    part = MemberInput(clips[1], NearestExcerpts(packed(clips)), Scorer(levels, MEAN, 4))
    assert np.abs(explain([part]).heat).max() < 1e-6  # replaced by itself
    assert np.abs(explain([part], exclude=1).heat).max() > 1e-3


def test_training_clips_may_be_shorter_than_a_patch():
    search = NearestExcerpts(packed(noise(0, 3, 5, 4)))
    (clip,) = noise(1, 100)
    assert explain([MemberInput(clip, search, Scorer(levels, MEAN, 2))], grid=Grid(4, 4)).heat.shape == (4, 4)


def test_a_clip_of_few_frames_has_no_more_cells_than_frames():
    search = NearestExcerpts(packed(noise(0, 9, 9)))
    (clip,) = noise(1, 3)
    assert explain([MemberInput(clip, search, Scorer(levels, MEAN, 1))]).heat.shape == (3, 16)


def test_explaining_changes_no_input():
    features, (clip,) = packed(noise(0, ROWS, ROWS)), noise(1, ROWS)
    before = features.frames.copy(), clip.copy()
    explain([MemberInput(clip, NearestExcerpts(features), Scorer(levels, MEAN, 4))])
    np.testing.assert_array_equal(features.frames, before[0])
    np.testing.assert_array_equal(clip, before[1])


BURST = slice(24, 32), slice(18, 22)  # rows, bands


def burst() -> np.ndarray:
    """A healthy clip of the first id with a tone burst in bands without a tone of that id."""
    clip = training_clips(ROWS, each=8).of_id("00").frames[-1].copy()
    clip[BURST] += 30
    return clip


def burst_input(case: Case) -> MemberInput:
    """The clip with the burst as input of a fitted detector."""
    clips = training_clips(ROWS)
    features = clips.features()
    detector = case.make()
    detector.fit(training(features, clips.ids, case.frames), Context(seed=0))

    def score(features, windows):
        return detector.score(features, windows, ["00"] * features.clips, Context())

    search = NearestExcerpts(clips.of_id("00").features())
    return MemberInput(burst(), search, Scorer(score, MEAN, case.frames))


SENSITIVE = [case for case in CASES if case.use != "id-classifier"]


@pytest.mark.parametrize("case", SENSITIVE, ids=str)
def test_a_tone_burst_is_hottest_for_each_detector(case):
    part = burst_input(case)
    time, band = explain([part], grid=Grid(8, 8)).hottest
    assert (time, band) in {(3, 4), (3, 5)}


def test_a_tone_burst_is_hottest_for_a_fused_system():
    by_name = {str(case): case for case in CASES}
    chosen = [by_name[name] for name in ("group-made", "mahalanobis", "knn-windows")]
    parts = [burst_input(case) for case in chosen]
    entry = discover().entry("fuser", "z-score")
    fuser = entry.load()(entry.config())
    clips = training_clips(ROWS).of_id("00").features()
    scores = []
    for part in parts:
        windows = cut_windows(clips.offsets, part.scorer.frames, part.scorer.hop)
        scores.append(MEAN(part.scorer.score(clips, windows), windows.offsets))
    fuser.fit(np.stack(scores, axis=1), ["00"] * clips.clips)
    explanation = explain(parts, lambda members: fuser.fuse(members, ["00"] * len(members)), Grid(8, 8))
    assert explanation.hottest in {(3, 4), (3, 5)}
    assert [len(w) for w in explanation.windows] == [ROWS - 4, 1, ROWS - 7]
