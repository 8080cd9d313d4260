"""Write a bundle file: description, model card, trained states, calibration scores and, on request, ONNX graphs."""

from __future__ import annotations

import warnings

from asdkit.bundle.archive import pack
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.calibration import NOTHING_HELD_OUT, percent
from asdkit.bundle.description import CARD, DESCRIPTION, FORMAT, Description, Graph, HealthyPart, PluginPart
from asdkit.bundle.healthy import encode_clips
from asdkit.bundle.named_files import include_files
from asdkit.bundle.onnx_export import graphs_of
from asdkit.commands import PROJECT
from asdkit.errors import AsdkitWarning, DataError
from asdkit.text import plural, printable


def export(bundle: Bundle, *, onnx: bool = False, with_files: bool = True, healthy: bool = True) -> bytes:
    """Return the content of a bundle file; the same system gives the same bytes.

    Parameters
    ----------
    bundle
        The system.
    onnx
        Add an ONNX graph of each network, compared with torch.
    with_files
        Include the content of the files that options name; else only their digests.
    healthy
        Keep healthy clips of each id, with which `Bundle.explain` compares recordings (see `asdkit.bundle.healthy`).

    Raises
    ------
    UsageError
        If graphs are requested and the packages that write them are not installed, or the files are too large.
    AsdkitError
        If a network cannot be written as a graph, or the graph's scores differ from torch's.

    Warns
    -----
    AsdkitWarning
        For a member that is not a network; for an id without healthy clips.

    Examples
    --------
    >>> bundle = Bundle.of_run("runs/fan", system="both")
    >>> export(bundle) == export(Bundle.load("fan.asdkit"))
    True
    """
    description, files = bundle.description, dict(bundle.files)
    if onnx:
        description = _add_graphs(bundle, files)
    description = include_files(description, files, with_files)
    if healthy:
        description = _add_healthy_clips(bundle, description, files)
    unused = None if description.no_weight else {"no_weight"}  # earlier versions of asdkit refuse the key
    files[DESCRIPTION] = (description.model_dump_json(indent=1, exclude=unused) + "\n").encode()
    files[CARD] = model_card(bundle, description).encode()
    return pack(files)


def _add_healthy_clips(bundle: Bundle, description: Description, files: dict[str, bytes]) -> Description:
    """Add the healthy clips of all ids to `files`; return the description that refers to them."""
    parts = []
    for number, part in enumerate(description.ids):
        try:
            clips = bundle.healthy_clips(part.name)
        except DataError as error:
            text = f"the bundle holds no healthy clips of id {part.name}, so it can explain less: {error.message}"
            warnings.warn(text, AsdkitWarning, stacklevel=3)
            parts.append(part)
            continue
        kept = HealthyPart(file=f"healthy/{number}.safetensors", clips=tuple(clip.name for clip in clips))
        files[kept.file] = encode_clips(clips)
        parts.append(part.model_copy(update={"healthy": kept}))
    return description.model_copy(update={"ids": tuple(parts), "format": FORMAT})


def _add_graphs(bundle: Bundle, files: dict[str, bytes]) -> Description:
    """Add the graphs of all networks to `files`; return the description that refers to them."""
    members = []
    for number, (member, part) in enumerate(zip(bundle.members, bundle.description.members, strict=True)):
        graphs = {}
        bands = bundle.featurizers[member.featurizer].bands
        for index, (id_, (data, ids)) in enumerate(graphs_of(member, bands).items()):
            graphs[id_] = Graph(file=f"members/{number}/{index}.onnx", ids=tuple(ids))
            files[graphs[id_].file] = data
        members.append(part.model_copy(update={"graphs": graphs}))
    return bundle.description.model_copy(update={"members": tuple(members)})


