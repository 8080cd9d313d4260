"""Adapt a bundle to new healthy recordings: their scores set thresholds and z-scores; means may move to theirs.

Nothing is trained: detectors keep what they learned, such as covariances. Labels are never read: every clip is healthy
by the caller's word.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from asdkit.audio import Wave
from asdkit.audio.level import measure_level
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.description import (
    FORMAT,
    AdaptedPart,
    Description,
    HealthyPart,
    MemberPart,
    RecordedPart,
    RulePart,
    referenced_files,
)
from asdkit.bundle.healthy import MAX_SECONDS, HealthyClip, choose_evenly, encode_clips
from asdkit.bundle.members import Member, find_plugin, plugin_config
from asdkit.bundle.named_files import files_of_options
from asdkit.errors import DataError
from asdkit.features import Features
from asdkit.interfaces import Detector
from asdkit.plugin_calls import plugin_call
from asdkit.plugins import Registry, discover
from asdkit.run.fusion import fuse_members
from asdkit.run.state_codec import encode_state, finite_state
from asdkit.scoring import DoubleArray, pool_scores
from asdkit.spec.settings import PluginSettings
from asdkit.text import printable

_FOLDS = 5  # each is scored about means of the clips of the others
_LEAST_TO_CENTRE = 2 * _FOLDS
_ODD = 6.0  # deviations above the median


@dataclass(frozen=True)
class NewClip:
    """A new healthy clip, at the bundle's rate, of one of its ids."""

    name: str
    wave: Wave
    id: str


@dataclass(frozen=True)
class Adapted:
    """An adapted bundle.

    Attributes
    ----------
    bundle
        The bundle.
    centred
        Names of the members whose means moved.
    odd
        Names of new clips that score far above the others of their id. They are kept: listen to them.
    """

    bundle: Bundle
    centred: list[str]
    odd: list[str]


def adapt(
    bundle: Bundle, clips: Sequence[NewClip], source: str, *, recentre: bool = False, registry: Registry | None = None
) -> Adapted:
    """Adapt a bundle to new healthy clips.

    Parameters
    ----------
    bundle
        The bundle.
    clips
        Of some or all of its ids. Ids without new clips keep the clips that their thresholds follow from.
    source
        SHA-256 of the bundle, which the new one records.
    recentre
        Also move the means of detectors that can (``recentred_state``) to those of the new clips. Each clip is then
        scored about means without it and the fifth of the clips that it is in.
    registry
        The plugins; default: the installed ones.

    Raises
    ------
    DataError
        If there are no clips, too few to recentre, or a bundle of an early version has ids without new clips.
    """
    registry = registry or discover()
    ids = [clip.id for clip in clips]
    counts = {id_: ids.count(id_) for id_ in bundle.ids if id_ in ids}
    if not clips:
        raise DataError("no healthy recording to adapt to")
    if recentre and min(counts.values()) < _LEAST_TO_CENTRE:
        few = min(counts, key=counts.__getitem__)
        raise DataError(
            f"{counts[few]} clips of id {printable(few)}; to recentre, expected at least {_LEAST_TO_CENTRE} an id"
        )
    features = bundle.featurise([clip.wave for clip in clips])
    scores, states = _score(bundle, features, ids, recentre)
    centred = list(states)
    files = dict(bundle.files)
    for part in bundle.description.members:
        files |= {part.states[id_]: data for id_, data in states.get(part.name, {}).items()}
    odd = _odd(clips, _calibrate(bundle, files, scores, ids, registry))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = AdaptedPart(source=source, at=now, clips=counts, recentred=tuple(centred))
    description = _described(bundle, files, clips, record)
    used = {name: files[name] for name in sorted(referenced_files(description))}
    return Adapted(Bundle(bundle.where, description, used, registry, bundle.ctx), centred, odd)


