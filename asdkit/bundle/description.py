"""``bundle.json``: what a bundle is made of, in words and numbers. Everything else in it is arrays."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from asdkit.audio import Container
from asdkit.bundle.archive import MANIFEST
from asdkit.config import Config
from asdkit.errors import DataError
from asdkit.spec import Top
from asdkit.spec.messages import option_names, validate
from asdkit.spec.positions import dotted
from asdkit.text import printable

FORMAT: Final = 1
"""Version of the bundle format that this asdkit reads and writes."""
DESCRIPTION: Final = "bundle.json"
CARD: Final = "README.md"
ANEW: Final = "; export it anew from its run"

Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=(1 << 31) - 1)]


class Graph(Config):
    """A network as ONNX: raw windows [float32, ``[batch, frames, bands]``] to scores, ``[batch]`` or ``[batch, ids]``.

    `ids` are the ids of its columns.
    """

    file: str
    ids: tuple[str, ...]


class PluginPart(Config):
    """A registered plugin, by name, its options, and the distribution that brought it."""

    use: str
    config: dict[str, Any]
    distribution: str = ""


class FuserPart(PluginPart):
    """How members become one score; `state` is the file of what it learnt."""

    state: str


class MemberPart(PluginPart):
    """One detector as it was trained.

    `featurizer` is an index; `states` and `graphs` are by id, under ``""`` where all ids share one.
    """

    name: str
    featurizer: Count
    frames: Size | Literal["clip"]
    hop: Size
    pool: Literal["mean", "max"] | Top
    states: dict[str, str] = Field(min_length=1)
    graphs: dict[str, Graph] = Field(default_factory=dict)


class IdPart(Config):
    """One machine id: clips learnt from, clips held out, and the file with the scores of those."""

    name: str
    learnt: Count
    held_out: Count
    reference: str | None


class RecordedPart(Config):
    """How the healthy recordings of all ids were made: their own sample rates [Hz], the shortest, the longest [s]."""

    rates: tuple[int, ...] = Field(min_length=1)
    shortest: float = Field(gt=0)
    longest: float = Field(gt=0)


class RulePart(Config):
    """What is decided unless something else is asked."""

    false_alarm_rate: float = Field(gt=0, lt=1)
    threshold: Literal["conformal", "gamma"]


class Description(Config):
    """All of ``bundle.json``.

    `clip_seconds` is the median length of the clips learnt from; it and `recorded` are None in bundles of runs that did
    not note that.
    """

    format: Literal[1]
    name: str
    machine: str
    system: str
    sample_rate: int = Field(ge=1000, le=768_000)
    channel: Literal["mean"] | Annotated[int, Field(ge=0, le=63)]
    containers: tuple[Container, ...] = ()
    clip_seconds: Annotated[float, Field(gt=0)] | None = None
    recorded: RecordedPart | None = None
    ids: tuple[IdPart, ...] = Field(min_length=1)
    featurizers: tuple[PluginPart, ...] = Field(min_length=1)
    members: tuple[MemberPart, ...] = Field(min_length=1)
    fuser: FuserPart | None
    rule: RulePart
    versions: dict[str, str]


def read_description(where: str, files: Mapping[str, bytes]) -> Description:
    """Read ``bundle.json``, and see that it fits what else there is.

    Parameters
    ----------
    where
        What messages call the bundle.
    files
        All that is in it.

    Raises
    ------
    DataError
        If it is of a newer format, no description, or contradicts itself or the files; one line.
    """
    unreadable = DataError(f"{where}: {DESCRIPTION} cannot be read{ANEW}")
    try:
        found = json.loads(files.get(DESCRIPTION, b""))
        version = found["format"]
        if isinstance(version, int) and version > FORMAT:
            raise DataError(f"{where}: its format is {version}; this asdkit reads {FORMAT}: update asdkit")
        made, faults = validate(Description, found, option_names(Description))
    except (ValueError, RecursionError, KeyError, TypeError):
        raise unreadable from None
    if made is None:
        path, text = faults[0].path, faults[0].text
        if not path:
            raise unreadable
        raise DataError(f"{where}: {DESCRIPTION}: {dotted(path)}: {text}{ANEW}")
    fault = _contradiction(made) or _misfit(made, files)
    if fault:
        raise DataError(f"{where}: {fault}{ANEW}")
    return made


def _contradiction(made: Description) -> str:
    """What in a description cannot be true at once; empty where it all can."""
    ids = [part.name for part in made.ids]
    for what, names in (("ids", ids), ("members", [member.name for member in made.members])):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            return f"{DESCRIPTION}: {what}: {printable(twice[0])!r} is there twice"
    for part in made.ids:
        if (part.reference is None) != (part.held_out == 0):
            scores = "no scores" if part.reference is None else "scores"
            return f"{DESCRIPTION}: id {printable(part.name)}: {part.held_out} clips held out, but {scores} of such"
    for member in made.members:
        if set(member.states) not in ({""}, set(ids)) or not set(member.graphs) <= set(member.states):
            return f"{DESCRIPTION}: member {printable(member.name)}: its states or graphs are not of the bundle's ids"
    if any(m.featurizer >= len(made.featurizers) for m in made.members) or (
        made.fuser is None and len(made.members) > 1
    ):
        return f"{DESCRIPTION} names a featurizer or fuser that it does not have"
    return ""


def _misfit(made: Description, files: Mapping[str, bytes]) -> str:
    """A file that is missing, or that nothing names; empty where there is none."""
    named = files_of(made)
    missing, strange = named - files.keys(), files.keys() - named - {DESCRIPTION, CARD, MANIFEST}
    if missing:
        return f"{printable(min(missing))} is missing"
    return f"{printable(min(strange))} is no part of a bundle" if strange else ""


def files_of(description: Description) -> set[str]:
    """Names of the files with what was learnt."""
    references = [part.reference for part in description.ids if part.reference is not None]
    states = [name for member in description.members for name in member.states.values()]
    graphs = [graph.file for member in description.members for graph in member.graphs.values()]
    return {*references, *states, *graphs, *([description.fuser.state] if description.fuser else [])}
