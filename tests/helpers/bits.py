"""Single bits flipped in the files of a finished job."""

from __future__ import annotations

import os
import random
from pathlib import Path

from asdkit.errors import AsdkitError
from asdkit.run.store import MANIFEST, read_verified, unchanged, verify


def flip(path: Path, bit: int, *, keep_time: bool) -> None:
    """Flip one bit; `keep_time` as a failing disk does, which leaves the time of change alone."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def count_found_flips(job: Path, trials: int) -> tuple[int, int]:
    """Flip bits one at a time and count those that are found: in use, and by hashing all files.

    Files are chosen in proportion to their sizes; every tenth is the manifest.
    """
    rng = random.Random(0)
    files = sorted(path for path in job.iterdir() if path.is_file())
    sizes = [path.stat().st_size for path in files]
    in_use = hashed = 0
    for trial in range(trials):
        path = job / MANIFEST if trial % 10 == 0 else rng.choices(files, sizes)[0]
        bit = rng.randrange(8 * path.stat().st_size)
        intact, times = path.read_bytes(), path.stat()
        flip(path, bit, keep_time=trial % 2 == 1)
        in_use += _found_in_use(job, path)
        hashed += verify(job) is not None
        path.write_bytes(intact)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verify(job) is None
    return in_use, hashed


def _found_in_use(job: Path, path: Path) -> bool:
    """Whether the next run would do the job again, or reading the file fails."""
    if unchanged(job) is not None:
        return True
    try:
        read_verified(job, path.name)
    except AsdkitError:
        return True
    return False
