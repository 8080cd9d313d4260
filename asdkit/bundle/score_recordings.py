"""Find recordings (files, folders, patterns, standard input) and score them block by block."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asdkit import audio
from asdkit.audio import AudioInfo, Decoded, UnreadFiles, Wave
from asdkit.audio.io import suffixes
from asdkit.bundle.bundle import Bundle
from asdkit.bundle.description import Description
from asdkit.bundle.lengths import too_long
from asdkit.bundle.plausibility import implausible, level_remarks
from asdkit.bundle.result import Verdict
from asdkit.errors import AsdkitError, BadAudio, DataError, PluginError
from asdkit.layouts.base import is_recording
from asdkit.text import error_message, printable

_LENGTH_TOLERANCE = 0.1  # share of a length
_ID = re.compile(r"(?:^|_)(?:id|section)_([0-9A-Za-z]+)(?=[_.]|$)", re.IGNORECASE)
_MAGIC = re.compile(r"[*?[]")
BLOCK_CLIPS, _BLOCK_SAMPLES = 64, 1 << 24  # largest block: memory is bounded for many files and for long ones


@dataclass(frozen=True)
class FileResult:
    """Result for one file: a verdict, or the reason why there is none.

    Attributes
    ----------
    path
        As it was found.
    notes
        Remarks on the verdict. The text is the same for all files with the same remark.
    plugin_failed
        Whether an error of a plugin is the reason.
    """

    path: str
    verdict: Verdict | None
    reason: str = ""
    notes: tuple[str, ...] = ()
    plugin_failed: bool = False


@dataclass(frozen=True)
class _Recording:
    """A file with an audio header."""

    path: str
    info: AudioInfo


def find_recordings(
    names: Sequence[str], containers: Collection[str] = (), notify: Callable[[str], None] = lambda _: None
) -> Iterator[str | FileResult]:
    """Yield the paths of the recordings in files, folders, patterns and ``-`` (paths on standard input), in order.

    A named file is taken with any extension. Folders are searched recursively; from folders and patterns, WAV, FLAC
    and `containers` are taken. A name without recordings gives a `FileResult` with the reason. `notify` is called with
    one line for each folder or pattern with audio files that are not taken.
    """
    endings = suffixes(containers)
    for name in names:
        unread = UnreadFiles(containers)
        if name == "-":
            yield from _paths_from_stdin()
        elif os.path.isdir(name):
            yield from _or_reason(_recordings_below(name, endings, unread), name, "no recording in this folder")
        elif os.path.lexists(name) or not _MAGIC.search(name):
            yield name
        else:
            paths = filter(os.path.isfile, sorted(glob.glob(name, recursive=True)))
            recordings = _recordings_among(paths, endings, unread)
            yield from _or_reason(recordings, name, "no recording matches this pattern")
        if line := unread.line():
            notify(f"{printable(name)}: {line}")


def score_files(
    bundle: Bundle, paths: Iterable[str | FileResult], id_: str | None = None, *, block: int = 1
) -> Iterator[FileResult]:
    """Score recordings in order.

    Recordings are read and scored in blocks. The first blocks are small, so that the first results come early.

    Parameters
    ----------
    bundle
        The system.
    paths
        As `find_recordings` yields them; `FileResult` items pass through.
    id_
        Id of all recordings; None: the id in each path.
    block
        Recordings of the first block.
    """
    size = block
    items: list[_Recording | FileResult] = []
    samples = 0
    for path in paths:
        item = path if isinstance(path, FileResult) else _inspect(path, bundle)
        own_samples = 0 if isinstance(item, FileResult) else audio.samples_at(item.info, bundle.sample_rate)
        if items and own_samples >= _BLOCK_SAMPLES:  # a long recording is a block of its own
            yield from _score_block(bundle, items, id_)
            items, samples = [], 0
        items.append(item)
        samples += own_samples
        if len(items) >= size or samples >= _BLOCK_SAMPLES:
            yield from _score_block(bundle, items, id_)
            items, samples, size = [], 0, min(2 * size, BLOCK_CLIPS)
    if items:
        yield from _score_block(bundle, items, id_)


def id_from_path(path: str, known: Iterable[str]) -> str | None:
    """Return the machine id in a file name (``id_00``, ``section_00``), else the name of its folder, else None.

    The folder counts if its name, without a leading ``id_``, is one of the `known` ids.
    """
    match = _ID.search(os.path.basename(path))
    if match:
        return match[1]
    folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
    match = _ID.fullmatch(folder)
    id_ = match[1] if match else folder
    return id_ if id_ in known else None


def differences(description: Description, sample_rate: int, seconds: float) -> list[str]:
    """Return how a recording differs from the healthy ones, in which case the guarantee of p-values may not hold.

    Parameters
    ----------
    description
        Description of the bundle.
    sample_rate
        Sample rate of the recording before resampling [Hz].
    seconds
        Its duration.
    """
    healthy = description.recorded
    if healthy is None:
        return []
    texts = []
    if sample_rate not in healthy.rates:
        rates = " or ".join(map(str, healthy.rates))
        texts.append(f"not recorded at {rates} Hz like the healthy ones, but resampled; p-values may not hold")
    if seconds < healthy.shortest * (1 - _LENGTH_TOLERANCE):
        texts.append(f"shorter than the shortest healthy one ({healthy.shortest:.3g} s); p-values may not hold")
    if seconds > healthy.longest * (1 + _LENGTH_TOLERANCE):
        texts.append(f"longer than the longest healthy one ({healthy.longest:.3g} s); p-values may not hold")
    return texts


def _paths_from_stdin() -> Iterator[str | FileResult]:
    for line in sys.stdin.buffer:
        path = os.fsdecode(line.rstrip(b"\r\n"))
        if "\0" in path:
            yield FileResult(path, None, "not a path: it has a NUL byte; expected one path a line")
        elif path.strip():
            yield path


def _recordings_below(folder: str, endings: tuple[str, ...], unread: UnreadFiles) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        visible = (os.path.join(path, name) for name in sorted(files) if name[0] != ".")
        yield from _recordings_among(visible, endings, unread)


def _recordings_among(paths: Iterable[str], endings: tuple[str, ...], unread: UnreadFiles) -> Iterator[str]:
    for path in paths:
        if is_recording(path, endings):
            yield path
        else:
            unread.add(path)


def _or_reason(paths: Iterator[str], name: str, reason: str) -> Iterator[str | FileResult]:
    """Yield the paths; if there are none, yield the reason."""
    first = next(paths, None)
    if first is None:
        yield FileResult(name, None, reason)
        return
    yield first
    yield from paths


def _inspect(path: str, bundle: Bundle) -> _Recording | FileResult:
    rate = bundle.sample_rate
    try:
        info = audio.inspect(path, containers=bundle.description.containers)
    except BadAudio as error:
        return FileResult(path, None, error.reason)
    try:
        reason = audio.too_long(info, rate) or too_long(
            bundle.description.featurizers, bundle.featurizers, audio.samples_at(info, rate), rate
        )
    except PluginError as error:
        return FileResult(path, None, error.message, plugin_failed=True)
    return FileResult(path, None, reason) if reason else _Recording(path, info)


def _score_block(bundle: Bundle, block: Sequence[_Recording | FileResult], id_: str | None) -> Iterator[FileResult]:
    threads = max(1, bundle.ctx.threads)
    with ThreadPoolExecutor(threads) as pool:
        decoded_or_results = list(pool.map(partial(_read, bundle), block))
    results = {i: result for i, result in enumerate(decoded_or_results) if isinstance(result, FileResult)}
    decoded = {i: one for i, one in enumerate(decoded_or_results) if not isinstance(one, FileResult)}
    ids = {i: id_ or id_from_path(block[i].path, bundle.ids) for i in decoded}
    for i, verdict in _verdicts(bundle, {i: one.wave for i, one in decoded.items()}, ids).items():
        recording = block[i]
        assert isinstance(recording, _Recording)  # it has a wave
        if isinstance(verdict, AsdkitError):
            failed = isinstance(verdict, PluginError)
            results[i] = FileResult(recording.path, None, verdict.message, plugin_failed=failed)
        else:
            verdict = verdict.undecided(decoded[i].silence) if decoded[i].silence else verdict
            results[i] = FileResult(recording.path, verdict, notes=_notes(bundle, recording.info, decoded[i]))
    yield from (results[i] for i in range(len(block)))


def _read(bundle: Bundle, item: _Recording | FileResult) -> Decoded | FileResult:
    if isinstance(item, FileResult):
        return item
    try:
        decoded = bundle.decode(Path(item.path))
    except BadAudio as error:
        return FileResult(item.path, None, error.reason)
    try:
        reason = bundle.too_short(len(decoded.wave)) or implausible(bundle.description, decoded.wave)
    except PluginError as error:
        return FileResult(item.path, None, error.message, plugin_failed=True)
    return FileResult(item.path, None, reason) if reason else decoded


def _notes(bundle: Bundle, info: AudioInfo, decoded: Decoded) -> tuple[str, ...]:
    notes = [note for note in (decoded.silence, info.note) if note]
    notes += [] if decoded.silence else level_remarks(bundle.description, decoded.wave)
    return (*notes, *differences(bundle.description, info.sample_rate, info.seconds))


def _verdicts(bundle: Bundle, waves: dict[int, Wave], ids: dict[int, str | None]) -> dict[int, Verdict | AsdkitError]:
    """Score waves together; if one of them cannot be scored, score each alone and return the error of that one."""
    if not waves:
        return {}
    try:
        return dict(zip(waves, bundle.score_waves(list(waves.values()), list(ids.values())), strict=True))
    except (DataError, PluginError) as error:
        if len(waves) == 1:
            return dict.fromkeys(waves, error)
    except MemoryError as error:
        if len(waves) == 1:
            (wave,) = waves.values()
            text = f"{len(wave) / bundle.sample_rate:.0f} s long: there is not enough memory to score it"
            return dict.fromkeys(waves, DataError(f"{text} ({error_message(error)})"))
    verdicts: dict[int, Verdict | AsdkitError] = {}
    for i in waves:
        verdicts |= _verdicts(bundle, {i: waves[i]}, {i: ids[i]})
    return verdicts
