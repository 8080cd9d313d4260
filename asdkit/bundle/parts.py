"""The parts of a trained system, made of a description and the files that it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from asdkit.api import Context, Detector, Features, Featurizer, FloatArray, Fuser, State, Windows, cut_windows
from asdkit.bundle.calibration import Reference
from asdkit.bundle.description import Description, Graph, MemberPart, Plugin
from asdkit.errors import AsdkitError, DataError, PluginError
from asdkit.plugins import Kind, Registry
from asdkit.run.parts import score_parts
from asdkit.run.state import decode_state
from asdkit.spec import Top

Made = TypeVar("Made")


@dataclass(frozen=True)
class Member:
    """One detector of a system, ready to score.

    Attributes
    ----------
    use
        Name of its plugin.
    featurizer
        Which of the system's featurizers makes its frames.
    detectors
        By id; one under ``""`` where all ids share it.
    """

    name: str
    use: str
    featurizer: int
    frames: int | Literal["clip"]
    hop: int
    pool: Literal["mean", "max"] | Top
    detectors: Mapping[str, Detector]

    def windows(self, features: Features) -> Windows:
        """Cut clips into its windows."""
        return cut_windows(features.offsets, self.frames, self.hop)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows [float32, ``[windows]``] of clips of these ids; see `asdkit.api.Detector.score`."""
        try:
            return score_parts(self.detectors, self.use, features, windows, ids, ctx)
        except AsdkitError:
            raise
        except Exception as error:
            raise PluginError(
                f"the detector {self.use!r} of member {self.name} failed to score: {_line(error)}"
            ) from None


@dataclass(frozen=True)
class Parts:
    """All that scores: what a bundle holds, alive."""

    featurizers: list[Featurizer]
    members: list[Member]
    fuser: Fuser | None
    references: dict[str, Reference]


def assemble(where: str, description: Description, files: Mapping[str, bytes], registry: Registry) -> Parts:
    """Make all parts.

    Parameters
    ----------
    where
        What messages call the bundle.
    description
        What it is made of.
    files
        Content of the files that it names.
    registry
        The plugins; nothing that is not among them is ever loaded.

    Raises
    ------
    UsageError, PluginError
        If a plugin is unknown, broken, or cannot take up what is stored.
    DataError
        If a file is missing or damaged.
    """
    maker = _Maker(where, files, registry)
    return Parts(
        [maker.featurizer(part) for part in description.featurizers],
        [maker.member(part) for part in description.members],
        None if description.fuser is None else maker.loaded("fuser", description.fuser, description.fuser.state),
        {part.name: maker.reference(part.reference) for part in description.ids if part.reference is not None},
    )


class _Maker:
    def __init__(self, where: str, files: Mapping[str, bytes], registry: Registry) -> None:
        self._where, self._files, self._registry = where, files, registry

    def featurizer(self, part: Plugin) -> Featurizer:
        made: Featurizer = self._made("featurizer", part)
        self._guarded("featurizer", part, lambda: made.rows(1))
        return made

    def member(self, part: MemberPart) -> Member:
        from asdkit.bundle.graphs import available

        detectors: dict[str, Detector] = {}
        for id_, file in part.states.items():
            self._registry.entry("detector", part.use)  # a graph is no way around it
            graph = part.graphs.get(id_)
            if graph is not None and available():
                detectors[id_] = self._graph(part, graph)
            else:
                detectors[id_] = self.loaded("detector", part, file)
        return Member(part.name, part.use, part.featurizer, part.frames, part.hop, part.pool, detectors)

    def loaded(self, kind: Literal["detector", "fuser"], part: Plugin, file: str) -> Any:
        """Make a detector or fuser that has learnt already."""
        made, state = self._made(kind, part), self._state(file)
        self._guarded(kind, part, lambda: made.load(state))
        return made

    def reference(self, file: str) -> Reference:
        scores = self._state(file).get("scores")
        if isinstance(scores, np.ndarray) and scores.dtype == np.float64 and scores.ndim == 1 and len(scores) > 0:
            ascending = np.isfinite(scores).all() and (np.diff(scores) >= 0).all()
            if ascending:
                return Reference(scores)
        raise DataError(f"{self._where}: {file}: not the scores of clips held out")

    def _graph(self, part: MemberPart, graph: Graph) -> Detector:
        from asdkit.bundle.graphs import GraphDetector

        try:
            return GraphDetector(self._file(graph.file), part.frames, graph.ids)
        except ValueError as error:
            raise DataError(f"{self._where}: {graph.file}: {_line(error)}") from None

    def _made(self, kind: Kind, part: Plugin) -> Any:
        entry = self._registry.entry(kind, part.use)
        config = self._guarded(kind, part, lambda: entry.config.model_validate_json(json.dumps(part.config)))
        return self._guarded(kind, part, lambda: entry.load()(config))

    def _guarded(self, kind: Kind, part: Plugin, make: Callable[[], Made]) -> Made:
        """Call a plugin; whatever it raises is told in one line."""
        try:
            return make()
        except AsdkitError:
            raise
        except ImportError as error:
            raise PluginError(
                f"{self._where}: the {kind} {part.use!r} needs {error.name or error}, which is not installed",
                hint="Install it, or score a bundle exported with --onnx by onnxruntime (asdkit[onnx]).",
            ) from None
        except Exception as error:
            raise PluginError(
                f"{self._where}: the {kind} {part.use!r} cannot take up what is stored: {_line(error)}",
                hint="Was it made with another version of the plugin? The bundle's README.md names the versions.",
            ) from None

    def _state(self, file: str) -> State:
        try:
            return decode_state(self._file(file))
        except ValueError as error:
            raise DataError(f"{self._where}: {file}: cannot be read: {_line(error)}") from None

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            raise DataError(f"{self._where}: {name} is missing")
        return self._files[name]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