def _score(
    bundle: Bundle, features: Sequence[Features], ids: Sequence[str], recentre: bool
) -> tuple[DoubleArray, dict[str, dict[str, bytes]]]:
    """Return the members' scores [float64, ``[clips, members]``], and the states by id of each recentred member."""
    scores = np.empty((len(ids), len(bundle.members)))
    states = {}
    for index, member in enumerate(bundle.members):
        own = features[member.featurizer]
        moved = _recentred(bundle, member, own, ids) if recentre else None
        if moved is None:
            scores[:, index] = _clip_scores(bundle, member, own, ids)
            continue
        scores[:, index] = _cross_scores(bundle, member, own, ids)
        states[member.name] = {id_: encode_state(finite_state(d)) for id_, d in moved.detectors.items()}
    return scores, states


def _described(bundle: Bundle, files: dict[str, bytes], clips: Sequence[NewClip], record: AdaptedPart) -> Description:
    """Return the description of the adapted bundle; add healthy clips to `files`."""
    ids = []
    for number, part in enumerate(bundle.description.ids):
        if part.name in record.clips:
            update: dict[str, Any] = {
                "held_out": record.clips[part.name],
                "reference": part.reference or f"references/{number}.safetensors",
                "healthy": _keep_clips(bundle, files, clips, number, part.name),
            }
            part = part.model_copy(update=update)
        ids.append(part)
    rule = bundle.calibrator.rule
    update = {
        "format": FORMAT,
        "recorded": _recorded(bundle, clips),
        "ids": tuple(ids),
        "members": tuple(_without_graphs(part, part.name in record.recentred) for part in bundle.description.members),
        "rule": RulePart(false_alarm_rate=rule.false_alarm_rate, threshold=rule.threshold),
        "adapted": (*bundle.description.adapted, record),
    }
    return bundle.description.model_copy(update=update)


def _clip_scores(bundle: Bundle, member: Member, features: Features, ids: Sequence[str]) -> DoubleArray:
    windows = member.windows(features)
    return pool_scores(member.score(features, windows, ids, bundle.ctx), windows.offsets, member.pool)


def _recentred(bundle: Bundle, member: Member, features: Features, ids: Sequence[str]) -> Member | None:
    """Return a member whose means are those of healthy clips; None if its detector cannot move them."""
    detectors: dict[str, Detector] = {}
    for key, detector in member.detectors.items():
        method = getattr(detector, "recentred_state", None)
        if method is None:
            return None
        rows = [index for index, id_ in enumerate(ids) if key in ("", id_)]
        if not rows:
            detectors[key] = detector
            continue
        own = _select(features, rows)
        with plugin_call(detector, "recentred_state"):
            state = method(own, member.windows(own), [ids[row] for row in rows], bundle.ctx)
        detectors[key] = copy.copy(detector)
        with plugin_call(detector, "load"):
            detectors[key].load(state)
    return replace(member, detectors=detectors)


def _cross_scores(bundle: Bundle, member: Member, features: Features, ids: Sequence[str]) -> DoubleArray:
    """Score each clip about means without it and the others of its fold."""
    scores = np.empty(len(ids))
    fold = np.array([ids[:row].count(id_) % _FOLDS for row, id_ in enumerate(ids)])
    for number in range(_FOLDS):
        rest, out = np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()
        moved = _recentred(bundle, member, _select(features, rest), [ids[row] for row in rest])
        assert moved is not None  # it was, with all clips
        scores[out] = _clip_scores(bundle, moved, _select(features, out), [ids[row] for row in out])
    return scores


def _select(features: Features, clips: Sequence[int]) -> Features:
    frames = [features.clip(clip) for clip in clips]
    offsets = np.cumsum([0, *(len(each) for each in frames)], dtype=np.int64)
    return Features(np.concatenate(frames), offsets, features.scale)


