"""Where the data sets of the challenge lie: records of Zenodo, which list their files themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

RECORDS: dict[str, dict[str, tuple[int, ...]]] = {
    "dcase2020": {"dev_data": (3678171,), "eval_data": (3727685, 3841772)},
    "dcase2021": {"dev_data": (4562016,), "eval_data": (4660992, 4884786)},
    "dcase2022": {"dev_data": (6355122,), "eval_data": (6462969, 6586456)},
    "dcase2023": {"dev_data": (7882613,), "eval_data": (7830345, 7860847)},
    "dcase2024": {"dev_data": (10902294,), "eval_data": (11259435, 11363076)},
    "dcase2025": {"dev_data": (15097779,), "eval_data": (15392814, 15519362)},
    "dcase2026": {"dev_data": (19336329,), "eval_data": (20151556,)},
}
"""Edition -> part -> records: development; additional training and test data of the evaluation."""

_ARCHIVE = re.compile(r"(?:dev|eval)(?:_data)?(?:_(?:train|test))?_(?P<machine>.+?)(?:_(?:train|test))?\.zip")


@dataclass(frozen=True)
class Archive:
    """A file of a record, as its listing describes it.

    Attributes
    ----------
    part
        ``"dev_data"`` or ``"eval_data"``: the folder that it is unpacked in.
    size
        Bytes.
    checksum
        ``"md5:..."``.
    """

    name: str
    part: str
    machine: str
    size: int
    checksum: str
    url: str


def machine_of(name: str, machines: tuple[str, ...] = ()) -> str | None:
    """Machine of an archive by its name; None for other files. A corrected archive (``_r2``) is of the same machine."""
    match = _ARCHIVE.fullmatch(name)
    if match is None:
        return None
    machine = match["machine"]
    bare = re.sub(r"(?:_(?:train|test))?_r[0-9]+$", "", machine)
    return machine if machine in machines else bare
