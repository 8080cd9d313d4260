"""The fusers ``z-score`` and ``mean``."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from asdkit_fusion.config import MeanConfig, ZScoreConfig
from asdkit_fusion.mean import Mean
from asdkit_fusion.z_score import ZScore, _lead
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asdkit.api import AsdkitWarning, NotFitted

IDS = ["id_00"] * 8 + ["id_02"] * 8
TRAIN = np.repeat([[1.0, 10], [3, 10], [1, 30], [3, 30], [100, -1], [104, -1], [100, -3], [104, -3]], 2, axis=0)


def fitted(combine: str) -> ZScore:
    fuser = ZScore(ZScoreConfig(combine=combine))
    fuser.fit(TRAIN, IDS)
    return fuser


def test_scores_are_standardised_per_id_and_combined() -> None:
    scores = np.array([[4.0, 20.0], [102.0, 0.0]])  # (2, 0) deviations from id_00's means; (0, 2) from id_02's
    np.testing.assert_allclose(fitted("mean").fuse(scores, ["id_00", "id_02"]), [1, 1])
    np.testing.assert_allclose(fitted("max").fuse(scores, ["id_00", "id_02"]), [2, 2])


@pytest.mark.parametrize(
    ("members", "expected"),
    [([3.0], 3.0), ([1.0, 3.0], 3.0), ([1.0, -1e9, 3.0], 2.0), ([1.0, 5.0, -1e9, 3.0], 4.0)],
)
def test_the_upper_half_of_the_members_decides(members, expected) -> None:
    fuser = ZScore(ZScoreConfig(combine="upper"))
    fuser.fit(TRAIN[:, :1].repeat(len(members), axis=1), IDS)  # id_00: mean 2, deviation 1
    assert fuser.fuse(2 + np.array([members]), ["id_00"]) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("lead", "others", "expected"),
    [
        (1.0, [-1e9, 1e9], 1.0),  # they disagree: the lead decides
        (1.0, [2.0, 1e9], 1.5),  # all above: half way to the nearest
        (1.0, [0.0, -1e9], 0.5),  # all below
        (1.0, [1.0, 5.0], 1.0),
        (1.0, [3.0], 2.0),  # the mean of two
        (1.0, [5.0, 4.0, 3.0], 2.0),
        (1.0, [], 1.0),
    ],
)
def test_agreeing_members_move_the_lead(lead, others, expected) -> None:
    members = 1 + len(others)
    fuser = ZScore(ZScoreConfig(combine="lead"))
    fuser.fit(TRAIN[:, :1].repeat(members, axis=1), IDS)  # id_00: mean 2, deviation 1
    scores = 2 + np.array([[lead, *others]])
    assert fuser.fuse(scores, ["id_00"]) == pytest.approx([expected])
    other = ZScore(ZScoreConfig(combine="lead"))
    other.load(fuser.state())
    np.testing.assert_array_equal(other.fuse(scores, ["id_00"]), fuser.fuse(scores, ["id_00"]))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=5))
def test_the_lead_moves_at_most_half_way(scores) -> None:
    fused = _lead(np.array([scores]), 1)[0]
    moved = abs(fused - scores[0])
    assert all(moved <= abs(other - scores[0]) / 2 + 1e-9 for other in scores[1:])


def test_fused_training_scores_are_standard_per_id() -> None:
    one = ZScore(ZScoreConfig())
    one.fit(TRAIN[:, :1], IDS)
    fused = one.fuse(TRAIN[:, :1], IDS)
    for part in (fused[:8], fused[8:]):
        assert part.mean() == pytest.approx(0, abs=1e-12)
        assert part.std() == pytest.approx(1)


def test_clips_are_fused_independently() -> None:
    fuser = fitted("mean")
    together = fuser.fuse(TRAIN, IDS)
    alone = [fuser.fuse(TRAIN[i : i + 1], IDS[i : i + 1])[0] for i in range(len(IDS))]
    np.testing.assert_array_equal(together, alone)


def test_an_unknown_id_uses_pooled_statistics_and_warns() -> None:
    fuser = fitted("mean")
    with pytest.warns(AsdkitWarning, match="no training clips of 'id_99'"):
        fused = fuser.fuse(np.array([[5.0, 6.0]]), ["id_99"])
    expected = ((np.array([5.0, 6.0]) - TRAIN.mean(0)) / TRAIN.std(0)).mean()
    assert fused == pytest.approx(expected)


def test_a_constant_member_uses_other_ids_spread_and_warns() -> None:
    train = TRAIN.copy()
    train[:8, 0] = 7
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning, match=r"id 'id_00' do not vary \(member 1\)"):
        fuser.fit(train, IDS)
    # Of 16 clips about two means, eight deviate by 2 and eight by 0.
    fused = fuser.fuse(np.array([[9.0, 20.0]]), ["id_00"])
    assert fused == pytest.approx((2 / np.sqrt(8 * 2**2 / (16 - 2)) + 0) / 2)


def test_constant_scores_do_not_divide_by_zero() -> None:
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning):
        fuser.fit(np.full((3, 2), -1.0), ["a", "a", "b"])
    assert fuser.fuse(np.array([[0.0, 1.0]]), ["a"]) == pytest.approx(1.5)


def test_few_clips_use_own_mean_and_pooled_deviation() -> None:
    few = np.array([[5.0, 7.0], [5.5, 7.5]])
    fuser = ZScore(ZScoreConfig(combine="max"))
    fuser.fit(np.vstack([TRAIN, few]), [*IDS, "few", "few"])
    about = np.vstack([TRAIN[:8] - TRAIN[:8].mean(0), TRAIN[8:] - TRAIN[8:].mean(0), few - few.mean(0)])
    deviation = np.sqrt((about**2).sum(0) / (18 - 3))
    fused = fuser.fuse(np.array([[6.25, 7.25]]), ["few"])
    assert fused == pytest.approx(1 / deviation[0])
    np.testing.assert_allclose(fuser.fuse(TRAIN, IDS), fitted("max").fuse(TRAIN, IDS))  # the others have enough


def test_little_variation_among_few_clips_has_no_weight() -> None:
    """Two clips of an id may score alike by chance; the other ids show how much a member's scores vary."""
    train = np.array([[0.0, 0], [1, 1], [10, 0], [10.001, 1]])
    fuser = ZScore(ZScoreConfig())
    fuser.fit(train, ["a", "a", "b", "b"])
    first, second = fuser.fuse(np.array([[11.0, 0.5], [10.0005, 1.5]]), ["b", "b"])
    assert first == pytest.approx(np.sqrt(2) * second, rel=0.01)


