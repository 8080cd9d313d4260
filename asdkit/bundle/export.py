"""From an open bundle to its file: description, model card, weights, references, graphs."""

from __future__ import annotations

from asdkit.api import PROJECT
from asdkit.bundle.archive import pack
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.calibration import NO_REFERENCE, percent
from asdkit.bundle.description import CARD, DESCRIPTION, Description, Graph, Plugin


def export(bundle: Bundle, *, onnx: bool = False) -> bytes:
    """Write a bundle; the same system gives the same bytes.

    Parameters
    ----------
    bundle
        Of a run.
    onnx
        Add ONNX graphs of its networks, checked against torch.

    Raises
    ------
    UsageError, AsdkitError
        If graphs were asked for and cannot be made.

    Warns
    -----
    AsdkitWarning
        For a member that no graph can be made of.
    """
    description, files = bundle.description, dict(bundle.files)
    if onnx:
        description = _with_graphs(bundle, files)
    files[DESCRIPTION] = (description.model_dump_json(indent=1) + "\n").encode()
    files[CARD] = card(bundle, description).encode()
    return pack(files)


def _with_graphs(bundle: Bundle, files: dict[str, bytes]) -> Description:
    from asdkit.bundle.onnx_export import graphs_of

    members = []
    for number, (member, part) in enumerate(zip(bundle.members, bundle.description.members, strict=True)):
        graphs = {}
        bands = bundle.featurizers[member.featurizer].bands
        for place, (id_, (data, ids)) in enumerate(graphs_of(member, bands).items()):
            graphs[id_] = Graph(file=f"members/{number}/{place}.onnx", ids=tuple(ids))
            files[graphs[id_].file] = data
        members.append(part.model_copy(update={"graphs": graphs}))
    return bundle.description.model_copy(update={"members": tuple(members)})


def card(bundle: Bundle, description: Description) -> str:
    """Write the model card: what it is, what it learnt from, what it supports, what it cannot do."""
    fuser = description.fuser
    lines = [
        f"# {description.system} on {description.machine}",
        "",
        f"Anomalous sound detection, from the run `{description.name}` of asdkit {description.versions['asdkit']}.",
        "It was trained on recordings of healthy machines alone and tells how unlike them a new recording is.",
        "",
        "    asdkit score THIS_FILE RECORDINGS...",
        "",
        "## What it is made of",
        "",
        f"- recordings at {description.sample_rate} Hz (others are resampled), channel {description.channel}",
        *(f"- featurizer `{f.use}`{_source(f)}: {_options(f.config)}" for f in description.featurizers),
        *(
            f"- member {m.name}: detector `{m.use}`{_source(m)}, windows of {m.frames} frames, "
            f"pooled by {_pool(m.pool)}" + (", with an ONNX graph" if m.graphs else "")
            for m in description.members
        ),
        f"- members combined by `{fuser.use}`{_source(fuser)}: {_options(fuser.config)}"
        if fuser
        else "- one member: its score is the score",
        "",
        "## What it learnt from, and what that supports",
        "",
        "| id | clips learnt from | clips held out | least supported false-alarm rate |",
        "|---|---|---|---|",
    ]
    for part in description.ids:
        reference = bundle.judge.references.get(part.name)
        rate = "none" if reference is None else f"1 in {part.held_out + 1} ({percent(reference.supported_rate)})"
        lines.append(f"| {part.name} | {part.learnt} | {part.held_out} | {rate} |")
    lines += [
        "",
        f"Verdicts are at a false-alarm rate of {percent(description.rule.false_alarm_rate)} by the "
        f"{description.rule.threshold} threshold unless another is asked for.",
        *(f"\n{text}." for text in _shortfalls(bundle)),
        "",
        "## Limits",
        "",
        "- A p-value is the share of healthy recordings that score so high, as far as new recordings are made as the",
        "  clips held out were: same microphone, place and load. A change of any of them is heard as an anomaly.",
        "- Below the least supported rate p-values are extrapolated: they order recordings and promise nothing.",
        "- What the anomaly is, it does not say.",
        "",
        "## Versions",
        "",
        *(f"- {name} {version}" for name, version in description.versions.items()),
        "",
    ]
    return "\n".join(lines)


def _shortfalls(bundle: Bundle) -> list[str]:
    """What the clips held out cannot support, each said once."""
    said = dict.fromkeys(bundle.judge.shortfall(id_) for id_ in bundle.ids)
    return [text[0].upper() + text[1:] if text == NO_REFERENCE else text for text in said if text]


def _source(part: Plugin) -> str:
    return f" of {part.distribution}" if part.distribution not in ("", PROJECT) else ""


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in config.items()) or "no options"


def _pool(pool: object) -> str:
    return pool if isinstance(pool, str) else f"the mean of the highest {getattr(pool, 'top', '?')}"
