"""Load the parts of a trained system: featurizers, members, fuser and calibration scores."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from asdkit.bundle.calibration import CalibrationScores
from asdkit.bundle.description import EXPORT_AGAIN, Description, FeaturizerPart, Graph, IdPart, MemberPart, PluginPart
from asdkit.bundle.named_files import files_of_options
from asdkit.bundle.onnx_compare import require_same_scores, torch_is_available
from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.config import Config
from asdkit.context import Context, State
from asdkit.errors import AsdkitWarning, DataError, PluginError, Stopped, UsageError
from asdkit.features import Features, FloatArray, Windows, cut_windows
from asdkit.interfaces import Detector, Featurizer, Fuser
from asdkit.onnx import is_available
from asdkit.option_files import FileLookup
from asdkit.plugin_calls import guarded, plugin_call
from asdkit.plugins import Kind, Plugin, Registry, restriction
from asdkit.run.state_codec import decode_state, is_finite
from asdkit.scoring import DoubleArray, score_windows
from asdkit.spec import Top
from asdkit.spec.messages import option_names, validate
from asdkit.spec.positions import dotted
from asdkit.text import error_line, plural, printable

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_OTHER_VERSION = "; was it made with another version of the plugin?"


@dataclass(frozen=True)
class Member:
    """A trained detector of a system.

    Attributes
    ----------
    use
        Name of its plugin.
    featurizer
        Index of its featurizer.
    detectors
        By id; one under ``""`` if all ids share it.
    known_ids
        The ids of the training clips.
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
        """Cut clips into windows."""
        return cut_windows(features.offsets, self.frames, self.hop)

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Return window scores [float32, ``[windows]``]; see `asdkit.api.Detector.score`.

        The detector cannot write to the features, because other members use them, too.
        """
        frames = features.frames.view()
        frames.flags.writeable = False
        try:
            return score_windows(
                self.detectors, self.use, replace(features, frames=frames), windows, ids, self.known_ids, ctx
            )
        except Stopped as error:
            if ctx.should_stop():
                raise
            text = f"detector {self.use!r} of member {self.name}: score stopped, but nobody asked for it"
            raise PluginError(f"{text}: {error.message}") from None


@dataclass(frozen=True)
class LoadedSystem:
    """The parts of a system, ready to score.

    `calibration` holds the calibration scores by id, without the ids that have no clips held out. `member_scores` are
    the members' scores of the same clips [float64, ``[held out, members]``], where the bundle holds them.
    """

    featurizers: list[Featurizer]
    members: list[Member]
    fuser: Fuser | None
    calibration: dict[str, CalibrationScores]
    member_scores: dict[str, DoubleArray]


def load_system(where: str, description: Description, files: Mapping[str, bytes], registry: Registry) -> LoadedSystem:
    """Load all parts of a system.

    Parameters
    ----------
    where
        Name of the bundle in messages.
    description
        Description of the system.
    files
        Content of the files that it refers to.
    registry
        The plugins; nothing else is loaded.

    Raises
    ------
    UsageError, PluginError
        If a file of an option is not there, or a plugin is unknown, broken, or cannot load the stored state.
    DataError
        If a file is damaged.
    """
    loader = _PartLoader(where, files, registry, files_of_options(where, description, files))
    known_ids = [part.name for part in description.ids]
    held_out = {part.name: (part, part.reference) for part in description.ids if part.reference is not None}
    calibration = {id_: loader.calibration(*part) for id_, part in held_out.items()}
    member_scores = {id_: loader.member_scores(*part, len(description.members)) for id_, part in held_out.items()}
    return LoadedSystem(
        [loader.featurizer(part) for part in description.featurizers],
        [loader.member(part, known_ids) for part in description.members],
        None if description.fuser is None else loader.fitted("fuser", description.fuser, description.fuser.state),
        calibration,
        {id_: scores for id_, scores in member_scores.items() if scores is not None},
    )


def find_plugin(where: str, registry: Registry, kind: Kind, use: str, distribution: str = "") -> Plugin:
    """Return a plugin that a bundle or run uses.

    Parameters
    ----------
    where
        Name of the bundle or run in messages.
    distribution
        The distribution that provided the plugin when the bundle was made, if the bundle names it.

    Raises
    ------
    UsageError, PluginError
        If the plugin is unknown or broken.
    """
    try:
        return registry.find(kind, use)
    except PluginError as error:
        raise PluginError(f"{where}: {error.message}", hint=error.hint) from None
    except UsageError:
        advice = "`asdkit plugins` lists the installed ones"
        if _DISTRIBUTION.fullmatch(distribution):
            advice = f"it names the package {distribution} as its source: install that package if you trust it"
        text = f"{where}: no plugin provides the {kind} {printable(use)!r}; {advice}"
        raise UsageError(text, hint=restriction()) from None


def plugin_config(
    where: str, kind: Kind, use: str, model: type[Config], values: Mapping[str, Any], files: FileLookup
) -> Config:
    """Return the options of a plugin from stored values.

    Raises
    ------
    PluginError
        If the plugin does not have such options.
    """
    config, faults = validate(model, values, option_names(model), files)
    for fault in faults:
        key = f"{dotted(fault.path)}: " if fault.path else ""
        raise PluginError(f"{where}: the {kind} {use!r}: {key}{fault.text}{_OTHER_VERSION}")
    assert config is not None  # there are no faults
    return config


class _PartLoader:
    def __init__(
        self, where: str, files: Mapping[str, bytes], registry: Registry, files_of_options: FileLookup
    ) -> None:
        self._where, self._files, self._registry = where, files, registry
        self._files_of_options = files_of_options

    def featurizer(self, part: FeaturizerPart) -> Featurizer:
        featurizer: Featurizer
        if part.state is None:
            featurizer = self._construct("featurizer", part)
        else:
            featurizer = self.fitted("featurizer", part, part.state)
        with self._loading("featurizer", part), plugin_call(featurizer, "rows"):
            featurizer.rows(1)
        return featurizer

    def member(self, part: MemberPart, known_ids: Sequence[str]) -> Member:
        detectors: dict[str, Detector] = {}
        for id_, file in part.states.items():
            self._plugin("detector", part)  # with a graph, too, the plugin must be registered
            graph = part.graphs.get(id_)
            if graph is not None and is_available():
                detectors[id_] = self._graph_detector(part, graph, file)
            else:
                detectors[id_] = self.fitted("detector", part, file)
        return Member(part.name, part.use, part.featurizer, part.frames, part.hop, part.pool, detectors, known_ids)

    def fitted(self, kind: Literal["featurizer", "detector", "fuser"], part: PluginPart, file: str) -> Any:
        """Construct a plugin and load its state."""
        plugin, state = self._construct(kind, part), self._state(file)
        with self._loading(kind, part), plugin_call(plugin, "load"):
            plugin.load(state)
        return plugin

    def calibration(self, part: IdPart, file: str) -> CalibrationScores:
        scores = self._state(file).get("scores")
        if not (isinstance(scores, np.ndarray) and scores.dtype == np.float64 and scores.ndim == 1):
            raise DataError(f"{self._where}: {file}: not the scores of clips held out{EXPORT_AGAIN}")
        if len(scores) != part.held_out:
            counts = f"{plural(part.held_out, 'clip')} held out of id {printable(part.name)}, but {len(scores)} scores"
            raise DataError(f"{self._where}: {file}: {counts}{EXPORT_AGAIN}")
        if (np.diff(scores) < 0).any():
            raise DataError(f"{self._where}: {file}: the scores of clips held out are not ascending{EXPORT_AGAIN}")
        return CalibrationScores(scores)

    def member_scores(self, part: IdPart, file: str, members: int) -> DoubleArray | None:
        """Return the members' scores of the clips held out; None in bundles of early versions."""
        scores = self._state(file).get("members")
        if scores is None:
            return None
        if not (isinstance(scores, np.ndarray) and scores.dtype == np.float64):
            raise DataError(f"{self._where}: {file}: not the members' scores of clips held out{EXPORT_AGAIN}")
        if scores.shape != (part.held_out, members):
            raise DataError(f"{self._where}: {file}: scores of another number of clips or members{EXPORT_AGAIN}")
        return scores

    def _graph_detector(self, part: MemberPart, graph: Graph, file: str) -> Detector:
        """Open a graph; where torch is installed, it must give the scores of the weights beside it."""
        try:
            detector = GraphDetector(self._files[graph.file], part.frames, graph.ids)
            weights = self._weights(part, file) if torch_is_available() else None
            if weights is not None:
                require_same_scores(detector, weights)
            return detector
        except ValueError as error:
            raise DataError(f"{self._where}: {graph.file}: {printable(str(error))}{EXPORT_AGAIN}") from None

    def _weights(self, part: MemberPart, file: str) -> Any:
        """Return the detector whose graph a bundle holds; None, with a warning, where its plugin cannot load it."""
        try:
            return self.fitted("detector", part, file)
        except PluginError as error:
            text = f"{error.message}; the graph is used without comparing it with {file}"
            warnings.warn(text, AsdkitWarning, stacklevel=2)
            return None

    def _construct(self, kind: Kind, part: PluginPart) -> Any:
        plugin = self._plugin(kind, part)
        assert plugin.entry is not None  # a usable plugin has one
        model = plugin.entry.config
        with self._loading(kind, part):
            with guarded(plugin.title, "validation of its options"):
                config = plugin_config(self._where, kind, part.use, model, part.config, self._files_of_options)
            return plugin.construct(config)

    def _plugin(self, kind: Kind, part: PluginPart) -> Plugin:
        return find_plugin(self._where, self._registry, kind, part.use, part.distribution)

    @contextmanager
    def _loading(self, kind: Kind, part: PluginPart) -> Iterator[None]:
        """Name the bundle in an error of a plugin that does not load what the bundle stores for it."""
        try:
            yield
        except PluginError as error:
            cause = error.__cause__
            if cause is None:
                raise
            if isinstance(cause, ImportError):
                raise PluginError(
                    f"{self._where}: the {kind} {part.use!r} needs {cause.name or cause}, which is not installed",
                    hint="Install it, or score a bundle exported with --onnx by onnxruntime (asdkit[onnx]).",
                ) from None
            text = f"{self._where}: cannot load the stored {kind} {part.use!r}: {error.message}{_OTHER_VERSION}"
            raise PluginError(text) from None

    def _state(self, file: str) -> State:
        """Return a stored state with finite numbers."""
        try:
            state = decode_state(self._files[file])
        except ValueError as error:
            raise DataError(f"{self._where}: {file}: cannot be read: {error_line(error, 300)}{EXPORT_AGAIN}") from None
        for key, value in state.items():
            if not is_finite(value):
                raise DataError(
                    f"{self._where}: {file}: {printable(key)} holds NaN or infinite numbers; train it again"
                )
        return state
