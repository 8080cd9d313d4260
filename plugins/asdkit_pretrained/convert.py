"""Convert a published checkpoint or ONNX file in a child process with limits; check what it wrote here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asdkit.errors import DataError, UsageError
from asdkit_pretrained.catalogue import MODELS, KnownModel
from asdkit_pretrained.description import write_description
from asdkit_pretrained.model import PretrainedModel

MAX_BYTES: Final = 1 << 30
"""Largest file to convert, with the data beside it."""
TOLERANCE: Final = 1e-4
"""Largest difference from torch, or from the published graph, as a share of the largest number."""
_COMMAND = "from asdkit_pretrained.convert_child import main; main()"
_TIMEOUT = 1800  # seconds
_MEMORY = 16 << 30  # bytes of addresses; torch alone reserves several
_WRITTEN = 2 << 30  # bytes of a file


@dataclass(frozen=True)
class Converted:
    """A converted model: the files written, and its largest relative difference from the original."""

    known: KnownModel
    graph: Path
    description: Path
    difference: float
    model: PretrainedModel


def convert(path: Path, folder: Path, name: str | None = None) -> Converted:
    """Convert a published file to ``NAME.onnx`` and ``NAME.toml`` in a folder.

    Parameters
    ----------
    path
        A checkpoint of PyTorch (read by ``torch.load(weights_only=True)``), or an ONNX file.
    folder
        Where the files are written; existing ones are replaced.
    name
        Which of `MODELS` it is; None: the one that its weights fit.

    Raises
    ------
    UsageError
        If there is no such file, or asdkit converts no such model.
    DataError
        If it cannot be read, is none of the models, or the converted graph computes something else.
    """
    known = [model for model in MODELS if model.input is not None and name in (None, model.name)]
    if not known:
        names = ", ".join(model.name for model in MODELS if model.input is not None)
        raise UsageError(f"asdkit does not convert {name!r}", hint=f"It converts {names}; see `asdkit models`.")
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: has {path.stat().st_size:,} bytes; expected at most {MAX_BYTES:,}")
    with tempfile.TemporaryDirectory() as work:
        answer = _run_child(path, Path(work), [model.name for model in known])
        graph = (Path(work) / "model.onnx").read_bytes()
    [model] = [model for model in known if model.name == answer["name"]]
    about = write_description(model.description(hashlib.sha256(graph).hexdigest(), answer["output"]))
    try:
        checked = PretrainedModel(graph, about)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    difference = float(answer["difference"])
    if not difference <= TOLERANCE:
        raise DataError(f"{path}: the converted graph differs from the original by {difference:.1e} of its numbers")
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{model.name}.onnx", folder / f"{model.name}.toml"
    for file, data in zip(files, (graph, about), strict=True):
        _write(file, data)
    return Converted(model, *files, difference, checked)


def _write(file: Path, data: bytes) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(file)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise DataError(f"{file}: cannot be written: {error.strerror}") from None


def _run_child(path: Path, work: Path, names: list[str]) -> dict[str, Any]:
    """Convert in a new process; return its answer."""
    request = {"path": str(path.absolute()), "names": names, "largest": MAX_BYTES, "sys.path": sys.path}
    (work / "request.json").write_text(json.dumps(request))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", _COMMAND, str(work)]
    with _explained(path):
        process = subprocess.run(  # noqa: S603 (this Python and our own command)
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    try:
        answer: dict[str, Any] = json.loads((work / "answer.json").read_text())
    except (OSError, ValueError):
        lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise DataError(f"{path}: its conversion ended early: {lines[-1][:200]}") from None
    if "error" in answer:
        raise DataError(f"{path}: {answer['error']}")
    return answer


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: its conversion took longer than {_TIMEOUT // 60} minutes") from None


def limit_this_process() -> None:
    """Limit memory, time and the size of files of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _TIMEOUT),
        (resource.RLIMIT_FSIZE, _WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (limit, limit))
