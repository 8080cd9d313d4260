"""Options and work of ``asdkit demo``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.console import message
from asdkit.cli.options import SetOption
from asdkit.cli.run import run_spec


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for recordings and results.")] = Path(
        "asdkit-demo"
    ),
    set_: SetOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Other seeds give other machines and faults.")] = 0,
) -> None:
    """Make a small synthetic machine room, train on it, and show the results table; one or two minutes."""
    from asdkit.data.demo import make_machine_room
    from asdkit.files import write_atomic

    room = out.absolute() / f"machine-room-{seed}"
    if not (room / "manifest.csv").exists():
        message(f"making a synthetic machine room in {room}")
        make_machine_room(room, seed=seed)
    spec = out.absolute() / "demo.toml"
    text = files("asdkit_demo").joinpath("demo.toml").read_text(encoding="utf-8")
    write_atomic(spec, text.replace("machine-room-0", room.name).encode())
    run_spec(spec, out / f"run-{seed}", None, set_)