def model_card(bundle: Bundle, description: Description) -> str:
    """Return the model card: what the system consists of, its training data, its guarantees and limits."""
    lines = [
        f"# {description.system} on {description.machine}",
        "",
        f"Anomalous sound detection, from the run `{description.name}` of asdkit {description.versions['asdkit']}.",
        "It was trained on recordings of healthy machines only and scores how much a new recording differs from them.",
        "",
        "    asdkit score THIS_FILE RECORDINGS...",
        "",
        "## Parts",
        "",
        *_card_parts(description),
        "",
        "## Training data and supported false-alarm rates",
        "",
        "| id | training clips | clips held out | lowest supported false-alarm rate |",
        "|---|---|---|---|",
        *_card_ids(bundle, description),
        "",
        f"Verdicts are at a false-alarm rate of {percent(description.rule.false_alarm_rate)} by the "
        f"{description.rule.threshold} threshold unless another one is requested.",
        *(f"\n{text}." for text in _shortfalls(bundle)),
        "",
        *_adaptations(description),
        "## Limits",
        "",
        "- A p-value is the share of healthy recordings that score as high, or higher, if new recordings are made like",
        "  the clips held out: same microphone, position and load. A change of any of them raises the scores.",
        "- Below the lowest supported rate p-values are extrapolated: they order recordings, without a guarantee.",
        "- The kind of anomaly is not identified.",
        "",
        "## Versions",
        "",
        *(f"- {name} {version}" for name, version in description.versions.items()),
        "",
    ]
    return "\n".join(lines)


def _adaptations(description: Description) -> list[str]:
    """Return when the bundle was adapted, to how many clips, and from which bundle."""
    if not description.adapted:
        return []
    lines = [
        f"- {part.at}: {', '.join(f'{n} clips of id {id_}' for id_, n in part.clips.items())}"
        + (f"; recentred {', '.join(part.recentred)}" if part.recentred else "")
        + f"; from the bundle with SHA-256 {part.source}"
        for part in description.adapted
    ]
    return ["## Adapted to new healthy recordings", "", *lines, ""]


def _card_parts(description: Description) -> list[str]:
    fuser = description.fuser
    return [
        f"- recordings at {description.sample_rate} Hz (others are resampled), channel {description.channel}",
        *(f"- featurizer `{f.use}`{_source(f)}: {_options(f.config)}" for f in description.featurizers),
        *(
            f"- member {m.name}: detector `{m.use}`{_source(m)}, windows of {m.frames} frames, "
            f"pooled by {_pool(m.pool)}" + (", with an ONNX graph" if m.graphs else "")
            for m in description.members
        ),
        *_card_weights(description),
        f"- members combined by `{fuser.use}`{_source(fuser)}: {_options(fuser.config)}"
        if fuser
        else "- one member: its score is the score of the system",
        *(
            f"- file `{printable(f.name)}`, {plural(f.size, 'byte')}, SHA-256 {f.sha256}"
            + ("" if f.included else ", not included")
            for f in description.files
        ),
    ]


def _card_weights(description: Description) -> list[str]:
    """Say which members have no weight: left out, or used because none has any."""
    present = {member.name for member in description.members}
    return [
        f"- member {name} {'has no weight, but no other member has' if name in present else 'is left out'}: {reason}"
        for name, reason in description.no_weight.items()
    ]


def _card_ids(bundle: Bundle, description: Description) -> list[str]:
    rows = []
    for part in description.ids:
        calibration = bundle.calibrator.scores.get(part.name)
        rate = "none" if calibration is None else f"1 in {part.held_out + 1} ({percent(calibration.supported_rate)})"
        training = part.learnt
        rows.append(f"| {part.name} | {training} | {part.held_out} | {rate} |")
    return rows


def _shortfalls(bundle: Bundle) -> list[str]:
    """Return what the clips held out do not support, each text once."""
    texts = dict.fromkeys(bundle.calibrator.shortfall(id_) for id_ in bundle.ids)
    return [text[0].upper() + text[1:] if text == NOTHING_HELD_OUT else text for text in texts if text]


def _source(part: PluginPart) -> str:
    return f" of {part.distribution}" if part.distribution not in ("", PROJECT) else ""


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in config.items()) or "no options"


def _pool(pool: object) -> str:
    return pool if isinstance(pool, str) else f"the mean of the highest {getattr(pool, 'top', '?')}"
