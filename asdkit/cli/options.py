"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec: a TOML file (docs/spec.md).")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder.  [default: runs/<name of the spec>]")
]
MachineOption = Annotated[
    list[str] | None, typer.Option("--machine", metavar="NAME", help="Only this machine; may be given several times.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the spec as written, such as detectors.M.epochs=2 or data.root=../recordings "
        "(paths are relative to the spec's file); may be given several times.",
    ),
]

LayoutOption = Annotated[
    str | None, typer.Option("--layout", metavar="NAME", help="How the folders are laid out.  [default: recognised]")
]
GroundTruthOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--ground-truth",
        metavar="PATH",
        help="The organisers' ground truth: a CSV file or a folder of them; may be given several times.",
    ),
]


def run_folder(out: Path | None, name: str) -> Path:
    """Where a run lies: as told, else under ``runs``."""
    return (out or Path("runs") / name).absolute()
