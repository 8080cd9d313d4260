"""Options and output of ``asdkit models``."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Annotated

import typer

from asdkit.errors import DataError, UsageError

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=False)
_SUPPORT = {
    "tried": "asdkit models convert FILE (tried with the published file)",
    "untried": "asdkit models convert FILE (not tried with a published file)",
    "no": "asdkit models check FILE.onnx (not converted by asdkit)",
}
_SECONDS = 4  # of noise that `check` embeds


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List pretrained networks: size, licences of code and weights, where they are, the command that converts them.

    asdkit ships none of them and downloads nothing (docs/pretrained.md).
    """
    if context.invoked_subcommand is not None:
        return
    from asdkit_pretrained.catalogue import MODELS

    for model in MODELS:
        numbers = f"{model.numbers} numbers" if model.numbers else "size of an embedding unknown"
        rate = f"{model.rate} Hz" if model.rate else "sample rate unknown"
        typer.echo(f"{model.name}: {model.title}, {model.size}, {numbers}, {rate}")
        rows = {
            "licence": f"code {model.code}; weights {model.weights}",
            "where": model.where,
            "use": _SUPPORT[model.support],
            "note": model.note,
        }
        for key, value in rows.items():
            text = textwrap.fill(value, 110, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False)
            typer.echo(f"  {key:8}{text}")


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint of PyTorch, or an ONNX file.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where NAME.onnx and NAME.toml go.")] = Path(),
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Which network it is.  [default: the one that fits]")
    ] = None,
) -> None:
    """Convert a published file to ONNX, in a process of its own with limits, and compare the two.

    A checkpoint is read by torch.load(weights_only=True): no code in it is run.
    """
    from asdkit_pretrained.convert import convert as convert_file

    done = convert_file(file, out, name)
    typer.echo(f"{done.graph}: {done.known.title}, {done.model.numbers} numbers a block of the sound")
    typer.echo(f"{done.description}: its description; weights {done.known.weights}")
    typer.echo(f"largest difference from the original: {done.difference:.1e} of the largest number")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="Its description is FILE.toml beside it.")],
) -> None:
    """Check an ONNX file and its description as a spec does, and embed four seconds of noise."""
    import numpy as np
    from pydantic import ValidationError

    from asdkit_pretrained.config import OnnxEmbeddingConfig
    from asdkit_pretrained.featurizer import OnnxEmbedding

    try:
        config = OnnxEmbeddingConfig.model_validate({"model": str(file)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        text = " ".join(first["msg"].split()).removeprefix("Value error, ")
        where = ".".join(map(str, first["loc"]))
        raise (UsageError(f"{where}: {text}") if where else DataError(text)) from None
    featurizer = OnnxEmbedding(config)
    about, model = featurizer.model.about, featurizer.model
    wave = np.random.default_rng(0).normal(0, 0.1, _SECONDS * about.sample_rate).astype(np.float32)
    rows = np.empty((featurizer.rows(len(wave)), featurizer.bands), np.float32)
    featurizer.fill(wave[: about.sample_rate], about.sample_rate, rows[: featurizer.rows(about.sample_rate)])
    begin = time.perf_counter()
    try:
        featurizer.fill(wave, about.sample_rate, rows)
    except ValueError as error:
        raise DataError(f"{file}: {error}") from None
    seconds = time.perf_counter() - begin
    if not np.isfinite(rows).all():
        raise DataError(f"{file}: gives numbers that are NaN or infinite for noise")
    typer.echo(f"{file}: {about.name}, licence of the weights: {about.licence}")
    typer.echo(f"  takes blocks of {list(about.block_shape)} ({about.input.kind}) at {about.sample_rate} Hz")
    typer.echo(f"  gives {model.times * model.numbers} numbers a block; {len(rows)} rows of {_SECONDS} s of noise")
    typer.echo(f"  {seconds / _SECONDS:.3f} s of one core for each second of sound, here and now")
