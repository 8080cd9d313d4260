"""Opening what a command is given: a bundle's file, or a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit.cli.options import ThresholdName
from asdkit.errors import UsageError

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.calibration import ThresholdKind


def open_bundle(path: Path, system: str | None, machine: str | None) -> Bundle:
    """Open a bundle or a system of a run, to compute on the CPU with all cores that this process may use."""
    # Before torch loads: threads that wait for work by spinning take the cores from whoever else has some. Beside four
    # busy processes on two cores, a clip of 10 s cost 0.1 to 0.5 s of processor time so, and 0.03 s asleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from asdkit.bundle import Bundle
    from asdkit.context import Context
    from asdkit.run.resources import cores

    ctx = Context(threads=cores())
    if path.is_dir():
        return Bundle.of_run(path, system, machine, ctx=ctx)
    if system is not None or machine is not None:
        raise UsageError(f"{path} is a bundle, which is one system on one machine; --system and --machine are of runs")
    return Bundle.load(path, ctx=ctx)


def require_known(bundle: Bundle, id_: str | None) -> None:
    """Raise `UsageError` where an id was named that the bundle does not know."""
    if id_ is not None and id_ not in bundle.ids:
        else_ = "the names tell it, or else the best fit" if len(bundle.ids) > 1 else "all is taken for that one"
        raise UsageError(
            f"--id {id_}: {bundle.where} knows no such id; it knows {', '.join(bundle.ids)}",
            hint=f"Without --id {else_}.",
        )


def chosen(threshold: ThresholdName | None) -> ThresholdKind | None:
    """The threshold that an option names."""
    if threshold is None:
        return None
    return "gamma" if threshold is ThresholdName.gamma else "conformal"
