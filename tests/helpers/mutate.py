"""Bytes changed at random."""

from __future__ import annotations

import numpy as np

INTERESTING = (0, 1, 2, 3, 0x7F, 0x80, 0xFF)


def mutate(data: bytes, rng: np.random.Generator, head: int) -> bytes:
    """Change, remove, repeat or cut off bytes; half of all changes are in the first `head` bytes."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if not changed:
            break
        end = min(head, len(changed)) if rng.random() < 0.5 else len(changed)
        at = int(rng.integers(end))
        match int(rng.integers(6)):
            case 0:
                changed[at] ^= 1 << int(rng.integers(8))
            case 1:
                changed[at] = int(rng.choice(INTERESTING))
            case 2:
                changed[at : at + 4] = rng.bytes(4)
            case 3:
                del changed[at : at + int(rng.integers(1, 40))]
            case 4:
                changed[at:at] = changed[at : at + int(rng.integers(1, 40))]
            case _:
                if rng.random() < 0.2:
                    del changed[at:]
    return bytes(changed)
