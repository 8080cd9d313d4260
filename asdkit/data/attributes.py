"""Attributes of clips, such as speed or load, without those that are labels under another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asdkit.layouts.base import label_of, names_faulty
from asdkit.layouts.clip import Clip
from asdkit.text import printable

_LABEL_NAMES = frozenset(
    ("label", "labels", "normal", "anomaly", "anomalous", "abnormal", "isanomaly", "isnormal", "fault", "faulty",
     "defect", "defective", "verdict", "groundtruth")
)  # fmt: skip


def without_labels(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Remove attributes that hold labels, of all clips of a machine at once.

    An attribute holds labels if its name is a word for one, or any of its values is: ``normal``, ``broken``.
    Names and values alone decide, never the clips' labels: what a detector gets does not depend on these.

    Returns
    -------
    clips
        In the same order.
    notes
        One line for each attribute removed.

    Examples
    --------
    >>> from pathlib import Path
    >>> clip = Clip(Path("a"), "a", "fan", "00", "test", None, attributes={"load": "3", "state": "Abnormal"})
    >>> clips, notes = without_labels([clip])
    >>> clips[0].attributes, len(notes)
    ({'load': '3'}, 1)
    """
    removed: dict[tuple[str, str], str] = {}
    for clip in clips:
        for name, value in clip.attributes.items():
            if reason := _reason(name, value):
                removed.setdefault((clip.machine, name), reason)
    if not removed:
        return list(clips), []
    kept = [
        replace(clip, attributes={k: v for k, v in clip.attributes.items() if (clip.machine, k) not in removed})
        if clip.attributes
        else clip
        for clip in clips
    ]
    return kept, [
        f"machine {machine}: the attribute {printable(name)} is left out: {reason}"
        for (machine, name), reason in removed.items()
    ]


def _reason(name: str, value: str) -> str:
    if "".join(filter(str.isalnum, name.casefold())) in _LABEL_NAMES:
        return "its name is a word for a label"
    if label_of(value) is not None or names_faulty(value):
        return f"its value {printable(value)!r} is a word for a label"
    return ""
