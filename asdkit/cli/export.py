"""``asdkit export``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import message, note
from asdkit.cli.options import RunMachineOption, SystemOption, require_new_file
from asdkit.errors import UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle import Bundle


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The bundle, such as fan.asdkit.")],
    system: SystemOption = None,
    machine: RunMachineOption = None,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Add ONNX graphs of the networks, for scoring with onnxruntime and without torch (asdkit[onnx]).",
        ),
    ] = False,
    without_files: Annotated[
        bool,
        typer.Option(
            "--without-files",
            help="Store only the SHA-256 of files that options name, such as models; `--file` supplies them later.",
        ),
    ] = False,
    healthy_clips: Annotated[
        bool,
        typer.Option(
            "--healthy-clips/--no-healthy-clips",
            help="Keep some healthy recordings of each id, for `asdkit explain` (docs/score.md says how many).",
        ),
    ] = True,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="KEY.pem",
            help="Also write FILE.sig, its signature by this private Ed25519 key (asdkit[sign]).",
        ),
    ] = None,
) -> None:
    """Export a system of a run as a bundle: one file with all that `asdkit score` needs, and no code.

    Prints the SHA-256 of the file, as sha256sum does, to compare where the bundle is used.
    """
    from asdkit.bundle import Bundle
    from asdkit.bundle.export import export as export_bundle
    from asdkit.bundle.signature import Signer, signature_path
    from asdkit.files import write_atomic

    shown = printable(str(out))
    require_new_file(out)
    signer = None if sign is None else Signer(sign)
    bundle = Bundle.of_run(run, system, machine)
    data = export_bundle(bundle, onnx=onnx, with_files=not without_files, healthy=healthy_clips)
    try:
        write_atomic(out, data)
        if signer is not None:
            write_atomic(signature_path(out), signer.sign(data))
    except OSError as error:
        raise UsageError(f"{shown}: cannot be written: {error.strerror}", hint="Choose another -o.") from None
    signed = "" if signer is None else f"; signature: {printable(str(signature_path(out)))}"
    _report(bundle, shown, data, healthy_clips, signed)


def _report(bundle: Bundle, shown: str, data: bytes, healthy_clips: bool, signed: str) -> None:
    """Say what the bundle holds and does not support, its size and its digest."""
    for text in dict.fromkeys(bundle.calibrator.shortfall(id_) for id_ in bundle.ids):
        if text:
            note(printable(text))
    what = f"{bundle.description.system} on {bundle.description.machine}"
    what += f", ids {', '.join(bundle.ids)}, {len(data) / 1e6:.1f} MB"
    what += ", healthy clips included" if healthy_clips else ""
    message(f"{shown}: {printable(what)}")
    message(f"SHA-256 {hashlib.sha256(data).hexdigest()}{signed}")