def test_members_count_alike_with_one_clip_per_id() -> None:
    fuser = ZScore(ZScoreConfig())
    fuser.fit(np.array([[100.0, 1], [300, 2], [500, 3]]), ["a", "b", "c"])
    first, second = fuser.fuse(np.array([[300.0, 1], [100, 2]]), ["a", "a"])
    assert first == pytest.approx(second)  # 200 of the one member is as far as 1 of the other


def test_rounding_is_not_a_spread() -> None:
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning, match="do not vary"):
        fuser.fit(np.full((3, 1), 0.1), ["a"] * 3)
    with pytest.warns(AsdkitWarning, match="no training clips"):
        assert fuser.fuse(np.array([[0.2]]), ["new"]) == pytest.approx(0.1)


def test_one_training_clip_per_id_is_enough() -> None:
    fuser = ZScore(ZScoreConfig())
    fuser.fit(np.vstack([TRAIN, [[5.0, 5.0]]]), [*IDS, "lone"])
    assert np.isfinite(fuser.fuse(np.array([[6.0, 6.0]]), ["lone"])).all()


def test_a_loaded_state_gives_the_same_scores() -> None:
    fuser, other = fitted("max"), ZScore(ZScoreConfig(combine="max"))
    other.load(fuser.state())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsdkitWarning)
        np.testing.assert_array_equal(other.fuse(TRAIN, [*IDS[:-1], "new"]), fuser.fuse(TRAIN, [*IDS[:-1], "new"]))


