"""The contract of detectors, kept by every built-in one with several options.

Detectors that must find faults are fitted once for all tests (`fitted`); the other tests fit for a few steps.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asdkit.api import AsdkitError, Context, Features, NotFitted, State, Stopped, cut_windows
from asdkit.scoring import score_windows
from tests.helpers.detector_cases import CASES, Case, every_detector, every_network
from tests.helpers.detector_rooms import Keeper, clips, training

IDS = ["id_00", "id_01"] * 8
TEST_IDS = ["id_00", "id_01"] * 4


@lru_cache
def fitted(case: Case) -> Any:
    """A detector that finds faults."""
    return fit(case.make(), case)


@lru_cache
def quick(case: Case) -> Any:
    """A detector after a few steps."""
    return fit(case.make_quick(), case)


def fit(detector: Any, case: Case, *, features: Features | None = None, seed: int = 1) -> Any:
    detector.fit(training(features or clips(IDS), IDS, case.frames), Context(seed=seed))
    return detector


def scores(detector: Any, case: Case, features: Features, ids=TEST_IDS, ctx: Context | None = None) -> np.ndarray:
    windows = cut_windows(features.offsets, case.frames)
    return detector.score(features, windows, ids, ctx or Context())


@every_detector
def test_scores_are_finite_float32_and_different(case: Case) -> None:
    window_scores = scores(fitted(case), case, clips(TEST_IDS, seed=5))
    assert window_scores.dtype == np.float32
    assert window_scores.shape == (len(cut_windows(clips(TEST_IDS).offsets, case.frames)),)
    assert np.isfinite(window_scores).all()
    assert len(np.unique(window_scores)) > len(window_scores) // 2


@every_detector
def test_training_helps_to_find_a_planted_fault(case: Case) -> None:
    after = _auc(fitted(case), case)
    if case.network:
        untrained = case.make(epochs=1, least_batches=1, windows_per_clip=1, batch_size=16, learning_rate=1e-9)
        before = _auc(fit(untrained, case), case)
        assert after > before or after == before == 1
    assert after >= 0.75


def _auc(detector: Any, case: Case) -> float:
    normal, faulty = (
        scores(detector, case, clips(TEST_IDS, seed=seed, fault=fault)).reshape(len(TEST_IDS), -1).mean(axis=1)
        for seed, fault in ((5, False), (6, True))
    )
    return float((faulty[:, None] > normal).mean() + 0.5 * (faulty[:, None] == normal).mean())


@every_detector
def test_a_score_does_not_depend_on_other_clips(case: Case) -> None:
    features = clips(TEST_IDS, seed=7)
    together = scores(fitted(case), case, features).reshape(len(TEST_IDS), -1)
    alone = np.array([scores(fitted(case), case, features.select(i, i + 1), TEST_IDS[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5 * np.abs(together).max())
    order = np.random.default_rng(0).permutation(8)
    shuffled = Features(np.concatenate([features.clip(i) for i in order]), features.offsets)
    moved = scores(fitted(case), case, shuffled, [TEST_IDS[i] for i in order]).reshape(8, -1)
    np.testing.assert_allclose(moved, together[order], rtol=1e-5, atol=1e-5 * np.abs(together).max())


@every_detector
def test_a_refit_forgets_and_repeats_scores_bit_for_bit(case: Case) -> None:
    refitted = fit(case.make_quick(), case, features=clips(IDS, seed=99, fault=True), seed=2)
    fit(refitted, case)
    features = clips(TEST_IDS, seed=5)
    np.testing.assert_array_equal(scores(refitted, case, features), scores(quick(case), case, features))


@every_network
def test_another_seed_gives_other_scores(case: Case) -> None:
    other = fit(case.make_quick(), case, seed=3)
    features = clips(TEST_IDS, seed=5)
    assert (scores(other, case, features) != scores(quick(case), case, features)).any()


_IN_A_NEW_PROCESS = """
import sys
import numpy as np
from asdkit.api import Context, cut_windows
from tests.helpers.detector_cases import CASES
from tests.helpers.detector_rooms import clips
folder = sys.argv[1]
ids = ["id_00", "id_01"] * 4
for case in CASES:
    arrays = dict(np.load(f"{folder}/{case}.npz"))
    state = {n: v if v.dtype.kind != "U" else v.tolist() for n, v in arrays.items()}
    state = {n: v.item() if getattr(v, "shape", None) == () else v for n, v in state.items()}
    detector = case.make()
    detector.load(state)
    features = clips(ids, seed=5)
    scores = detector.score(features, cut_windows(features.offsets, case.frames), ids, Context())
    np.save(f"{folder}/{case}.npy", scores)
