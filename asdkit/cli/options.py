"""Arguments and options that several commands share."""

from enum import Enum
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

BackendOption = Annotated[
    str | None,
    typer.Option("--backend", metavar="NAME", help="loky, dask or sequential, instead of the spec's compute.backend."),
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Only the K-th of N parts of the plan; `asdkit merge` joins them."),
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

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `asdkit export` wrote, or a run folder.")]
SystemOption = Annotated[
    str | None,
    typer.Option("--system", metavar="NAME", help="Of a run: a system or a detector.  [default: the only one]"),
]
RunMachineOption = Annotated[
    str | None, typer.Option("--machine", metavar="NAME", help="Of a run: the machine.  [default: the only one]")
]
IdOption = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Which machine it is.  [default: what the names say]")
]


class Format(str, Enum):  # noqa: UP042 (typer shows the values)
    """How rows are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


FormatOption = Annotated[
    Format | None, typer.Option("--format", help="[default: table on a terminal, else jsonl]", show_default=False)
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--false-alarm-rate",
        metavar="SHARE",
        help="Share of healthy recordings that may be called anomalous, such as 0.01.  [default: the bundle's]",
    ),
]


class ThresholdName(str, Enum):  # noqa: UP042 (typer shows the values)
    """How a verdict follows from the recordings held out."""

    conformal = "conformal"
    gamma = "gamma"


ThresholdOption = Annotated[
    ThresholdName | None,
    typer.Option(
        "--threshold",
        help="By the rank among the recordings held out, or by a gamma distribution fitted to their scores.  "
        "[default: the bundle's]",
        show_default=False,
    ),
]


def run_folder(out: Path | None, name: str) -> Path:
    """Where a run lies: as told, else under ``runs``."""
    return (out or Path("runs") / name).absolute()
