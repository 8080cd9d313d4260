"""``asdkit demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdkit.cli.options import SetOption


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where recordings and results go.")] = Path(
        "asdkit-demo"
    ),
    set_: SetOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Makes other machines and other faults.")] = 0,
) -> None:
    """Make a small synthetic machine room, train on it, and show the results table; one or two minutes."""
    from importlib.resources import files

    from asdkit.cli.run import run_spec
    from asdkit.data.demo import make_machine_room
    from asdkit.files import write_atomic

    room = out.absolute() / f"machine-room-{seed}"
    if not (room / "manifest.csv").exists():
        typer.echo(f"making a synthetic machine room in {room}", err=True)
        make_machine_room(room, seed=seed)
    spec = out.absolute() / "demo.toml"
    text = files("asdkit.cli").joinpath("demo.toml").read_text(encoding="utf-8")
    write_atomic(spec, text.replace("machine-room-0", room.name).encode())
    run_spec(spec, out / f"run-{seed}", None, set_)
