"""Heat maps and nearest excerpts: against equations, against copies scored whole, and for every kind of detector."""

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

ROWS = 64
MEAN = partial(pool_scores, pool="mean")


def packed(clips, scale="db"):
    return Features(np.concatenate(clips).astype(np.float32), np.cumsum([0, *map(len, clips)]).astype(np.int64), scale)


def levels(features, windows):
    """Mean level of each window above -100: a detector that is an equation."""
    length = int(np.diff(features.offsets)[0]) if windows.frames == "clip" else windows.frames
    return np.array([features.frames[s : s + length].mean() + 100 for s in windows.starts], np.float32)


def noise(seed, *lengths, bands=BANDS):
    rng = np.random.default_rng(seed)
    return [rng.normal(-60, 3, (n, bands)).astype(np.float32) for n in lengths]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(3, 30), min_size=2, max_size=5), st.integers(1, 3))
def test_the_nearest_excerpt_is_the_one_that_trying_all_finds(seed, lengths, rows):
    clips = noise(seed, *lengths, bands=4)
    usual, (sought,) = NearestExcerpts(packed(clips)), noise(seed + 1000, rows, bands=4)
    every = np.concatenate(clips)
    deviation = every.std(axis=0, dtype=np.float64)
    found = {
        (clip, row): float(np.sqrt(np.mean(((frames[row : row + rows] - sought) / deviation) ** 2)))
        for clip, frames in enumerate(clips)
        for row in range(len(frames) - rows + 1)
    }
    excerpt = usual.nearest(sought)
    assert excerpt.distance == pytest.approx(min(found.values()), rel=1e-4)
    assert found[excerpt.clip, excerpt.row] == pytest.approx(min(found.values()), rel=1e-4)
    assert usual.frames_of(excerpt, rows).shape == (rows, 4)
    others = {place: distance for place, distance in found.items() if place[0] != excerpt.clip}
    assert usual.nearest(sought, exclude=excerpt.clip).distance == pytest.approx(min(others.values()), rel=1e-4)


def test_an_excerpt_that_was_in_training_is_found_where_it_was():
    clips = noise(0, 40, 50, 60)
    found = NearestExcerpts(packed(clips)).nearest(clips[1][7:19])
    assert (found.clip, found.row) == (1, 7)
    assert found.distance == pytest.approx(0, abs=1e-2)


def test_a_blockwise_search_finds_what_one_in_a_single_block_finds(monkeypatch):
    clips, (sought,) = noise(0, 20, 33, 27, 40), noise(1, 12)
    usual = NearestExcerpts(packed(clips))
    runs = [(0, 12), (3, 8)]
    whole = [usual.nearest_of_each(sought, runs, exclude=w) for w in (None, 0, 2)]
    monkeypatch.setattr("asdkit.explain.nearest._BLOCK_SIZE", 1)
    for without, expected in zip((None, 0, 2), whole, strict=True):
        found = usual.nearest_of_each(sought, runs, exclude=without)
        assert [(f.clip, f.row) for f in found] == [(f.clip, f.row) for f in expected]
        assert [f.distance for f in found] == pytest.approx([f.distance for f in expected])


def test_power_is_compared_in_decibels():
    clips, (sought,) = noise(0, 30, 40), noise(1, 5)
    power = NearestExcerpts(packed([10 ** (c / 10) for c in clips], "power")).nearest(10 ** (sought / 10))
    decibels = NearestExcerpts(packed(clips)).nearest(sought)
    assert (power.clip, power.row) == (decibels.clip, decibels.row)
    assert power.distance == pytest.approx(decibels.distance, rel=1e-3)


def test_a_run_longer_than_all_training_clips_has_no_nearest_excerpt():
    clips = noise(0, 5, 6)
    with pytest.raises(ValueError, match="as long"):
        NearestExcerpts(packed(clips)).nearest(noise(1, 7)[0])


