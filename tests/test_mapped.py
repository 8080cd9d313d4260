"""Large arrays as memory maps."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from asdkit import mapped


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGEST_IN_MEMORY", 1000)


def test_an_array_beyond_the_limit_is_mapped(small_limit: None) -> None:
    assert not mapped.is_mapped(mapped.empty((250,), np.float32))
    large = mapped.empty((251, 2), np.float32)
    assert mapped.is_mapped(large)
    assert mapped.is_mapped(large[3:].reshape(-1))
    assert large.flags.c_contiguous
    assert large.flags.writeable


def test_blocks_cover_an_array_and_keep_its_content(small_limit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_BLOCK", 400)
    expected = np.arange(501 * 2, dtype=np.float32).reshape(501, 2)
    large = mapped.empty(expected.shape, np.float32)
    for block, values in zip(mapped.blocks(large), mapped.blocks(expected), strict=True):
        block[:] = values
    np.testing.assert_array_equal(large, expected)
    assert [len(block) for block in mapped.blocks(large)] == [50] * 10 + [1]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the memory in use, which Linux tells")
def test_a_released_array_takes_no_memory() -> None:
    large = mapped.empty((1 << 27,), np.int8)
    before = resident_mb()
    large[:] = 1
    assert resident_mb() > before + 100
    mapped.release(large)
    assert resident_mb() < before + 20
    assert all(block.min() == 1 for block in mapped.blocks(large))


def test_private_maps_of_others_keep_what_was_written(tmp_path: Path) -> None:
    np.zeros(100_000).tofile(tmp_path / "zeros")
    private = np.memmap(tmp_path / "zeros", np.float64, "c")
    private[:] = 1
    mapped.release(private)
    assert private.min() == 1


def test_a_full_disk_is_too_little_memory(small_limit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail, raising=False)
    with pytest.raises(MemoryError, match=r"No space left on device \(0\.0 GB needed\)"):
        mapped.empty((1001,), np.int8)


def test_no_temporary_folder_is_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    with pytest.raises(MemoryError, match=r"temporary files: .* \(0\.1 GB needed\)"):
        mapped.empty((1 << 25,), "float32")
