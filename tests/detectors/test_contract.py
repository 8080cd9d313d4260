"""What every detector promises, whichever it is."""

from __future__ import annotations

import subprocess
import sys
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from asdkit.api import AsdkitError, Context, Features, NotFitted, State, Stopped, cut_windows
from asdkit.scoring import score_windows
from tests.helpers.detector_cases import CASES, NETWORKS, Case
from tests.helpers.detector_rooms import Keeper, clips, training

IDS = ["id_00", "id_01"] * 8
TEST_IDS = ["id_00", "id_01"] * 4

every = pytest.mark.parametrize("case", CASES, ids=str)
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)


@lru_cache
def fitted(case: Case) -> object:
    detector = case.make()
    detector.fit(training(clips(IDS), IDS, case.frames), Context(seed=1))
    return detector


def scores(detector, case: Case, features: Features, ids, ctx: Context | None = None) -> np.ndarray:
    windows = cut_windows(features.offsets, case.frames)
    return detector.score(features, windows, ids, ctx or Context())


@every
def test_scores_are_finite_float32_and_not_all_the_same(case: Case) -> None:
    made = scores(fitted(case), case, clips(TEST_IDS, seed=5), TEST_IDS)
    assert made.dtype == np.float32
    assert made.shape == (len(cut_windows(clips(TEST_IDS).offsets, case.frames)),)
    assert np.isfinite(made).all()
    assert len(np.unique(made)) > len(made) // 2


@every
def test_a_fitted_detector_finds_a_planted_fault_better_than_its_untrained_self(case: Case) -> None:
    normal = scores(fitted(case), case, clips(TEST_IDS, seed=5), TEST_IDS)
    faulty = scores(fitted(case), case, clips(TEST_IDS, seed=6, fault=True), TEST_IDS)
    after = _auc(_pool(normal), _pool(faulty))
    if case.network:
        untrained = case.make(epochs=1, least_batches=1, windows_per_clip=1, batch_size=16, learning_rate=1e-9)
        untrained.fit(training(clips(IDS), IDS, case.frames), Context(seed=1))
        before = _auc(
            _pool(scores(untrained, case, clips(TEST_IDS, seed=5), TEST_IDS)),
            _pool(scores(untrained, case, clips(TEST_IDS, seed=6, fault=True), TEST_IDS)),
        )
        assert after > before or after == before == 1
    assert after >= 0.75


def _pool(window_scores: np.ndarray) -> np.ndarray:
    return window_scores.reshape(len(TEST_IDS), -1).astype(float).mean(axis=1)


def _auc(normal: np.ndarray, faulty: np.ndarray) -> float:
    return float((faulty[:, None] > normal).mean() + 0.5 * (faulty[:, None] == normal).mean())


