"""``asdkit adapt``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import message, note
from asdkit.cli.options import (
    BundleArgument,
    FileOption,
    IdOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    VerifyOption,
    open_bundle,
    require_new_file,
)
from asdkit.errors import DataError, ExitCode, UsageError
from asdkit.text import plural, printable

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.adapt import NewClip
    from asdkit.bundle.score_recordings import FileResult


def adapt(
    bundle: BundleArgument,
    healthy: Annotated[
        list[str],
        typer.Option("--healthy", metavar="FILE", help="Healthy recordings, folders or patterns; may be repeated."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The new bundle.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILES...]", help="More healthy recordings, after --healthy.")
    ] = None,
    recentre: Annotated[
        bool,
        typer.Option("--recentre", help="Also move the means of classical detectors to those of the new recordings."),
    ] = False,
    id_: IdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    verify: VerifyOption = None,
    file: FileOption = None,
) -> None:
    """Adapt a bundle to new healthy recordings: another day, room or microphone. Nothing is trained.

    Thresholds, p-values and z-scores follow from the new recordings alone; --false-alarm-rate sets the new
    bundle's. Recordings that say nothing are dropped and listed, and the exit code is then 1.
    """
    from asdkit.bundle.score_recordings import find_recordings

    require_new_file(out)
    opened = open_bundle(
        bundle,
        system,
        machine,
        id_=id_,
        false_alarm_rate=false_alarm_rate,
        threshold=None,
        verify=verify,
        files=file,
    )
    found = find_recordings([*healthy, *(more or [])], opened.description.containers, note)
    clips, dropped = _read(opened, found, id_)
    for path, reason in dropped:
        message(f"dropped: {printable(path)}: {reason}")
    if not clips:
        raise DataError("no healthy recording to adapt to", hint="Name healthy recordings with --healthy.")
    _adapt(opened, bundle, clips, out, recentre)
    if dropped:
        raise typer.Exit(int(ExitCode.PARTIAL))


def _adapt(opened: Bundle, path: Path, clips: list[NewClip], out: Path, recentre: bool) -> None:
    """Adapt, write the new bundle, and say what became of it."""
    from asdkit.bundle.adapt import adapt as adapt_bundle
    from asdkit.bundle.export import export
    from asdkit.files import write_atomic

    source = export(opened) if path.is_dir() else path.read_bytes()
    adapted = adapt_bundle(opened, clips, hashlib.sha256(source).hexdigest(), recentre=recentre)
    data = export(adapted.bundle, healthy=False)
    try:
        write_atomic(out, data)
    except OSError as error:
        raise UsageError(f"{printable(str(out))}: cannot be written: {error.strerror}") from None
    for name in adapted.odd:
        note(f"{printable(name)} scores far above the other new recordings; it is kept: listen to it")
    if recentre:
        kept = [member.name for member in opened.members if member.name not in adapted.centred]
        message(
            f"recentred: {', '.join(adapted.centred) or 'none'}" + (f"; as before: {', '.join(kept)}" if kept else "")
        )
    _report(adapted.bundle, out, data, clips)


def _read(
    bundle: Bundle, paths: Iterable[str | FileResult], id_: str | None
) -> tuple[list[NewClip], list[tuple[str, str]]]:
    """Read the recordings that `asdkit score` would decide on; return them, and the others with the reason."""
    from asdkit.bundle.adapt import NewClip
    from asdkit.bundle.score_recordings import score_files

    clips: list[NewClip] = []
    dropped: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for path in paths:
        (result,) = score_files(bundle, [path], id_)
        if result.verdict is None:
            dropped.append((result.path, result.reason))
            continue
        decoded = bundle.decode(Path(result.path))
        digest = hashlib.sha256(decoded.wave.data).hexdigest()
        if decoded.silence:
            dropped.append((result.path, decoded.silence))
        elif digest in seen:
            dropped.append((result.path, f"the same sound as {printable(seen[digest])}"))
        elif not result.verdict.id_known:
            known = ", ".join(bundle.ids)
            dropped.append((result.path, printable(f"of no known id; name it with --id, one of {known}")))
        else:
            seen[digest] = result.path
            clips.append(NewClip(result.path, decoded.wave, result.verdict.id))
    return clips, dropped


def _report(bundle: Bundle, out: Path, data: bytes, clips: list[NewClip]) -> None:
    """Say what the new bundle supports, and its digest."""
    for text in dict.fromkeys(bundle.calibrator.shortfall(id_) for id_ in bundle.ids):
        if text:
            note(printable(text))
    counts = {id_: sum(clip.id == id_ for clip in clips) for id_ in bundle.ids}
    given = ", ".join(f"{plural(n, 'recording')} of id {id_}" for id_, n in counts.items() if n)
    message(printable(f"{out}: adapted to {given}, {len(data) / 1e6:.1f} MB"))
    for text in bundle.calibrator.limits(id_ for id_, n in counts.items() if n):
        message(printable(f"p-values: {text}"))
    message(f"SHA-256 {hashlib.sha256(data).hexdigest()}")
