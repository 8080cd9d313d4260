"""Whether a recording is made as the healthy ones were: where it is not, what is promised of p-values does not hold.

From what a person names to recordings, and from recordings to rows, a block at a time.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asdkit import audio
from asdkit.audio import AudioInfo, Wave
from asdkit.audio.io import suffixes
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.description import Description
from asdkit.bundle.result import Verdict
from asdkit.data.layouts.base import is_recording
from asdkit.errors import BadAudio, DataError

SILENT = "silent; the score says nothing of the machine"
_MUCH = 0.1  # part of a length that makes no difference worth telling


def differences(description: Description, sample_rate: int, seconds: float) -> list[str]:
    """How a recording differs from the healthy ones, in words that are the same for all that differ so.

    Parameters
    ----------
    description
        Of the bundle.
    sample_rate
        The recording's own [Hz].
    seconds
        Its length.
    """
    made = description.recorded
    if made is None:
        return []
    told = []
    if sample_rate not in made.rates:
        rates = " or ".join(map(str, made.rates))
        told.append(f"not recorded at {rates} Hz as the healthy ones were, but resampled; p-values may not hold")
    if seconds < made.shortest * (1 - _MUCH):
        told.append(f"shorter than the shortest healthy one ({made.shortest:.3g} s); p-values may not hold")
    if seconds > made.longest * (1 + _MUCH):
        told.append(f"longer than the longest healthy one ({made.longest:.3g} s); p-values may not hold")
    return told


_ID = re.compile(r"(?:^|_)(?:id|section)_([0-9A-Za-z]+)(?=[_.]|$)", re.IGNORECASE)
_CLIPS, _SAMPLES = 64, 1 << 25  # of a block, at most: memory is bounded however many and long files are
_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True)
class FileResult:
    """What became of one file: a verdict, or the reason why there is none.

    Attributes
    ----------
    path
        As it was found.
    notes
        What a person should know of the verdict, in words that are the same for all files that it is true of.
    """

    path: str
    verdict: Verdict | None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """A file that may be a recording, and its header."""

    path: str
    info: AudioInfo


def find_recordings(named: Sequence[str], containers: Collection[str] = ()) -> Iterator[str | FileResult]:
    """Recordings that files, folders, patterns and ``-`` (paths on standard input) stand for, in order.

    A named file is taken whatever its ending is; in folders (searched through) and by patterns WAV, FLAC and these
    containers are. Where nothing is found, a `FileResult` says so.
    """
    endings = suffixes(containers)
    for name in named:
        if name == "-":
            yield from _from_stdin()
        elif os.path.isdir(name):
            yield from _some(_below(name, endings), name, "no recording in this folder")
        elif os.path.lexists(name) or not _MAGIC.search(name):
            yield name
        else:
            paths = (path for path in sorted(glob.glob(name, recursive=True)) if is_recording(path, endings))
            yield from _some(filter(os.path.isfile, paths), name, "no recording fits this pattern")


def _from_stdin() -> Iterator[str | FileResult]:
    for line in sys.stdin.buffer:
        path = os.fsdecode(line.rstrip(b"\r\n"))
        if "\0" in path:
            yield FileResult(path, None, "not a path, for it holds a NUL byte; expected one path a line")
        elif path.strip():
            yield path


def _below(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        found = (name for name in sorted(files) if is_recording(name, endings) and name[0] != ".")
        yield from (os.path.join(path, name) for name in found)


def _some(found: Iterator[str], name: str, reason: str) -> Iterator[str | FileResult]:
    first = next(found, None)
    if first is None:
        yield FileResult(name, None, reason)
        return
    yield first
    yield from found


def id_from_path(path: str, known: Iterable[str]) -> str | None:
    """The machine id that a file's name says (``id_00``, ``section_00``), or else the folder that it lies in.

    A folder counts where it is called as an id of `known` is, plain or with ``id_`` before it.
    """
    match = _ID.search(os.path.basename(path))
    if match:
        return match[1]
    folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
    match = _ID.fullmatch(folder)
    plain = match[1] if match else folder
    return plain if plain in known else None


def score_files(bundle: Bundle, paths: Iterable[str | FileResult], id_: str | None = None) -> Iterator[FileResult]:
    """Score recordings in order.

    Blocks are read and scored one after the other; the first ones are small, so that the first rows come soon.

    Parameters
    ----------
    bundle
        What scores them.
    paths
        As `find_recordings` gives them; its rows pass through.
    id_
        Id of all of them; None: what each name says.
    """
    size = 1
    block: list[_Found | FileResult] = []
    samples = 0
    for path in paths:
        found = path if isinstance(path, FileResult) else _look(path, bundle.description.containers)
        block.append(found)
        samples += 0 if isinstance(found, FileResult) else audio.samples_at(found.info, bundle.sample_rate)
        if len(block) >= size or samples >= _SAMPLES:
            yield from _score_block(bundle, block, id_)
            block, samples, size = [], 0, min(2 * size, _CLIPS)
    if block:
        yield from _score_block(bundle, block, id_)


def _look(path: str, containers: Collection[str]) -> _Found | FileResult:
    try:
        return _Found(path, audio.inspect(path, containers=containers))
    except BadAudio as error:
        return FileResult(path, None, error.reason)


def _score_block(bundle: Bundle, block: Sequence[_Found | FileResult], id_: str | None) -> Iterator[FileResult]:
    threads = max(1, bundle.ctx.threads)
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(partial(_read, bundle), block))
    rows = {i: found for i, found in enumerate(read) if isinstance(found, FileResult)}
    waves = {i: found for i, found in enumerate(read) if not isinstance(found, FileResult)}
    ids = {i: id_ or id_from_path(block[i].path, bundle.ids) for i in waves}
    for i, made in _verdicts(bundle, waves, ids).items():
        found = block[i]
        assert isinstance(found, _Found)  # it has a wave
        if isinstance(made, str):
            rows[i] = FileResult(found.path, None, made)
        else:
            rows[i] = FileResult(found.path, made, notes=_notes(bundle, found.info, waves[i]))
    yield from (rows[i] for i in range(len(block)))


def _read(bundle: Bundle, found: _Found | FileResult) -> Wave | FileResult:
    if isinstance(found, FileResult):
        return found
    try:
        wave = bundle.read(Path(found.path))
    except BadAudio as error:
        return FileResult(found.path, None, error.reason)
    reason = bundle.too_short(len(wave))
    return FileResult(found.path, None, reason) if reason else wave


def _notes(bundle: Bundle, info: AudioInfo, wave: Wave) -> tuple[str, ...]:
    silent = [SILENT] if audio.is_silent(wave) else []
    return (*silent, *differences(bundle.description, info.sample_rate, info.seconds))


def _verdicts(bundle: Bundle, waves: dict[int, Wave], ids: dict[int, str | None]) -> dict[int, Verdict | str]:
    """Score waves together; where that fails for one of them, each alone, and the reason for that one."""
    if not waves:
        return {}
    try:
        return dict(zip(waves, bundle.score_waves(list(waves.values()), list(ids.values())), strict=True))
    except DataError as error:
        if len(waves) == 1:
            return dict.fromkeys(waves, error.message)
    made: dict[int, Verdict | str] = {}
    for i in waves:
        made |= _verdicts(bundle, {i: waves[i]}, {i: ids[i]})
    return made