"""


def test_scores_are_bit_identical_in_a_new_process(tmp_path: Path) -> None:
    for case in CASES:
        state: State = fitted(case).state()
        assert all(
            value is None or isinstance(value, np.ndarray | bool | int | float | str | list) for value in state.values()
        )
        np.savez(tmp_path / f"{case}.npz", **{n: v for n, v in state.items() if v is not None})
    command = [sys.executable, "-c", _IN_A_NEW_PROCESS, str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=300)
    for case in CASES:
        before = scores(fitted(case), case, clips(TEST_IDS, seed=5))
        np.testing.assert_array_equal(np.load(tmp_path / f"{case}.npy"), before, err_msg=str(case))


@every_detector
def test_an_unfitted_detector_raises_not_fitted(case: Case) -> None:
    detector = case.make()
    with pytest.raises(NotFitted):
        scores(detector, case, clips(TEST_IDS))
    with pytest.raises(NotFitted):
        detector.state()


@every_detector
def test_fitting_and_scoring_stop_on_request(case: Case) -> None:
    with pytest.raises(Stopped):
        case.make().fit(training(clips(IDS), IDS, case.frames), Keeper(stop_after=0))
    with pytest.raises(Stopped):
        scores(quick(case), case, clips(TEST_IDS), ctx=Keeper(stop_after=0))


@every_detector
def test_unknown_ids_get_the_lowest_known_score(case: Case) -> None:
    features = clips(TEST_IDS, seed=5)
    windows = cut_windows(features.offsets, case.frames)
    known = [scores(quick(case), case, features, [name] * 8) for name in ("id_00", "id_01")]
    unknown = score_windows({"": quick(case)}, "", features, windows, ["id_99"] * 8, ["id_00", "id_01"], Context())
    np.testing.assert_array_equal(unknown, np.minimum(*known))


@every_detector
def test_silence_and_outliers_have_finite_scores(case: Case) -> None:
    features = clips(TEST_IDS, seed=5)
    features.frames[:24] = -100
    features.frames[24:48] += 1000
    assert np.isfinite(scores(fitted(case), case, features)).all()


@every_detector
def test_training_on_silence_and_outliers_works(case: Case) -> None:
    features = clips(IDS)
    features.frames[:24] = -100
    features.frames[:, 3] = -70
    features.frames[100] += 100 * features.frames.std()
    detector = fit(case.make_quick(), case, features=features)
    assert np.isfinite(scores(detector, case, clips(TEST_IDS, seed=5))).all()


@every_detector
def test_one_clip_is_enough_to_fit(case: Case) -> None:
    if case.use == "id-classifier":
        pytest.skip("needs two ids")
    detector = case.make_quick()
    detector.fit(training(clips(["id_00"]), ["id_00"], case.frames), Context(seed=1))
    assert np.isfinite(scores(detector, case, clips(TEST_IDS), ["id_00"] * 8)).all()


@pytest.mark.parametrize("case", [case for case in CASES if case.frames != "clip"], ids=str)
def test_clips_shorter_than_a_window_are_not_used(case: Case) -> None:
    short = clips(["id_00"] * 3, frames=case.frames - 1)
    with pytest.raises(AsdkitError, match="no training clip is as long as a window"):
        case.make().fit(training(short, ["id_00"] * 3, case.frames), Context())
    long = clips(IDS)
    mixed = Features(
        np.concatenate([long.frames, short.frames]),
        np.concatenate([long.offsets, long.offsets[-1] + short.offsets[1:]]),
    )
    detector = case.make_quick()
    detector.fit(training(mixed, [*IDS, "id_00", "id_00", "id_00"], case.frames), Context(seed=1))
    assert np.isfinite(scores(detector, case, clips(TEST_IDS, seed=5))).all()


@every_detector
def test_global_generators_and_threads_are_restored(case: Case) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002 (the global generator is tested)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one_step = {"epochs": 1, "windows_per_clip": 1, "least_batches": 1, "batch_size": 16} if case.network else {}
    detector = case.make(**one_step)
    detector.fit(training(clips(IDS), IDS, case.frames), Context(seed=1, threads=1 if threads > 1 else 2))
    scores(detector, case, clips(TEST_IDS))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


@every_detector
def test_read_only_features_are_accepted_and_unchanged(case: Case) -> None:
    features = clips(IDS)
    before = features.frames.copy()
    features.frames.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = fit(case.make_quick(), case, features=features)
        scores(detector, case, features, IDS)
    np.testing.assert_array_equal(features.frames, before)