@every
def test_a_score_does_not_depend_on_the_other_clips_or_their_order(case: Case) -> None:
    features = clips(TEST_IDS, seed=7)
    together = scores(fitted(case), case, features, TEST_IDS).reshape(len(TEST_IDS), -1)
    alone = np.array([scores(fitted(case), case, features.select(i, i + 1), TEST_IDS[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5 * np.abs(together).max())
    order = np.random.default_rng(0).permutation(8)
    shuffled = Features(np.concatenate([features.clip(i) for i in order]), features.offsets)
    moved = scores(fitted(case), case, shuffled, [TEST_IDS[i] for i in order]).reshape(8, -1)
    np.testing.assert_allclose(moved, together[order], rtol=1e-5, atol=1e-5 * np.abs(together).max())


@every
def test_the_same_seed_gives_the_same_scores_bit_for_bit_and_a_refit_forgets(case: Case) -> None:
    features = clips(TEST_IDS, seed=5)
    again = case.make()
    other = clips(IDS, seed=99, fault=True)
    again.fit(training(other, IDS, case.frames), Context(seed=2))
    again.fit(training(clips(IDS), IDS, case.frames), Context(seed=1))
    first = scores(fitted(case), case, features, TEST_IDS)
    np.testing.assert_array_equal(scores(again, case, features, TEST_IDS), first)


@every_network
def test_another_seed_gives_other_scores(case: Case) -> None:
    other = case.make()
    other.fit(training(clips(IDS), IDS, case.frames), Context(seed=3))
    features = clips(TEST_IDS, seed=5)
    assert (scores(other, case, features, TEST_IDS) != scores(fitted(case), case, features, TEST_IDS)).any()


_IN_A_NEW_PROCESS = """
import sys
import numpy as np
from asdkit.api import Context, cut_windows
from asdkit.scoring import score_windows
from tests.helpers.detector_cases import CASES
from tests.helpers.detector_rooms import clips
folder = sys.argv[1]
ids = ["id_00", "id_01"] * 4
for case in CASES:
    kept = dict(np.load(f"{folder}/{case}.npz"))
    state = {n: v if v.dtype.kind != "U" else v.tolist() for n, v in kept.items()}
    state = {n: v.item() if getattr(v, "shape", None) == () else v for n, v in state.items()}
    detector = case.make()
    detector.load(state)
    features = clips(ids, seed=5)
    scores = detector.score(features, cut_windows(features.offsets, case.frames), ids, Context())
    np.save(f"{folder}/{case}.npy", scores)
"""


def test_scores_are_the_same_bit_for_bit_after_save_and_load_in_a_new_process(tmp_path: Path) -> None:
    for case in CASES:
        state: State = fitted(case).state()
        assert all(
            value is None or isinstance(value, np.ndarray | bool | int | float | str | list) for value in state.values()
        )
        np.savez(tmp_path / f"{case}.npz", **{n: v for n, v in state.items() if v is not None})
    command = [sys.executable, "-c", _IN_A_NEW_PROCESS, str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=300)
    for case in CASES:
        before = scores(fitted(case), case, clips(TEST_IDS, seed=5), TEST_IDS)
        np.testing.assert_array_equal(np.load(tmp_path / f"{case}.npy"), before, err_msg=str(case))


@every
def test_before_fit_a_detector_says_that_it_is_not_fitted(case: Case) -> None:
    detector = case.make()
    with pytest.raises(NotFitted):
        scores(detector, case, clips(TEST_IDS), TEST_IDS)
    with pytest.raises(NotFitted):
        detector.state()


@every
def test_fitting_and_scoring_stop_when_asked(case: Case) -> None:
    detector = case.make()
    with pytest.raises(Stopped):
        detector.fit(training(clips(IDS), IDS, case.frames), Keeper(stop_after=0))
    with pytest.raises(Stopped):
        scores(fitted(case), case, clips(TEST_IDS), TEST_IDS, Keeper(stop_after=0))


@every
def test_an_id_not_seen_in_training_gets_the_best_score_over_the_known_ids(case: Case) -> None:
    features = clips(TEST_IDS, seed=5)
    windows = cut_windows(features.offsets, case.frames)
    known = [scores(fitted(case), case, features, [name] * 8) for name in ("id_00", "id_01")]
    unseen = score_windows({"": fitted(case)}, "", features, windows, ["id_99"] * 8, ["id_00", "id_01"], Context())
    np.testing.assert_array_equal(unseen, np.minimum(*known))


@every
def test_silent_clips_and_far_outliers_have_finite_scores(case: Case) -> None:
    features = clips(TEST_IDS, seed=5)
    features.frames[:24] = -100
    features.frames[24:48] += 1000
    assert np.isfinite(scores(fitted(case), case, features, TEST_IDS)).all()


@every
def test_training_on_silent_clips_constant_bands_and_outliers_gives_finite_scores(case: Case) -> None:
    features = clips(IDS)
    features.frames[:24] = -100
    features.frames[:, 3] = -70
    features.frames[100] += 100 * features.frames.std()
    detector = case.make()
    detector.fit(training(features, IDS, case.frames), Context(seed=1))
    assert np.isfinite(scores(detector, case, clips(TEST_IDS, seed=5), TEST_IDS)).all()


@every
def test_one_clip_is_enough_to_fit(case: Case) -> None:
    if case.use == "id-classifier":
        pytest.skip("needs two ids")
    detector = case.make()
    detector.fit(training(clips(["id_00"]), ["id_00"], case.frames), Context(seed=1))
    assert np.isfinite(scores(detector, case, clips(TEST_IDS), ["id_00"] * 8)).all()


@every
def test_clips_without_a_window_are_not_learnt_from_and_none_with_one_is_an_error(case: Case) -> None:
    if case.frames == "clip":
        pytest.skip("a whole clip is always a window")
    short = clips(["id_00"] * 3, frames=case.frames - 1)
    with pytest.raises(AsdkitError, match="no training clip is as long as a window"):
        case.make().fit(training(short, ["id_00"] * 3, case.frames), Context())
    long = clips(IDS)
    mixed = Features(
        np.concatenate([long.frames, short.frames]),
        np.concatenate([long.offsets, long.offsets[-1] + short.offsets[1:]]),
    )
    detector = case.make()
    detector.fit(training(mixed, [*IDS, "id_00", "id_00", "id_00"], case.frames), Context(seed=1))
    assert np.isfinite(scores(detector, case, clips(TEST_IDS, seed=5), TEST_IDS)).all()


@every
def test_global_generators_and_threads_are_as_before(case: Case) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002 - the global generator is what is looked at
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    detector = case.make()
    detector.fit(training(clips(IDS), IDS, case.frames), Context(seed=1, threads=1 if threads > 1 else 2))
    scores(detector, case, clips(TEST_IDS), TEST_IDS)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


@every
def test_fitting_leaves_the_features_as_they_are_even_if_they_cannot_be_written(case: Case) -> None:
    features = clips(IDS)
    before = features.frames.copy()
    features.frames.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = case.make()
        detector.fit(training(features, IDS, case.frames), Context(seed=1))
        scores(detector, case, features, IDS)
    np.testing.assert_array_equal(features.frames, before)
