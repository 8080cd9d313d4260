"""Three ways in which the SIMD kernels can fail."""

from __future__ import annotations

import sys
from typing import Literal

import pytest

Failure = Literal["import", "compile", "self-test"]
FAILURES: tuple[Failure, ...] = ("import", "compile", "self-test")


def break_simd(failure: Failure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the SIMD kernels fail, and let this process select its kernels again."""
    import asdkit.kernels
    from asdkit.kernels import fallback

    monkeypatch.setattr(fallback, "_selector", fallback.KernelSelector())
    if failure == "import":
        monkeypatch.setitem(sys.modules, "asdkit.kernels.simd", None)
        for name in ("fft", "log_mel_simd"):
            monkeypatch.delitem(sys.modules, f"asdkit.kernels.{name}", raising=False)
            monkeypatch.delattr(asdkit.kernels, name, raising=False)
        return
    from asdkit.kernels import log_mel_simd

    if failure == "compile":
        from asdkit.kernels.jit import inline

        for name in ("_spectra", "_band_rows", "_decibels"):
            monkeypatch.setattr(log_mel_simd, name, inline(_not_compilable))
    else:
        power_to_db = log_mel_simd.power_to_db
        for name in ("spectra", "band_rows"):
            monkeypatch.setattr(log_mel_simd, name, _wrong(getattr(log_mel_simd, name)))
        monkeypatch.setattr(log_mel_simd, "power_to_db", lambda power: power_to_db(power) + 1)


def _not_compilable(*arguments: object) -> object:
    return _undefined_name(arguments)  # type: ignore[name-defined]  # noqa: F821


def _wrong(kernel):
    """Add an error of one part in a hundred to the last frame."""

    def run(*arguments: object) -> None:
        kernel(*arguments)
        out = arguments[-1]
        if len(out):
            out[-1] *= 1.01

    return run
