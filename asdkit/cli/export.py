"""``asdkit export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.options import RunMachineOption, SystemOption


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The bundle, such as fan.asdkit.")],
    system: SystemOption = None,
    machine: RunMachineOption = None,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Add ONNX graphs of the networks, to score with onnxruntime and without torch (asdkit[onnx]).",
        ),
    ] = False,
) -> None:
    """Take a run's system along: one file with all that `asdkit score` needs, and no code."""
    from asdkit.bundle import Bundle
    from asdkit.bundle.export import export as made_of
    from asdkit.run.files import write_atomic

    bundle = Bundle.of_run(run, system, machine)
    data = made_of(bundle, onnx=onnx)
    write_atomic(out, data)
    for text in dict.fromkeys(bundle.judge.shortfall(id_) for id_ in bundle.ids):
        if text:
            typer.echo(f"note: {text}", err=True)
    what = f"{bundle.description.system} on {bundle.description.machine}"
    typer.echo(f"{out}: {what}, ids {', '.join(bundle.ids)}, {len(data) / 1e6:.1f} MB", err=True)
