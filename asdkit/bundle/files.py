"""From what a person names to recordings, and from recordings to rows, a block at a time."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asdkit import audio
from asdkit.audio import Wave
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.verdict import Verdict
from asdkit.dataset.survey import is_recording
from asdkit.errors import BadAudio, DataError

_ID = re.compile(r"(?:^|_)(?:id|section)_([0-9A-Za-z]+)(?=[_.]|$)", re.IGNORECASE)
_CLIPS, _SAMPLES = 64, 1 << 25  # of a block, at most: memory is bounded however many and long files are
_SILENT = "silent; its score says nothing of the machine"
_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Row:
    """What became of one file: a verdict, or the reason why there is none.

    Attributes
    ----------
    path
        As it was found.
    note
        What a person should know of the verdict.
    """

    path: str
    verdict: Verdict | None
    reason: str = ""
    note: str = ""


def find_recordings(named: Sequence[str]) -> Iterator[str | Row]:
    """Recordings that files, folders, patterns and ``-`` (paths on standard input) stand for, in order.

    A named file is taken whatever its ending is; in folders (searched through) and by patterns WAV and FLAC are. Where
    nothing is found, a `Row` says so.
    """
    for name in named:
        if name == "-":
            yield from _from_stdin()
        elif os.path.isdir(name):
            yield from _some(_below(name), name, "no recording in this folder")
        elif os.path.lexists(name) or not _MAGIC.search(name):
            yield name
        else:
            found = (p for p in sorted(glob.glob(name, recursive=True)) if is_recording(p) and os.path.isfile(p))
            yield from _some(found, name, "no recording fits this pattern")


def _from_stdin() -> Iterator[str | Row]:
    for line in sys.stdin.buffer:
        path = os.fsdecode(line.rstrip(b"\r\n"))
        if "\0" in path:
            yield Row(path, None, "not a path, for it holds a NUL byte; expected one path a line")
        elif path.strip():
            yield path


def _below(folder: str) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(path, name) for name in sorted(files) if is_recording(name) and name[0] != ".")


def _some(found: Iterator[str], name: str, reason: str) -> Iterator[str | Row]:
    first = next(found, None)
    if first is None:
        yield Row(name, None, reason)
        return
    yield first
    yield from found


def id_of(path: str, known: Iterable[str]) -> str | None:
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


def score_files(bundle: Bundle, paths: Iterable[str | Row], id_: str | None = None) -> Iterator[Row]:
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
    block: list[str | Row] = []
    samples = 0
    for path in paths:
        block.append(path)
        samples += 0 if isinstance(path, Row) else _samples(path, bundle.sample_rate)
        if len(block) >= size or samples >= _SAMPLES:
            yield from _score_block(bundle, block, id_)
            block, samples, size = [], 0, min(2 * size, _CLIPS)
    if block:
        yield from _score_block(bundle, block, id_)


def _samples(path: str, sample_rate: int) -> int:
    try:
        return audio.samples_at(audio.inspect(path), sample_rate)
    except BadAudio:
        return 0


def _score_block(bundle: Bundle, block: Sequence[str | Row], id_: str | None) -> Iterator[Row]:
    threads = max(1, bundle.ctx.threads)
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(partial(_read, bundle), block))
    rows = {i: found for i, found in enumerate(read) if isinstance(found, Row)}
    waves = {i: found for i, found in enumerate(read) if not isinstance(found, Row)}
    ids = {i: id_ or id_of(str(block[i]), bundle.ids) for i in waves}
    rows |= _verdicts(bundle, block, waves, ids)
    yield from (rows[i] for i in range(len(block)))


def _read(bundle: Bundle, path: str | Row) -> Wave | Row:
    if isinstance(path, Row):
        return path
    try:
        wave = audio.read(Path(path), sample_rate=bundle.sample_rate, channel=bundle.description.channel)
    except BadAudio as error:
        return Row(path, None, error.reason)
    reason = bundle.too_short(len(wave))
    return Row(path, None, reason) if reason else wave


def _verdicts(
    bundle: Bundle, block: Sequence[str | Row], waves: dict[int, Wave], ids: dict[int, str | None]
) -> dict[int, Row]:
    """Score waves together; where that fails for one of them, each alone."""
    if not waves:
        return {}
    try:
        verdicts = bundle.score_waves(list(waves.values()), list(ids.values()))
        return {
            i: Row(str(block[i]), verdict, note=_SILENT if audio.is_silent(waves[i]) else "")
            for i, verdict in zip(waves, verdicts, strict=True)
        }
    except DataError as error:
        if len(waves) == 1:
            [index] = waves
            return {index: Row(str(block[index]), None, error.message)}
    rows: dict[int, Row] = {}
    for i in waves:
        rows |= _verdicts(bundle, block, {i: waves[i]}, {i: ids[i]})
    return rows
