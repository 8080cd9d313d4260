"""Clips held out: no detector is trained on them, all have the same ones, and fused scores stay exchangeable."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from asdkit.plugins import discover
from asdkit.run import make_plan
from asdkit.run.fusion import ENOUGH, fuse_members, fuser_clips
from asdkit.run.jobs import PlannedClip, hold_out
from asdkit.spec import PluginSettings, load_spec
from tests.helpers.bundle_room import SPEC, make_room


def plan_of(folder, text, registry):
    (folder / "spec.toml").write_text(text)
    return make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry)


def test_all_detectors_hold_out_the_same_clips(tmp_path, registry):
    make_room(tmp_path / "room", train=7, test=1)
    plan = plan_of(tmp_path, SPEC, registry)
    held = [[p.clip.name for p in job.held] for job in plan.jobs]
    assert held[0] == held[1]
    for id_ in ("00", "02"):
        assert sum(f"_id_{id_}_" in name for name in held[0]) == round(0.5 * 7)
    for job in plan.jobs:
        assert len(job.train) + len(job.held) == 14
        assert not {p.clip.name for p in job.train} & {p.clip.name for p in job.held}


def test_clips_held_out_depend_on_seed_not_names(tmp_path, registry):
    make_room(tmp_path / "room", train=10, test=1)
    plan = plan_of(tmp_path, SPEC, registry)
    again = plan_of(tmp_path, SPEC, registry)
    other = plan_of(tmp_path, SPEC.replace("seed = 1", "seed = 2"), registry)
    assert [j.held for j in plan.jobs] == [j.held for j in again.jobs]
    assert {p.clip.name for p in plan.jobs[0].held} != {p.clip.name for p in other.jobs[0].held}
    from dataclasses import replace

    clips = [*plan.jobs[0].train, *plan.jobs[0].held]
    clips.sort(key=lambda p: (p.clip.id, p.clip.name))
    renamed = [PlannedClip(replace(p.clip, name=f"x/{i:04}.wav"), p.size, p.mtime_ns) for i, p in enumerate(clips)]
    places = [clips.index(p) for p in hold_out(clips, 0.5, 1)]
    assert places == [renamed.index(p) for p in hold_out(renamed, 0.5, 1)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_id_keeps_a_training_clip(tmp_path, registry, count):
    make_room(tmp_path / "room", train=count, test=1)
    [job, _] = plan_of(tmp_path, SPEC.replace("held_out = 0.5", "held_out = 0.99"), registry).jobs
    assert [p.clip.id for p in job.train] == ["00", "02"]
    assert len(job.held) == 2 * (count - 1)


def test_job_key_changes_only_if_clips_are_held_out(tmp_path, registry):
    make_room(tmp_path / "room", train=4, test=1)
    keys = [
        [job.key for job in plan_of(tmp_path, SPEC.replace("held_out = 0.5", text), registry).jobs]
        for text in ("held_out = 0.5", "held_out = 0.0", "held_out = 0.01")  # 1 % of 4 clips is none
    ]
    assert keys[0] != keys[1] == keys[2]


def test_job_marks_and_scores_clips_held_out(run):
    for record in run.glob("jobs/fan/*/job.json"):
        clips = json.loads(record.read_text())["clips"]
        held = [c for c in clips if c["held_out"]]
        assert len(held) == 20
        assert {c["split"] for c in held} == {"train"}
        assert all(c["windows"] > 0 for c in held)
    with (run / "scores.csv").open() as file:
        assert sum(r["split"] == "train" and bool(r["both"]) for r in csv.DictReader(file)) == 40


def test_detector_state_does_not_depend_on_clips_held_out(tmp_path, registry):
    from asdkit.run import run_plan
    from tests.helpers.rooms import write_clip

    make_room(tmp_path / "room", train=6, test=1)
    plan = plan_of(tmp_path, SPEC, registry)
    run_plan(plan)
    before = {p: p.read_bytes() for p in (tmp_path / "run").glob("jobs/fan/*/state*")}
    for planned in plan.jobs[0].held:
        write_clip(planned.clip.path, 999, fault=True)
    run_plan(plan_of(tmp_path, SPEC, registry))
    states = [p.read_bytes() for p in (tmp_path / "run").glob("jobs/fan/*/state*")]
    assert len(before) > 0
    assert sorted(states) == sorted([*before.values(), *before.values()])  # all learnt again, to the same bytes


def test_fuser_is_fitted_on_clips_held_out_if_enough():
    ids = ["a"] * (ENOUGH + 3) + ["b"] * 5
    held = np.array([True] * ENOUGH + [False] * 3 + [True] * (ENOUGH - 1) + [False] * (6 - ENOUGH))
    train = ~held
    train[-1] = False  # a test clip
    learnt = fuser_clips(ids, train, held)
    assert learnt[: ENOUGH + 3].tolist() == [True] * ENOUGH + [False] * 3
    assert learnt[ENOUGH + 3 :].tolist() == [True, True, True, True, False]


def fuser(registry):
    return PluginSettings("z-score", registry.entry("fuser", "z-score").config())


def test_held_out_clip_is_fused_without_itself():
    registry = discover()
    rng = np.random.default_rng(0)
    members = rng.normal(size=(30, 2))
    ids = ["a"] * 30
    held = np.array([True] * 10 + [False] * 20)
    train = np.array([False] * 10 + [True] * 15 + [False] * 5)
    fused = fuse_members(fuser(registry), members, ids, train, held, registry)
    expected = []
    for left_out in range(10):
        rest = np.delete(members[:10], left_out, axis=0)
        expected.append(((members[left_out] - rest.mean(axis=0)) / rest.std(axis=0)).mean())
    np.testing.assert_allclose(fused.reference["a"], np.sort(expected), rtol=1e-12)
    np.testing.assert_allclose(fused.held, expected, rtol=1e-12)
    whole = (members - members[:10].mean(axis=0)) / members[:10].std(axis=0)
    np.testing.assert_allclose(fused.scores, whole.mean(axis=1), rtol=1e-12)


def test_two_clips_held_out_use_spread_of_other_ids():
    registry = discover()
    members = np.array([[1.0, 10], [3, 20], [5, 50], [9, 40], [-9, -9], [-9.5, -9.1], [-9, -9], [-9.2, -9.4]])
    ids = ["a", "a", "b", "b"] * 2
    held = np.array([True] * 4 + [False] * 4)
    fused = fuse_members(fuser(registry), members, ids, ~held, held, registry)
    # Without the first clip: the other one's mean, and two clips of b about theirs, one degree of freedom.
    expected = ((members[0] - members[1]) / np.sqrt(2 * ((members[3] - members[2]) / 2) ** 2)).mean()
    assert fused.reference["a"][0] == pytest.approx(expected)
    assert {id_: len(scores) for id_, scores in fused.reference.items()} == {"a": 2, "b": 2}
    alone = np.array([id_ == "a" for id_ in ids])
    lone = fuse_members(fuser(registry), members[alone], ["a"] * 4, ~held[alone], held[alone], registry)
    np.testing.assert_array_equal(lone.reference["a"], np.sort(lone.scores[:2]))


def test_forty_clips_held_out_make_twenty_folds(monkeypatch):
    registry = discover()
    entry = registry.entry("fuser", "z-score")
    fits = []
    fit = entry.load().fit
    monkeypatch.setattr(entry.load(), "fit", lambda self, s, i: (fits.append(len(s)), fit(self, s, i))[1])
    members = np.random.default_rng(0).normal(size=(41, 1))
    held = np.array([True] * 40 + [False])
    fuse_members(fuser(registry), members, ["a"] * 41, ~held, held, registry)
    assert fits == [40] + [38] * 20


def test_reference_of_one_member_is_its_scores():
    members = np.array([[3.0], [1.0], [2.0], [9.0]])
    held = np.array([True, True, False, False])
    fused = fuse_members(None, members, ["a", "a", "a", "b"], ~held, held, discover())
    assert fused.reference["a"].tolist() == [1.0, 3.0]
    assert "b" not in fused.reference
    assert fused.fuser is None
