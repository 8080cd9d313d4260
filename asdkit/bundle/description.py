"""``bundle.json``: what a bundle consists of, and its settings. The other files of a bundle are arrays and graphs."""

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
from asdkit.spec.settings import folder_fault, folder_key
from asdkit.text import printable

FORMAT: Final = 2
"""Version of the bundle format that this version of asdkit writes; it reads this one and all before it."""
DESCRIPTION: Final = "bundle.json"
CARD: Final = "README.md"
EXPORT_AGAIN: Final = "; export it again from its run"

Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=(1 << 31) - 1)]


class Graph(Config):
    """ONNX graph of a network.

    Its input is unstandardised windows [float32, ``[batch, frames, bands]``], its output scores, ``[batch]`` or
    ``[batch, ids]``; `ids` are the ids of the columns.
    """

    file: str
    ids: tuple[str, ...]


class PluginPart(Config):
    """A registered plugin: its name, its options, and the distribution that provides it."""

    use: str
    config: dict[str, Any]
    distribution: str = ""


class FeaturizerPart(PluginPart):
    """A featurizer; `state` names the file of its fitted state, if it has one."""

    state: str | None = None


class FuserPart(PluginPart):
    """The fuser of a system; `state` names the file of its fitted state."""

    state: str


class FilePart(Config):
    """A file that options name, by `name` as they have it. Where it is not `included`, it must be supplied."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: Count
    included: bool = True

    @property
    def entry(self) -> str:
        """Name of its content in the bundle."""
        return f"files/{self.sha256}"


class MemberPart(PluginPart):
    """A trained detector.

    `featurizer` is an index into the featurizers. `states` and `graphs` map ids to file names; the key is ``""`` if
    all ids share one detector.
    """

    name: str
    featurizer: Count
    frames: Size | Literal["clip"]
    hop: Size
    pool: Literal["mean", "max"] | Top
    states: dict[str, str] = Field(min_length=1)
    graphs: dict[str, Graph] = Field(default_factory=dict)


class HealthyPart(Config):
    """Healthy clips of one id, to compare new recordings with: their file and their names."""

    file: str
    clips: tuple[str, ...] = Field(min_length=1)


class IdPart(Config):
    """One machine id: its numbers of training clips and of clips held out, and the file of its calibration scores.

    `healthy` is None in bundles of early versions, and where the recordings were missing at export.
    """

    name: str
    learnt: Count
    held_out: Count
    reference: str | None
    healthy: HealthyPart | None = None


class RecordedPart(Config):
    """Format of the healthy recordings of all ids: sample rates [Hz], shortest and longest duration [s].

    `quietest` and `loudest` are root mean squares, `peak` the largest sample, full scale 1; None if the run has no
    record of them.
    """

    rates: tuple[int, ...] = Field(min_length=1)
    shortest: float = Field(gt=0)
    longest: float = Field(gt=0)
    quietest: Annotated[float, Field(gt=0)] | None = None
    loudest: Annotated[float, Field(gt=0)] | None = None
    peak: Annotated[float, Field(gt=0)] | None = None


class AdaptedPart(Config):
    """One adaptation to new healthy clips.

    `source` is the SHA-256 of the bundle that was adapted, `at` the time (ISO 8601, UTC); `clips` are counts by id,
    `recentred` names members.
    """

    source: str
    at: str
    clips: dict[str, Count]
    recentred: tuple[str, ...] = ()


class RulePart(Config):
    """Default rule of the verdicts."""

    false_alarm_rate: float = Field(gt=0, lt=1)
    threshold: Literal["conformal", "gamma"]


class Description(Config):
    """Content of ``bundle.json``.

    `clip_seconds` is the median duration of the training clips. It and `recorded` are None if the run has no record
    of them. `no_weight` says why members know nothing on this machine: those left out of the bundle, or all of them.
    """

    format: Literal[1, 2]
    name: str
    machine: str
    system: str
    sample_rate: int = Field(ge=1000, le=768_000)
    channel: Literal["mean", "far-subtract"] | Annotated[int, Field(ge=0, le=63)]
    containers: tuple[Container, ...] = ()
    clip_seconds: Annotated[float, Field(gt=0)] | None = None
    recorded: RecordedPart | None = None
    ids: tuple[IdPart, ...] = Field(min_length=1)
    featurizers: tuple[FeaturizerPart, ...] = Field(min_length=1)
    members: tuple[MemberPart, ...] = Field(min_length=1)
    fuser: FuserPart | None
    files: tuple[FilePart, ...] = ()
    rule: RulePart
    versions: dict[str, str]
    adapted: tuple[AdaptedPart, ...] = ()
    no_weight: dict[str, str] = Field(default_factory=dict)


def read_description(where: str, files: Mapping[str, bytes]) -> Description:
    """Read ``bundle.json`` and check it against the other files.

    Parameters
    ----------
    where
        Name of the bundle in messages.
    files
        All files of the bundle.

    Raises
    ------
    DataError
        If its format is newer, it is not valid, or it contradicts itself or the files. The message is one line.
    """
    unreadable = DataError(f"{where}: {DESCRIPTION} cannot be read{EXPORT_AGAIN}")
    try:
        values = json.loads(files.get(DESCRIPTION, b""))
        version = values["format"]
        if isinstance(version, int) and version > FORMAT:
            raise DataError(f"{where}: its format is {version}; this asdkit reads {FORMAT}: update asdkit")
        description, faults = validate(Description, values, option_names(Description))
    except (ValueError, RecursionError, KeyError, TypeError):
        raise unreadable from None
    if description is None:
        path, text = faults[0].path, faults[0].text
        if not path:
            raise unreadable
        raise DataError(f"{where}: {DESCRIPTION}: {dotted(path)}: {text}{EXPORT_AGAIN}")
    fault = _contradiction(description) or _file_mismatch(description, files)
    if fault:
        raise DataError(f"{where}: {fault}{EXPORT_AGAIN}")
    return description


def referenced_files(description: Description) -> set[str]:
    """Return the names of the files with states, graphs, calibration scores, healthy clips and what options name."""
    references = [part.reference for part in description.ids if part.reference is not None]
    references += [part.healthy.file for part in description.ids if part.healthy is not None]
    states = [name for member in description.members for name in member.states.values()]
    graphs = [graph.file for member in description.members for graph in member.graphs.values()]
    states += [part.state for part in description.featurizers if part.state is not None]
    named = [part.entry for part in description.files if part.included]
    return {*references, *states, *graphs, *named, *([description.fuser.state] if description.fuser else [])}


def _contradiction(description: Description) -> str:
    """Return the first contradiction within a description; empty if there is none."""
    ids = [part.name for part in description.ids]
    members, named = [member.name for member in description.members], [part.name for part in description.files]
    for what, names in (("ids", ids), ("members", members), ("files", named)):
        duplicates = [name for name, count in Counter(names).items() if count > 1]
        if duplicates:
            return f"{DESCRIPTION}: {what}: {printable(duplicates[0])!r} is there twice"
    for what, name in [("machine", description.machine), *(("id", name) for name in ids)]:
        if fault := folder_fault(name):
            return f"{DESCRIPTION}: {what} {printable(name)!r}: {fault}"
    same = {folder_key(name): name for name in ids}  # the rules of a run
    for name in ids:
        if (other := same[folder_key(name)]) != name:
            return f"{DESCRIPTION}: ids {printable(name)!r} and {printable(other)!r} are one name where case is ignored"
    for part in description.ids:
        if (part.reference is None) != (part.held_out == 0):
            scores = "no file of their scores" if part.reference is None else "a file of their scores"
            return f"{DESCRIPTION}: id {printable(part.name)}: {part.held_out} clips held out, but {scores}"
    for member in description.members:
        if set(member.states) not in ({""}, set(ids)) or not set(member.graphs) <= set(member.states):
            return f"{DESCRIPTION}: member {printable(member.name)}: its states or graphs do not match the bundle's ids"
    if any(m.featurizer >= len(description.featurizers) for m in description.members) or (
        description.fuser is None and len(description.members) > 1
    ):
        return f"{DESCRIPTION} refers to a featurizer or fuser that it does not list"
    return ""


def _file_mismatch(description: Description, files: Mapping[str, bytes]) -> str:
    """Return which file is missing, or not part of the bundle; empty if all files match."""
    expected = referenced_files(description)
    missing, unexpected = expected - files.keys(), files.keys() - expected - {DESCRIPTION, CARD, MANIFEST}
    if missing:
        return f"{printable(min(missing))} is missing"
    return f"{printable(min(unexpected))} is not part of a bundle" if unexpected else ""