def _calibrate(
    bundle: Bundle, files: dict[str, bytes], scores: DoubleArray, ids: Sequence[str], registry: Registry
) -> DoubleArray:
    """Fit the fuser to the new clips, and to those of other ids, and add scores and state to `files`."""
    others = [id_ for id_ in bundle.ids if id_ not in ids and id_ in bundle.calibrator.scores]
    part, settings = bundle.description.fuser, None
    all_ids, all_scores = list(ids), [scores]
    if part is not None:
        missing = [id_ for id_ in others if id_ not in bundle.member_scores]
        if missing:
            raise DataError(
                f"{bundle.where}: it holds no members' scores of id {printable(missing[0])}, and no new clips of it",
                hint="Give healthy recordings of every id, or export the bundle again with a newer asdkit.",
            )
        for id_ in others:
            all_scores.append(bundle.member_scores[id_])
            all_ids += [id_] * len(bundle.member_scores[id_])
        entry = find_plugin(bundle.where, registry, "fuser", part.use).entry
        assert entry is not None  # a plugin that was found has one
        lookup = files_of_options(bundle.where, bundle.description, bundle.files)
        config = plugin_config(bundle.where, "fuser", part.use, entry.config, part.config, lookup)
        settings = PluginSettings(part.use, config)
    members = np.concatenate(all_scores)
    held = np.ones(len(all_ids), dtype=bool)
    fused = fuse_members(settings, members, all_ids, ~held, held, registry)
    if part is not None and fused.fuser is not None:
        files[part.state] = encode_state(finite_state(fused.fuser))
    for number, id_part in enumerate(bundle.description.ids):
        if id_part.name in fused.reference:
            own = members[[id_ == id_part.name for id_ in all_ids]]
            state = {"scores": fused.reference[id_part.name], "members": own}
            files[id_part.reference or f"references/{number}.safetensors"] = encode_state(state)
    return fused.held[: len(ids)]


def _odd(clips: Sequence[NewClip], scores: DoubleArray) -> list[str]:
    """Return the names of clips that score far above the others of their id."""
    odd = []
    for id_ in sorted({clip.id for clip in clips}):
        rows = [row for row, clip in enumerate(clips) if clip.id == id_]
        middle = float(np.median(scores[rows]))
        deviation = 1.4826 * float(np.median(np.abs(scores[rows] - middle)))
        odd += [clips[row].name for row in rows if deviation and scores[row] - middle > _ODD * deviation]
    return odd


def _keep_clips(
    bundle: Bundle, files: dict[str, bytes], clips: Sequence[NewClip], number: int, id_: str
) -> HealthyPart | None:
    """Add healthy clips of an id to `files`: of the earlier ones and of the new ones, evenly."""
    end = round(MAX_SECONDS * bundle.sample_rate)
    new = {clip.name: HealthyClip(clip.name, clip.wave[:end]) for clip in clips if clip.id == id_}
    try:
        earlier = {clip.name: clip for clip in bundle.healthy_clips(id_)}
    except DataError:
        earlier = {}
    every = earlier | new
    seconds = max(len(clip.wave) for clip in every.values()) / bundle.sample_rate
    chosen = choose_evenly(list(every), seconds, len(bundle.ids), bundle.sample_rate)
    kept = HealthyPart(file=f"healthy/{number}.safetensors", clips=tuple(chosen))
    files[kept.file] = encode_clips([every[name] for name in chosen])
    return kept


def _without_graphs(part: MemberPart, moved: bool) -> MemberPart:
    return part.model_copy(update={"graphs": {}}) if moved else part


def _recorded(bundle: Bundle, clips: Sequence[NewClip]) -> RecordedPart | None:
    """Return the range of durations and levels with the new clips; None where it is not known."""
    known = bundle.description.recorded
    if known is None:
        return None
    seconds = [len(clip.wave) / bundle.sample_rate for clip in clips]
    update = {"shortest": min(known.shortest, *seconds), "longest": max(known.longest, *seconds)}
    if known.quietest and known.loudest and known.peak:
        levels = [measure_level(clip.wave) for clip in clips]
        update["quietest"] = min(known.quietest, *(level.rms for level in levels))
        update["loudest"] = max(known.loudest, *(level.rms for level in levels))
        update["peak"] = max(known.peak, *(level.peak for level in levels))
    return known.model_copy(update=update)
