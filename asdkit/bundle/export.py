"""Networks written down as ONNX graphs, each checked against torch.

From an open bundle to its file: description, model card, weights, references, graphs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from asdkit.bundle.archive import pack
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.calibration import NO_REFERENCE, percent
from asdkit.bundle.description import CARD, DESCRIPTION, Description, Graph, PluginPart
from asdkit.bundle.onnx_runtime import session_of
from asdkit.errors import AsdkitError, AsdkitWarning, UsageError
from asdkit.interfaces import PROJECT

if TYPE_CHECKING:
    from asdkit.bundle.members import Member


NEEDED = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4
"""Largest difference of a graph's score from torch's, relative."""
_TRACED, _CHECKED = 3, 7  # batch sizes
_ABSOLUTE = 1e-6  # of a score next to zero


def graphs_of(member: Member, bands: int) -> dict[str, tuple[bytes, list[str]]]:
    """Graphs of a member's networks, by id, each with the ids of its columns.

    A detector that is no `asdkit.api.NetworkDetector` has none and is opened by its plugin; the caller is warned where
    that would need torch all the same.

    Raises
    ------
    UsageError
        If what writes graphs is not installed.
    AsdkitError
        If a network cannot be written down, or the graph scores otherwise than torch.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX graphs need {', '.join(missing)}, not installed here", hint="pip install 'asdkit[onnx]'"
        )
    from asdkit.training import NetworkDetector

    made = {}
    for id_, detector in member.detectors.items():
        if not isinstance(detector, NetworkDetector):
            text = f"{member.name} ({member.use}) is no network of asdkit's kind: no graph; its plugin opens it"
            warnings.warn(text, AsdkitWarning, stacklevel=2)
            return {}
        assert isinstance(member.frames, int)  # a network has windows of one size
        made[id_] = _graph(member.name, detector.scoring_module(), member.frames, bands)
    return made


def _graph(name: str, module: Any, frames: int, bands: int) -> tuple[bytes, list[str]]:
    import torch

    rng = np.random.default_rng(0)
    mean, scale = module.mean.numpy().mean(axis=0), module.scale.numpy()

    def windows(count: int) -> torch.Tensor:
        noise = rng.standard_normal((count, frames, bands), np.float32)
        return torch.from_numpy((noise / scale + mean).astype(np.float32))

    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (windows(_TRACED),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["windows"],
                output_names=["scores"],
                verbose=False,
            )
    except Exception as error:
        cause = " ".join(str(error).split())[:300]
        raise AsdkitError(
            f"{name}: its network cannot be written as an ONNX graph: {type(error).__name__}: {cause}",
            hint="Leave out --onnx: its plugin opens it with torch.",
        ) from None
    assert program is not None
    graph = _plain(program.model_proto)
    batch = windows(_CHECKED)
    with torch.inference_mode():
        expected = module(batch).numpy()
    [found] = session_of(graph, 1).run(None, {"windows": batch.numpy()})
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=TOLERANCE, atol=_ABSOLUTE):
        raise AsdkitError(f"{name}: its ONNX graph scores otherwise than torch; tell the project, and leave out --onnx")
    return graph, list(module.ids) if found.ndim == 2 else []


def _plain(model: Any) -> bytes:
    """The graph without notes of where it came from: source paths have no place in a bundle."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter talks of itself, by warnings and by its logger."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


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
        reference = bundle.calibrator.scores.get(part.name)
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
    said = dict.fromkeys(bundle.calibrator.shortfall(id_) for id_ in bundle.ids)
    return [text[0].upper() + text[1:] if text == NO_REFERENCE else text for text in said if text]


def _source(part: PluginPart) -> str:
    return f" of {part.distribution}" if part.distribution not in ("", PROJECT) else ""


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in config.items()) or "no options"


def _pool(pool: object) -> str:
    return pool if isinstance(pool, str) else f"the mean of the highest {getattr(pool, 'top', '?')}"
