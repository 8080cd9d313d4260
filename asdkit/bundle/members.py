"""The parts of a trained system, made of a description and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from asdkit.bundle.calibration import CalibrationScores
from asdkit.bundle.description import ANEW, Description, Graph, IdPart, MemberPart, PluginPart
from asdkit.config import Config
from asdkit.context import Context, State
from asdkit.errors import AsdkitError, DataError, PluginError, UsageError
from asdkit.features import Features, FloatArray, Windows, cut_windows
from asdkit.interfaces import Detector, Entry, Featurizer, Fuser
from asdkit.plugins import Kind, Registry, restriction
from asdkit.plugins import Plugin as Installed
from asdkit.run.state import decode_state
from asdkit.scoring import DoubleArray, fuse_scores, score_windows
from asdkit.spec import Top
from asdkit.spec.messages import option_names, validate
from asdkit.spec.positions import dotted
from asdkit.text import printable

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_OTHER_VERSION = "; was it made with another version of the plugin?"
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
    known_ids
        Ids that were in training.
    """

    name: str
    use: str
    featurizer: int
    frames: int | Literal["clip"]
    hop: int
    pool: Literal["mean", "max"] | Top
    detectors: Mapping[str, Detector]
    known_ids: Sequence[str]

    def windows(self, features: Features) -> Windows:
        """Cut clips into its windows."""
        return cut_windows(features.offsets, self.frames, self.hop)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows [float32, ``[windows]``] of clips of these ids; see `asdkit.api.Detector.score`."""
        try:
            return score_windows(self.detectors, self.use, features, windows, ids, self.known_ids, ctx)
        except AsdkitError:
            raise
        except Exception as error:
            raise PluginError(
                f"the detector {self.use!r} of member {self.name} failed to score: {_line(error)}"
            ) from None


def fuse_guarded(
    fuser: Any, use: str, members: DoubleArray, ids: Sequence[str], some: Sequence[int] | None = None
) -> DoubleArray:
    """Fuse scores of all members or, by ``fuse_some``, of those at some places; whatever goes wrong is the plugin's."""
    try:
        fuse = fuser.fuse if some is None else partial(fuser.fuse_some, members=some)
        return fuse_scores(fuse, use, members, ids)
    except AsdkitError:
        raise
    except Exception as error:
        raise PluginError(f"the fuser {use!r} failed to fuse: {_line(error)}") from None


def plugin_config(where: str, kind: Kind, use: str, model: type[Config], values: Mapping[str, Any]) -> Config:
    """Make the options of a plugin of what was kept of them.

    Raises
    ------
    PluginError
        If it has no such options any more.
    """
    config, faults = validate(model, values, option_names(model))
    for fault in faults:
        place = f"{dotted(fault.path)}: " if fault.path else ""
        raise PluginError(f"{where}: the {kind} {use!r}: {place}{fault.text}{_OTHER_VERSION}")
    assert config is not None  # there are no faults
    return config


@dataclass(frozen=True)
class Parts:
    """All that scores: what a bundle holds, alive."""

    featurizers: list[Featurizer]
    members: list[Member]
    fuser: Fuser | None
    references: dict[str, CalibrationScores]


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
    known_ids = [part.name for part in description.ids]
    return Parts(
        [maker.featurizer(part) for part in description.featurizers],
        [maker.member(part, known_ids) for part in description.members],
        None if description.fuser is None else maker.loaded("fuser", description.fuser, description.fuser.state),
        {part.name: maker.reference(part, part.reference) for part in description.ids if part.reference is not None},
    )


def find_plugin(where: str, registry: Registry, kind: Kind, use: str, distribution: str = "") -> Installed:
    """Find a plugin that a bundle or run needs.

    Parameters
    ----------
    where
        What messages call it.
    distribution
        What brought the plugin where the bundle was made, as far as the bundle says.

    Raises
    ------
    UsageError, PluginError
        If there is none, or it is broken.
    """
    try:
        return registry.find(kind, use)
    except PluginError as error:
        raise PluginError(f"{where}: {error.message}", hint=error.hint) from None
    except UsageError:
        source = "`asdkit plugins` lists those installed"
        if _DISTRIBUTION.fullmatch(distribution):
            source = f"it says that the package {distribution} does: install that, if you trust it"
        text = f"{where}: no plugin provides the {kind} {printable(use)!r}; {source}"
        raise UsageError(text, hint=restriction()) from None


