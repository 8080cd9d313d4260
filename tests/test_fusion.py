"""The fuser z-score."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from asdkit_fusion.config import ZScoreConfig
from asdkit_fusion.z_score import ZScore

from asdkit.api import AsdkitWarning, NotFitted

IDS = ["id_00"] * 4 + ["id_02"] * 4
TRAIN = np.array([[1, 10], [3, 10], [1, 30], [3, 30], [100, -1], [104, -1], [100, -3], [104, -3]], float)


def fitted(combine: str) -> ZScore:
    fuser = ZScore(ZScoreConfig(combine=combine))
    fuser.fit(TRAIN, IDS)
    return fuser


def test_scores_are_standardised_by_their_ids_training_scores_and_combined() -> None:
    scores = np.array([[4.0, 20.0], [102.0, 0.0]])  # (2, 0) deviations from id_00's means; (0, 2) from id_02's
    np.testing.assert_allclose(fitted("mean").fuse(scores, ["id_00", "id_02"]), [1, 1])
    np.testing.assert_allclose(fitted("max").fuse(scores, ["id_00", "id_02"]), [2, 2])


def test_training_scores_become_standard_for_each_id() -> None:
    one = ZScore(ZScoreConfig())
    one.fit(TRAIN[:, :1], IDS)
    fused = one.fuse(TRAIN[:, :1], IDS)
    for part in (fused[:4], fused[4:]):
        assert part.mean() == pytest.approx(0, abs=1e-12)
        assert part.std() == pytest.approx(1)


def test_a_clips_fused_score_does_not_depend_on_others() -> None:
    fuser = fitted("mean")
    together = fuser.fuse(TRAIN, IDS)
    alone = [fuser.fuse(TRAIN[i : i + 1], IDS[i : i + 1])[0] for i in range(len(IDS))]
    np.testing.assert_array_equal(together, alone)


def test_an_id_without_training_clips_gets_the_statistics_of_all_and_that_is_said() -> None:
    fuser = fitted("mean")
    with pytest.warns(AsdkitWarning, match="no training clips of 'id_99'"):
        fused = fuser.fuse(np.array([[5.0, 6.0]]), ["id_99"])
    expected = ((np.array([5.0, 6.0]) - TRAIN.mean(0)) / TRAIN.std(0)).mean()
    assert fused == pytest.approx(expected)


def test_a_member_whose_scores_do_not_vary_gets_the_spread_of_the_other_ids_and_that_is_said() -> None:
    train = TRAIN.copy()
    train[:4, 0] = 7
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning, match=r"id 'id_00' do not vary \(member 1\)"):
        fuser.fit(train, IDS)
    # id_02's scores deviate by 2, id_00's by 0: over all clips, each about its own mean, sqrt(2).
    fused = fuser.fuse(np.array([[9.0, 20.0]]), ["id_00"])
    assert fused == pytest.approx((2 / np.sqrt(2) + 0) / 2)


def test_scores_that_never_vary_do_not_divide_by_zero() -> None:
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning):
        fuser.fit(np.full((3, 2), -1.0), ["a", "a", "b"])
    assert fuser.fuse(np.array([[0.0, 1.0]]), ["a"]) == pytest.approx(1.5)


def test_one_training_clip_of_an_id_is_enough() -> None:
    fuser = ZScore(ZScoreConfig())
    with pytest.warns(AsdkitWarning, match="'lone'"):
        fuser.fit(np.vstack([TRAIN, [[5.0, 5.0]]]), [*IDS, "lone"])
    assert np.isfinite(fuser.fuse(np.array([[6.0, 6.0]]), ["lone"])).all()


def test_state_brings_the_same_scores_back() -> None:
    fuser, other = fitted("max"), ZScore(ZScoreConfig(combine="max"))
    other.load(fuser.state())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsdkitWarning)
        np.testing.assert_array_equal(other.fuse(TRAIN, [*IDS[:-1], "new"]), fuser.fuse(TRAIN, [*IDS[:-1], "new"]))


def test_before_fit_it_says_that_it_is_not_fitted() -> None:
    with pytest.raises(NotFitted):
        ZScore(ZScoreConfig()).fuse(TRAIN, IDS)
    with pytest.raises(NotFitted):
        ZScore(ZScoreConfig()).state()
    with pytest.raises(ValueError, match="need training clips"):
        ZScore(ZScoreConfig()).fit(np.empty((0, 2)), [])
