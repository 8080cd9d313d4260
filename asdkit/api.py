"""The one module that a plugin imports: interfaces, markers and helpers.

A plugin is an installed package with an entry point in the group ``asdkit``. The entry point names a module, and the
module implements one or more of four hooks (``asdkit_featurizers``, ``asdkit_augmenters``, ``asdkit_detectors``,
``asdkit_fusers``). Each hook returns a list of `Entry`::

    from asdkit.api import Entry, hookimpl
    from .config import KnnConfig                      # light: no torch, no numba

    @hookimpl
    def asdkit_detectors():
        return [Entry("knn", KnnConfig, "asdkit_knn.detector:Knn", summary="Distance to the nearest window.")]

- The options are a `Config`: fields with defaults, bounds and descriptions. The class is constructed as
  ``Knn(KnnConfig(...))`` and follows the protocol of its kind, here `Detector`.
- Every command imports the hook module, so keep it light. The class is imported when a job needs it.
- A plugin does not print, choose files, seed global generators or pick a device: `Context` provides what it needs, and
  the core does all writing. To tell the user something about a result, call ``warnings.warn(message, AsdkitWarning)``.
- `NetworkDetector` and `WindowNetwork` provide the training loop: a torch network is all that remains to write.

Importing this module imports nothing heavy: kernels and the training loop are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import Field

from asdkit.audio import Wave, resample, resampled_length
from asdkit.base_detector import BaseDetector
from asdkit.config import AugmenterConfig, Config, Cost, DetectorConfig, JobOutline, JobSize, NetworkConfig, Scale
from asdkit.context import Context, Scalar, State, StateValue
from asdkit.errors import AsdkitError, AsdkitWarning, NotFitted, Stopped
from asdkit.features import Condition, Features, FloatArray, IntArray, Windows, cut_windows
from asdkit.interfaces import (
    API_VERSION,
    Detector,
    Entry,
    Featurizer,
    FittedFeaturizer,
    Fuser,
    Training,
    WaveAugmenter,
    WindowAugmenter,
    hookimpl,
)
from asdkit.kernels import band_centres, band_spectrum, frame_count, log_mel, mel_centres, mel_filters, mel_spectrogram
from asdkit.layouts.base import Folders, FolderScan, Layout
from asdkit.layouts.clip import Clip, Split
from asdkit.option_files import FilePath
from asdkit.sklearn_state import load_estimator, store_estimator

if TYPE_CHECKING:
    from asdkit.kernels import gather
    from asdkit.kernels.jit import kernel
    from asdkit.onnx import OnnxModel
    from asdkit.onnx.export import export_onnx
    from asdkit.training import NetworkDetector, WindowNetwork

__all__ = [
    "API_VERSION",
    "AsdkitError",
    "AsdkitWarning",
    "AugmenterConfig",
    "BaseDetector",
    "Clip",
    "Condition",
    "Config",
    "Context",
    "Cost",
    "Detector",
    "DetectorConfig",
    "Entry",
    "Features",
    "Featurizer",
    "Field",
    "FilePath",
    "FittedFeaturizer",
    "FloatArray",
    "FolderScan",
    "Folders",
    "Fuser",
    "IntArray",
    "JobOutline",
    "JobSize",
    "Layout",
    "NetworkConfig",
    "NetworkDetector",
    "NotFitted",
    "OnnxModel",
    "Scalar",
    "Scale",
    "Split",
    "State",
    "StateValue",
    "Stopped",
    "Training",
    "Wave",
    "WaveAugmenter",
    "WindowAugmenter",
    "WindowNetwork",
    "Windows",
    "band_centres",
    "band_spectrum",
    "cut_windows",
    "export_onnx",
    "frame_count",
    "gather",
    "hookimpl",
    "kernel",
    "load_estimator",
    "log_mel",
    "mel_centres",
    "mel_filters",
    "mel_spectrogram",
    "resample",
    "resampled_length",
    "store_estimator",
]

_LAZY = {
    "kernel": "asdkit.kernels.jit",
    "gather": "asdkit.kernels",
    "NetworkDetector": "asdkit.training",
    "WindowNetwork": "asdkit.training",
    "OnnxModel": "asdkit.onnx",
    "export_onnx": "asdkit.onnx.export",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