class _Maker:
    def __init__(self, where: str, files: Mapping[str, bytes], registry: Registry) -> None:
        self._where, self._files, self._registry = where, files, registry

    def featurizer(self, part: PluginPart) -> Featurizer:
        made: Featurizer = self._made("featurizer", part)
        self._guarded("featurizer", part, lambda: made.rows(1))
        return made

    def member(self, part: MemberPart, known_ids: Sequence[str]) -> Member:
        from asdkit.bundle.onnx_runtime import available

        detectors: dict[str, Detector] = {}
        for id_, file in part.states.items():
            self._entry("detector", part)  # a graph is no way around it
            graph = part.graphs.get(id_)
            if graph is not None and available():
                detectors[id_] = self._graph(part, graph)
            else:
                detectors[id_] = self.loaded("detector", part, file)
        return Member(part.name, part.use, part.featurizer, part.frames, part.hop, part.pool, detectors, known_ids)

    def loaded(self, kind: Literal["detector", "fuser"], part: PluginPart, file: str) -> Any:
        """Make a detector or fuser that has learnt already."""
        made, state = self._made(kind, part), self._state(file)
        self._guarded(kind, part, lambda: made.load(state))
        return made

    def reference(self, part: IdPart, file: str) -> CalibrationScores:
        scores = self._state(file).get("scores")
        if not (isinstance(scores, np.ndarray) and scores.dtype == np.float64 and scores.ndim == 1):
            raise DataError(f"{self._where}: {file}: not the scores of clips held out{ANEW}")
        if len(scores) != part.held_out:
            counts = f"{part.held_out} clips held out of id {printable(part.name)}, but the scores of {len(scores)}"
            raise DataError(f"{self._where}: {file}: {counts}{ANEW}")
        if (np.diff(scores) < 0).any():
            raise DataError(f"{self._where}: {file}: the scores of clips held out do not ascend{ANEW}")
        return CalibrationScores(scores)

    def _graph(self, part: MemberPart, graph: Graph) -> Detector:
        from asdkit.bundle.onnx_runtime import GraphDetector

        try:
            return GraphDetector(self._files[graph.file], part.frames, graph.ids)
        except ValueError as error:
            raise DataError(f"{self._where}: {graph.file}: {printable(str(error))}") from None

    def _made(self, kind: Kind, part: PluginPart) -> Any:
        entry = self._entry(kind, part)
        config = self._guarded(
            kind, part, lambda: plugin_config(self._where, kind, part.use, entry.config, part.config)
        )
        return self._guarded(kind, part, lambda: entry.load()(config))

    def _entry(self, kind: Kind, part: PluginPart) -> Entry:
        entry = find_plugin(self._where, self._registry, kind, part.use, part.distribution).entry
        assert entry is not None  # a good plugin has one
        return entry

    def _guarded(self, kind: Kind, part: PluginPart, make: Callable[[], Made]) -> Made:
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
                f"{self._where}: the {kind} {part.use!r} cannot take up what is stored: {_line(error)}{_OTHER_VERSION}"
            ) from None

    def _state(self, file: str) -> State:
        """What was learnt; all of it are numbers that can be reckoned with."""
        try:
            state = decode_state(self._files[file])
        except ValueError as error:
            raise DataError(f"{self._where}: {file}: cannot be read: {_line(error)}{ANEW}") from None
        for key, value in state.items():
            if isinstance(value, float | np.ndarray) and not _is_finite(value):
                raise DataError(f"{self._where}: {file}: {printable(key)} holds NaN or infinite numbers; train it anew")
        return state


def _is_finite(value: float | npt.NDArray[Any]) -> bool:
    array = np.asarray(value)
    return not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())


def _line(error: Exception) -> str:
    text = printable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:300]}"
