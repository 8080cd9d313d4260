"""Arguments and options that several commands share, and what they stand for: run folder, bundle, threshold, id."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.errors import UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.calibration import ThresholdKind

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
        help="Override a key of the spec, such as detectors.M.epochs=2 or data.root=../recordings "
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
    str | None, typer.Option("--layout", metavar="NAME", help="Layout of the folders.  [default: detected]")
]
GroundTruthOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--ground-truth",
        metavar="PATH",
        help="The organisers' ground truth: a CSV file or a folder of them; may be given several times.",
    ),
]

BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle (see `asdkit export`) or a run folder.")
]
SystemOption = Annotated[
    str | None,
    typer.Option("--system", metavar="NAME", help="System or detector of the run.  [default: the only one]"),
]
RunMachineOption = Annotated[
    str | None, typer.Option("--machine", metavar="NAME", help="Machine of the run.  [default: the only one]")
]
VerifyOption = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="PUB.pem",
        help="Refuse the bundle unless BUNDLE.sig is its signature by this public Ed25519 key's owner (asdkit[sign]).",
    ),
]
FileOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        metavar="PATH",
        help="A file, such as a model, of a bundle exported --without-files; may be given several times.",
    ),
]
IdOption = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Machine id of all recordings.  [default: from their names]")
]


class Format(str, Enum):  # noqa: UP042 (typer shows the values)
    """Formats of result rows."""

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
    """Kinds of thresholds."""

    conformal = "conformal"
    gamma = "gamma"


ThresholdOption = Annotated[
    ThresholdName | None,
    typer.Option(
        "--threshold",
        help="Threshold from the rank among the held-out recordings, or from a gamma distribution fitted to their "
        "scores.  [default: the bundle's]",
        show_default=False,
    ),
]


def run_folder(out: Path | None, name: str) -> Path:
    """Return the run folder: `out`, or by default ``runs/<name>``."""
    return (out or Path("runs") / name).absolute()


def require_new_file(out: Path) -> None:
    """Raise a UsageError unless `out` is a file, or none yet, in a folder that exists."""
    if out.exists() and not out.is_file():
        raise UsageError(f"{printable(str(out))} is not a file", hint="Name the file to write with -o.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.absolute().parent} is not a folder", hint="Create it first, or choose another -o.")


def open_bundle(
    path: Path,
    system: str | None,
    machine: str | None,
    *,
    id_: str | None,
    false_alarm_rate: float | None,
    threshold: ThresholdName | None,
    verify: Path | None,
    files: list[Path] | None,
) -> Bundle:
    """Open a bundle, or a system of a run, for scoring on all CPU cores that this process may use.

    Raises
    ------
    UsageError
        If an option does not fit the bundle: `id_` is unknown, the file is no run and has one system only, or `verify`
        or `files` are given for a run.
    """
    # Set before torch is loaded: its idle threads would spin. Beside four busy processes on two cores, a clip of 10 s
    # took 0.1 to 0.5 s of processor time with spinning threads and 0.03 s with sleeping ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from asdkit.bundle import Bundle
    from asdkit.context import Context
    from asdkit.run.resources import core_count

    ctx = Context(threads=core_count())
    if path.is_dir():
        if verify is not None or files:
            raise UsageError(f"{path} is a run folder; --{'file' if files else 'verify'} applies to bundle files only")
        bundle = Bundle.of_run(path, system, machine, ctx=ctx)
    elif system is not None or machine is not None:
        raise UsageError(
            f"{path} is a bundle of one system and one machine; --system and --machine apply to run folders only"
        )
    else:
        bundle = Bundle.load(path, ctx=ctx, verify=verify, files=files or ())
    bundle = bundle.deciding(false_alarm_rate, _threshold_kind(threshold))
    _require_known(bundle, id_)
    return bundle


def _threshold_kind(threshold: ThresholdName | None) -> ThresholdKind | None:
    if threshold is None:
        return None
    return "gamma" if threshold is ThresholdName.gamma else "conformal"


def _require_known(bundle: Bundle, id_: str | None) -> None:
    if id_ is not None and id_ not in bundle.ids:
        by_name = "the id in a recording's path is used, or else the id that fits best"
        default = by_name if len(bundle.ids) > 1 else "all recordings are scored as that id"
        raise UsageError(
            f"--id {id_}: {bundle.where} has no such id; expected one of {', '.join(bundle.ids)}",
            hint=f"Without --id, {default}.",
        )
