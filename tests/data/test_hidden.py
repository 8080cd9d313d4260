"""Recordings that are hidden are no clips, but they are counted."""

from __future__ import annotations

import warnings
from pathlib import Path

from asdkit.data import find_clips
from asdkit.errors import AsdkitWarning
from tests.helpers.audio_corpus import wav


def test_hidden_recordings_are_left_out_and_told_once(tmp_path: Path) -> None:
    train = tmp_path / "fan" / "train"
    train.mkdir(parents=True)
    for name in ("a.wav", "b.wav", "._a.wav", ".x.wav", ".notes"):
        (train / name).write_bytes(wav())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clips = find_clips("folder", tmp_path)
    assert [clip.name for clip in clips] == ["fan/train/a.wav", "fan/train/b.wav"]
    [told] = [str(warning.message) for warning in caught if issubclass(warning.category, AsdkitWarning)]
    assert "ignored 2 files or folders" in told
    assert "fan/train/.x.wav" in told
