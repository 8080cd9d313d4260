"""A spec for one's own recordings: chosen by what there is, with the reasons in comments."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit.naming import printable
from asdkit.spec.prospect import RATES, Calibration, Recordings, calibrate, clips_for, several
from asdkit.spec.settings import MAX_NAME, name_fault

if TYPE_CHECKING:
    from asdkit.dataset.inventory import Inventory

LEAST_FOR_NETWORK = 20
"""Clips of an id to learn from, from which on a network is proposed."""

_RATE = 16_000  # Hz; that of the challenge, whose settings the defaults are
_FRAME = 0.064  # s, of the challenge's baseline
_CLASSIFIER_FRAMES = 32


@dataclass(frozen=True)
class Proposal:
    """A spec that suits some recordings.

    Attributes
    ----------
    name
        Of the run.
    text
        The spec, with comments.
    machines
        Of the recordings.
    notes
        What these recordings cannot support, in a line each.
    """

    name: str
    text: str
    machines: list[str]
    notes: list[str]


def propose(inventory: Inventory, root: Path, folder: Path) -> Proposal:
    """Write a spec for the recordings of an inventory.

    Parameters
    ----------
    inventory
        What there is.
    root
        The recordings.
    folder
        Where the spec will lie: its paths are relative to it.

    Raises
    ------
    DataError
        If there is nothing to learn from, or the folders have a fault.
    """
    from jinja2 import Environment, StrictUndefined

    seen = Recordings.of(inventory, root)
    chosen = calibrate(seen.fewest)
    learnt = seen.fewest - chosen.clips
    rate = max(1000, min(_RATE, seen.rates[0]))
    n_fft = 2 ** round(math.log2(_FRAME * rate))
    rows = seen.shortest * rate // (n_fft // 2)
    density = learnt >= LEAST_FOR_NETWORK
    classifier = density and seen.most_ids > 1 and rows >= _CLASSIFIER_FRAMES
    notes = _notes(seen, chosen)
    template = (files("asdkit.spec") / "templates" / "own_machine.toml").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701  no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    name = _name(root)
    text = environment.from_string(template).render(
        shown_root=printable(str(root)),
        found=seen.lines(),
        name=_quoted(name),
        layout=_quoted(inventory.layout),
        root=_quoted(_relative(root, folder)),
        rate=rate,
        about_rate=_about_rate(seen, rate),
        channels=seen.channels,
        broken=len(inventory.broken),
        about_calibration=_about_calibration(seen, chosen),
        held_out=chosen.held_out,
        false_alarm_rate=chosen.false_alarm_rate,
        n_fft=n_fft,
        n_mels=128 if n_fft >= 1024 else 64 if n_fft >= 256 else 32,
        density=density,
        classifier=classifier,
        learnt=learnt,
        least_for_network=LEAST_FOR_NETWORK,
        ids=seen.most_ids,
        members=json.dumps(["L", "K", *(["G"] if density else []), *(["M"] if classifier else [])]),
    )
    return Proposal(name, text, seen.machines, notes)


def _notes(seen: Recordings, chosen: Calibration) -> list[str]:
    """What the recordings cannot support."""
    notes = []
    n, held = seen.fewest, chosen.clips
    if not held:
        notes.append("one training clip: none can be held out, so there will be no p-values and no verdicts")
    elif not chosen.supported:
        rate = chosen.false_alarm_rate
        notes.append(
            f"{n} clips cannot support a false-alarm rate of {rate:.0%}: {several(held, 'clip')} held out promise none "
            f"below 1 in {held + 1}; {clips_for(rate)} clips an id would support it"
        )
        notes.append("clips that score above all held-out ones will be called undecided, not anomalous")
    if n - held < LEAST_FOR_NETWORK:
        notes.append(
            f"{several(n - held, 'clip')} to learn from an id: classical detectors alone; what varies between healthy "
            "days, loads and places is in so few clips hardly heard"
        )
    if not (seen.test[0] and seen.test[1]):
        notes.append("no test clips of both classes: there will be no AUC")
    if len(seen.rates) > 1:
        notes.append(f"several sample rates ({', '.join(map(str, seen.rates))} Hz): all are brought to one")
    return notes


def _about_rate(seen: Recordings, rate: int) -> list[str]:
    if seen.rates[-1] <= rate:
        return []
    lines = [f"The recordings have {seen.rates[-1] // 2} Hz at most; what lies above {rate // 2} Hz is cut off."]
    if seen.rates[0] > rate:
        lines.append(
            f"If faults of this machine hiss or ring higher: sample_rate = {seen.rates[0]}, and n_fft in proportion."
        )
    return lines


def _about_calibration(seen: Recordings, chosen: Calibration) -> list[str]:
    n, held, rate = seen.fewest, chosen.clips, chosen.false_alarm_rate
    lines = [
        "Whole clips that no detector learns from: their scores tell what is usual. n of them can promise no",
        "false-alarm rate below 1 in n + 1.",
    ]
    if not held:
        return [*lines, "Of one clip none can be held out: there are no p-values and no verdicts."]
    lines.append(f"Of {several(n, 'clip')} an id {held} {'are' if held > 1 else 'is'} held out: 1 in {held + 1}.")
    if chosen.supported:
        lines.append(f"That supports {rate:.0%}, shared with as many clips to learn from as can be.")
        lower = [r for r in RATES if r < rate]
        if lower:
            lines.append(f"For {lower[-1]:.0%}, record {clips_for(lower[-1])} clips an id.")
    else:
        lines += [
            f"That cannot support {rate:.0%}: clips above all held-out ones are called undecided. For it, record",
            f'{clips_for(rate)} clips an id; threshold = "gamma", a fitted tail, always decides and promises nothing.',
        ]
    return lines


def _name(root: Path) -> str:
    """A name for the run: the folder's, where it can be one."""
    name = root.absolute().resolve().name[:MAX_NAME].strip(". ")
    return name if name and not name_fault(name) else "own-machine"


def _relative(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute().resolve(), folder.absolute().resolve())).as_posix()
    except ValueError:  # another drive
        return root.absolute().as_posix()


def _quoted(text: str) -> str:
    """Text as TOML has it; every control character escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
