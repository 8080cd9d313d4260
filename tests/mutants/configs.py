"""Broken options."""

from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict

from asdkit.api import DetectorConfig, Field
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


class Lax(sound.SoundConfig):
    model_config = ConfigDict(extra="ignore")


add("detector", "defaults_construct", "options_are_validated", NoDefault, sound.Detector)
add("detector", "options_are_documented", "options_are_validated", NoDescription, sound.Detector)
add("detector", "options_are_documented", "options_are_validated", NoSchema, sound.Detector)
for config in (Anything, NoBounds, WrongDefault, Lax):
    add("detector", "options_are_validated", "options_are_documented", config, Detector)