def test_an_unfitted_fuser_raises_not_fitted() -> None:
    with pytest.raises(NotFitted):
        ZScore(ZScoreConfig()).fuse(TRAIN, IDS)
    with pytest.raises(NotFitted):
        ZScore(ZScoreConfig()).state()
    with pytest.raises(ValueError, match="need training clips"):
        ZScore(ZScoreConfig()).fit(np.empty((0, 2)), [])


def test_the_least_deviation_is_added_in_quadrature_and_stored() -> None:
    fuser = ZScore(ZScoreConfig(least_deviation=3.0))
    fuser.fit(TRAIN[:, :1], IDS)  # id_00: mean 2, deviation 1; id_02: mean 102, deviation 2; all: their own
    with pytest.warns(AsdkitWarning, match="no training clips of 'new'"):
        fused = fuser.fuse(np.full((3, 1), 200.0), ["id_00", "id_02", "new"])
    everything = TRAIN[:, 0]
    expected = [198 / np.sqrt(1 + 9), 98 / np.sqrt(4 + 9), (200 - everything.mean()) / np.sqrt(everything.var() + 9)]
    np.testing.assert_allclose(fused, expected)
    other = ZScore(ZScoreConfig())  # what is stored counts
    other.load(fuser.state())
    np.testing.assert_array_equal(other.fuse(TRAIN[:, :1], IDS), fuser.fuse(TRAIN[:, :1], IDS))


def test_a_least_deviation_keeps_a_member_of_little_variation_from_outweighing_the_others() -> None:
    train = np.array([[0.0, 0.0], [1e-3, 1.0]] * 4)
    scores = np.array([[0.1, 0.5], [0.0005, 3.0]])  # the first member's 0.1 is 200 of its deviations
    ids = ["a"] * 8
    plain, floored = ZScore(ZScoreConfig()), ZScore(ZScoreConfig(least_deviation=0.5))
    plain.fit(train, ids)
    floored.fit(train, ids)
    assert plain.fuse(scores, ids[:2]).argmax() == 0
    assert floored.fuse(scores, ids[:2]).argmax() == 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=12, unique=True))
def test_without_a_least_deviation_the_deviation_is_the_scores_own_to_the_last_bit(scores) -> None:
    column = np.array(scores)[:, None]
    fuser = ZScore(ZScoreConfig())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsdkitWarning)
        fuser.fit(column, ["a"] * len(scores))
    own = column.std(axis=0)
    if own > 1e-9 * abs(column.mean()):  # else all the same, to rounding
        assert np.asarray(fuser.state()["deviation"])[0] == own


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_a_negative_or_infinite_least_deviation_is_refused(value) -> None:
    with pytest.raises(ValidationError, match="least_deviation"):
        ZScoreConfig(least_deviation=value)


@pytest.mark.parametrize("combine", ["mean", "max", "upper", "lead"])
def test_fuse_subset_equals_a_system_of_these_members(combine) -> None:
    members = np.column_stack([TRAIN, TRAIN[:, 0] ** 2])
    whole, alone = ZScore(ZScoreConfig(combine=combine)), ZScore(ZScoreConfig(combine=combine))
    whole.fit(members, IDS)
    alone.fit(members[:, [0, 2]], IDS)
    fused = whole.fuse_subset(members[:, [0, 2]], IDS, [0, 2])
    np.testing.assert_array_equal(fused, alone.fuse(members[:, [0, 2]], IDS))


def test_the_mean_takes_scores_as_they_are() -> None:
    fuser = Mean(MeanConfig())
    fuser.fit(TRAIN, IDS)
    scores = np.array([[1.0, 2.0, 6.0], [0.0, 3.0, 0.0]])
    np.testing.assert_array_equal(fuser.fuse(scores, ["id_00", "new"]), [3, 1])
    np.testing.assert_array_equal(fuser.fuse_subset(scores[:, :2], ["id_00", "new"], [0, 1]), [1.5, 1.5])
    other = Mean(MeanConfig())
    other.load(fuser.state())
    np.testing.assert_array_equal(other.fuse(scores, IDS[:2]), fuser.fuse(scores, IDS[:2]))
