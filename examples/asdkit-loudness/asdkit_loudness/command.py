"""The command ``loudness``, a function with Typer's annotations."""

from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer

from asdkit.errors import DataError


def loudness(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with recordings.")],
    least: Annotated[float, typer.Option(help="List only recordings of at least this level, dB.")] = -200.0,
) -> None:
    """List the WAV and FLAC files of a folder by level, the loudest first.

    The level is that of the RMS of all channels, in dB of full scale.
    """
    paths = [path for path in folder.glob("*") if path.suffix.lower() in (".wav", ".flac")]
    if not paths:
        raise DataError(f"{folder}: no WAV or FLAC files", hint="Give the folder that holds the recordings themselves.")
    for decibels, path in sorted(((level(path), path) for path in paths), reverse=True):
        if decibels >= least:
            typer.echo(f"{decibels:7.1f} dB  {path.name}")


def level(path: Path) -> float:
    """Return the level of a recording [dB of full scale]."""
    try:
        samples, _ = soundfile.read(path)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: {error.error_string}") from None
    return 10 * float(np.log10(max(np.square(samples).mean(), 1e-20)))
