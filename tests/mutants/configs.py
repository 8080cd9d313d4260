"""Broken options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict

from asdkit.api import DetectorConfig, Field, FilePath
from asdkit.option_files import files_in
from tests.mutants import add, sound


class Detector(sound.Detector):
    def __init__(self, config):
        super().__init__(sound.SoundConfig())


class NoDefault(DetectorConfig):
    order: float = Field(ge=1, description="has no default")


class NoSchema(sound.SoundConfig):
    hidden: Callable[[], int] | None = Field(None, description="has no JSON Schema")


class NoDescription(sound.SoundConfig):
    order: float = Field(2.0, ge=1, le=4)


class Anything(sound.SoundConfig):
    also: Any = Field(None, description="accepts anything")


class NoBounds(sound.SoundConfig):
    shift: float = Field(0.0, description="dB; no bounds")


class WrongDefault(sound.SoundConfig):
    order: float = Field(0.5, ge=1, le=4, description="its own default is refused")


class WithFile(sound.SoundConfig):
    file: FilePath = Field(default_factory=lambda: files_in(Path())(__file__), description="any file")


class OpensThePath(Detector):
    def __init__(self, config):
        super().__init__(config)
        self.size = np.float32(len(Path(config.file.name).read_bytes()))

    def distance(self, frames):
        return super().distance(frames) * self.size


class Lax(sound.SoundConfig):
    model_config = ConfigDict(extra="ignore")


add("detector", "defaults_construct", "options_are_validated", NoDefault, sound.Detector)
add("detector", "files_are_read_by_their_options", "options_are_validated", WithFile, OpensThePath)
add("detector", "options_are_documented", "options_are_validated", NoDescription, sound.Detector)
add("detector", "options_are_documented", "options_are_validated", NoSchema, sound.Detector)
for config in (Anything, NoBounds, WrongDefault, Lax):
    add("detector", "options_are_validated", "options_are_documented", config, Detector)
