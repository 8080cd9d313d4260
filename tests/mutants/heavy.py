"""A hook module that imports torch at its top."""

import torch  # noqa: F401

from tests.mutants import add, sound


class Config(sound.SoundConfig):
    pass


add("registering_is_light", "detector", Config, sound.Detector)