def test_heat_is_how_far_the_score_falls():
    # training of -60 dB throughout, and one patch of 16 rows and 8 bands 20 dB above it: two by two cells of the grid
    usual = NearestExcerpts(packed([np.full((ROWS, BANDS), -60.0)] * 2))
    frames = np.full((ROWS, BANDS), -60, np.float32)
    frames[16:32, 8:16] += 20
    found = explain([MemberInput(frames, usual, Scorer(levels, MEAN, "clip"))], grid=Grid(8, 8))
    share = 20 / (ROWS * BANDS)
    assert found.score == pytest.approx(40 + 16 * 8 * share, rel=1e-5)
    # patches of one cell from the corner, of two beside it: 1, 2, 1 of them over each cell, by itself in either axis
    axis = np.array([0, 0.5, 1.5, 1.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(found.heat, np.outer(axis, axis) * 8 * 4 * share, atol=1e-4)
    assert found.hottest in {(2, 2), (2, 3), (3, 2), (3, 3)}


@pytest.mark.parametrize("frames", ["clip", 1, 5, 20])
@pytest.mark.parametrize("hop", [1, 3, 25])
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_scoring_again_what_a_patch_reaches_gives_what_scoring_whole_copies_gives(frames, hop, pool):
    usual = NearestExcerpts(packed(noise(0, 70, 90)))
    (clip,) = noise(1, 67)

    def loudest(features, windows):  # of the frames of a window, unlike a mean
        length = int(np.diff(features.offsets)[0]) if windows.frames == "clip" else windows.frames
        return np.array([features.frames[s : s + length].max(axis=0).sum() for s in windows.starts], np.float32)

    pooled = partial(pool_scores, pool=pool)

    def whole(features, windows):
        return pooled(loudest(features, windows), windows.offsets).astype(np.float32)

    def as_clip(features, _):
        return whole(features, cut_windows(features.offsets, frames, hop))

    parts = MemberInput(clip, usual, Scorer(loudest, pooled, frames, hop))
    naive = MemberInput(clip, usual, Scorer(as_clip, MEAN, "clip"))
    grid = Grid(6, 5)
    np.testing.assert_allclose(explain([parts], grid=grid).heat, explain([naive], grid=grid).heat, rtol=1e-4, atol=2e-4)


def test_a_training_clip_is_no_pattern_for_its_own_replacement():
    clips = noise(0, ROWS, ROWS, ROWS)
    part = MemberInput(clips[1], NearestExcerpts(packed(clips)), Scorer(levels, MEAN, 4))
    assert np.abs(explain([part]).heat).max() < 1e-6  # replaced by itself
    assert np.abs(explain([part], exclude=1).heat).max() > 1e-3


def test_training_clips_may_be_shorter_than_a_patch():
    usual = NearestExcerpts(packed(noise(0, 3, 5, 4)))
    (clip,) = noise(1, 100)
    assert explain([MemberInput(clip, usual, Scorer(levels, MEAN, 2))], grid=Grid(4, 4)).heat.shape == (4, 4)


def test_a_clip_of_few_frames_has_no_more_cells_than_frames():
    usual = NearestExcerpts(packed(noise(0, 9, 9)))
    (clip,) = noise(1, 3)
    assert explain([MemberInput(clip, usual, Scorer(levels, MEAN, 1))]).heat.shape == (3, 16)


def test_the_clip_and_its_training_clips_are_left_as_they_were():
    features, (clip,) = packed(noise(0, ROWS, ROWS)), noise(1, ROWS)
    before = features.frames.copy(), clip.copy()
    explain([MemberInput(clip, NearestExcerpts(features), Scorer(levels, MEAN, 4))])
    np.testing.assert_array_equal(features.frames, before[0])
    np.testing.assert_array_equal(clip, before[1])


BURST = slice(24, 32), slice(18, 22)  # rows, bands


def burst() -> np.ndarray:
    """A healthy clip of the first id with a tone burst in bands where that id has no tone of its own."""
    clip = training_clips(ROWS, each=8).of_id("00").frames[-1].copy()
    clip[BURST] += 30
    return clip


def heard(case: Case) -> MemberInput:
    """The planted clip as a fitted detector hears it."""
    clips = training_clips(ROWS)
    features = clips.features()
    detector = case.make()
    detector.fit(training(features, clips.ids, case.frames), Context(seed=0))

    def score(features, windows):
        return detector.score(features, windows, ["00"] * features.clips, Context())

    usual = NearestExcerpts(clips.of_id("00").features())
    return MemberInput(burst(), usual, Scorer(score, MEAN, case.frames))


NOTICING = [case for case in CASES if case.use != "id-classifier"]


@pytest.mark.parametrize("case", NOTICING, ids=str)
def test_a_planted_tone_burst_is_the_hottest_place_for_any_detector(case):
    part = heard(case)
    time, band = explain([part], grid=Grid(8, 8)).hottest
    assert (time, band) in {(3, 4), (3, 5)}


def test_a_planted_tone_burst_is_the_hottest_place_for_a_fused_system():
    by_name = {str(case): case for case in CASES}
    chosen = [by_name[name] for name in ("group-made", "mahalanobis", "knn-windows")]
    parts = [heard(case) for case in chosen]
    entry = discover().entry("fuser", "z-score")
    fuser = entry.load()(entry.config())
    clips = training_clips(ROWS).of_id("00").features()
    scores = []
    for part in parts:
        windows = cut_windows(clips.offsets, part.scorer.frames, part.scorer.hop)
        scores.append(MEAN(part.scorer.score(clips, windows), windows.offsets))
    fuser.fit(np.stack(scores, axis=1), ["00"] * clips.clips)
    found = explain(parts, lambda members: fuser.fuse(members, ["00"] * len(members)), Grid(8, 8))
    assert found.hottest in {(3, 4), (3, 5)}
    assert [len(w) for w in found.windows] == [ROWS - 4, 1, ROWS - 7]
