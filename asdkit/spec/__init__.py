"""The spec: read ``spec.toml``, merge its tables, check them, and return settings."""

from asdkit.spec.load import load_spec
from asdkit.spec.settings import (
    RESERVED_NAMES,
    AugmenterSettings,
    CalibrationSettings,
    ComputeSettings,
    DataSettings,
    DetectorSettings,
    FeaturizerSettings,
    PluginSettings,
    SystemSettings,
    Top,
)
from asdkit.spec.spec import Spec

__all__ = [
    "RESERVED_NAMES",
    "AugmenterSettings",
    "CalibrationSettings",
    "ComputeSettings",
    "DataSettings",
    "DetectorSettings",
    "FeaturizerSettings",
    "PluginSettings",
    "Spec",
    "SystemSettings",
    "Top",
    "load_spec",
]
