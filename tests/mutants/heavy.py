"""A hook module that imports torch at its top."""

import torch  # noqa: F401

from tests.mutants import add, sound


class Config(sound.SoundConfig):
    pass


add("detector", "registering_is_light", "runs_without_cuda", Config, sound.Detector)
