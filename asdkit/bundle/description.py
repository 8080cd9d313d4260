"""``bundle.json``: what a bundle is made of, in words and numbers. Everything else in it is arrays."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from asdkit.api import Config
from asdkit.errors import DataError
from asdkit.spec import Top

FORMAT: Final = 1
"""Version of the bundle format that this asdkit reads and writes."""
DESCRIPTION: Final = "bundle.json"

Count = Annotated[int, Field(ge=0)]


class Graph(Config):
    """A network as ONNX: raw windows [float32, ``[batch, frames, bands]``] to scores, ``[batch]`` or ``[batch, ids]``.

    `ids` are the ids of its columns.
    """

    file: str
    ids: tuple[str, ...]


class Plugin(Config):
    """A registered plugin, by name, and its options."""

    use: str
    config: dict[str, Any]


class FuserPart(Plugin):
    """How members become one score; `state` is the file of what it learnt."""

    state: str


class MemberPart(Plugin):
    """One detector as it was trained.

    `featurizer` is an index; `states` and `graphs` are by id, under ``""`` where all ids share one.
    """

    name: str
    featurizer: Count
    frames: Annotated[int, Field(ge=1)] | Literal["clip"]
    hop: Annotated[int, Field(ge=1)]
    pool: Literal["mean", "max"] | Top
    states: dict[str, str] = Field(min_length=1)
    graphs: dict[str, Graph] = Field(default_factory=dict)


class IdPart(Config):
    """One machine id: clips learnt from, clips held out, and the file with the scores of those."""

    name: str
    learnt: Count
    held_out: Count
    reference: str | None


class RulePart(Config):
    """What is decided unless something else is asked."""

    false_alarm_rate: float = Field(gt=0, lt=1)
    threshold: Literal["conformal", "gamma"]


class Description(Config):
    """All of ``bundle.json``.

    `clip_seconds` is the median length of the clips learnt from; None in bundles of runs that did not note it.
    """

    format: Literal[1]
    name: str
    machine: str
    system: str
    sample_rate: int = Field(ge=1000, le=768_000)
    channel: Literal["mean"] | Annotated[int, Field(ge=0, le=63)]
    clip_seconds: Annotated[float, Field(gt=0)] | None = None
    ids: tuple[IdPart, ...] = Field(min_length=1)
    featurizers: tuple[Plugin, ...] = Field(min_length=1)
    members: tuple[MemberPart, ...] = Field(min_length=1)
    fuser: FuserPart | None
    rule: RulePart
    versions: dict[str, str]


def read_description(where: str, data: bytes) -> Description:
    """Read ``bundle.json``.

    Parameters
    ----------
    where
        What messages call the bundle.
    data
        The file's content.

    Raises
    ------
    DataError
        If it is of a newer format, or no description; one line.
    """
    try:
        found = json.loads(data)
        version = found["format"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise DataError(f"{where}: {DESCRIPTION} cannot be read") from None
    if isinstance(version, int) and version > FORMAT:
        raise DataError(f"{where}: its format is {version}; this asdkit reads {FORMAT}: update asdkit")
    try:
        made = Description.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {DESCRIPTION}: {place}: {first['msg']}") from None
    if any(m.featurizer >= len(made.featurizers) for m in made.members) or (
        made.fuser is None and len(made.members) > 1
    ):
        raise DataError(f"{where}: {DESCRIPTION} names a featurizer or fuser that it does not have")
    return made
