"""The command lists recordings by level."""

import numpy as np
import pytest
import soundfile
from asdkit_loudness import asdkit_commands
from asdkit_loudness.command import loudness

from asdkit.errors import DataError


def test_the_loudest_comes_first(tmp_path, capsys):
    for name, amplitude in (("soft.wav", 0.01), ("loud.flac", 1.0), ("medium.wav", 0.1)):
        soundfile.write(tmp_path / name, amplitude * np.tile([0.5, -0.5], 500), 16000, subtype="PCM_24")
    loudness(tmp_path, least=-30.0)
    assert capsys.readouterr().out.splitlines() == ["   -6.0 dB  loud.flac", "  -26.0 dB  medium.wav"]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="no WAV or FLAC files"):
        loudness(tmp_path)
    (tmp_path / "bad.wav").write_text("not audio")
    with pytest.raises(DataError, match=r"bad\.wav: "):
        loudness(tmp_path)


def test_the_hook_names_the_function():
    (command,) = asdkit_commands()
    assert command.load() is loudness
