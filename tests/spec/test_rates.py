"""Options that do not fit the sample rate of the recordings are faults of the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asdkit_logmel.config import LogMelConfig
from asdkit_spectrum.config import SpectrumConfig

from asdkit.errors import PluginError, SpecError
from asdkit.plugins import discover
from asdkit.spec import Spec, load_spec

SPEC = """asdkit = 1
[data]
layout = "folder"
root = "."
sample_rate = 8000
[featurizers.f]
use = "{use}"
{option}
[detectors.K]
use = "knn"
"""


def read(folder: Path, use: str, option: str) -> Spec:
    (folder / "spec.toml").write_text(SPEC.format(use=use, option=option))
    return load_spec(folder / "spec.toml", registry=discover())


@pytest.mark.parametrize(
    ("use", "option", "fault"),
    [
        ("log-mel", "fmax = 4001", "fmax: 4001 Hz is above half the sample rate (4000 Hz)"),
        ("spectrum", "fmax = 4001", "fmax: 4001 Hz is above half the sample rate (4000 Hz)"),
        ("log-mel", "fmin = 4000", "fmin: 4000 Hz is not below half the sample rate (4000 Hz)"),
        ("spectrum", "fmin = 3960", "fmin: 3960 Hz is not below 0.99 times half the sample rate (3960 Hz)"),
    ],
)
def test_frequencies_above_half_the_rate_are_faults(tmp_path: Path, use: str, option: str, fault: str) -> None:
    with pytest.raises(SpecError) as error:
        read(tmp_path, use, option)
    assert error.value.message == f"{tmp_path / 'spec.toml'}:8: featurizers.f.{fault}"


def test_frequencies_up_to_half_the_rate_are_none(tmp_path: Path) -> None:
    for use in ("log-mel", "spectrum"):
        assert read(tmp_path, use, "fmax = 4000").detectors


@pytest.mark.parametrize("kind", ["log-mel", "spectrum"])
def test_what_the_check_accepts_is_computed(kind: str) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    plugin = next(plugin for plugin in discover().plugins if plugin.name == kind)
    config: type[Any] = SpectrumConfig if kind == "spectrum" else LogMelConfig
    for fmin in (10.0, 3959.0, 3961.0, 3999.0, 4000.0):
        for fmax in (None, 4000.0):
            if fmax and fmin >= fmax:
                continue  # refused whatever the rate
            options = config(n_fft=1024, fmin=fmin, fmax=fmax)
            featurizer: Any = plugin.construct(options)
            out = np.empty((featurizer.rows(len(wave)), featurizer.bands), np.float32)
            if options.rate_problems(8000):
                with pytest.raises(ValueError, match="fmin"):
                    featurizer.fill(wave, 8000, out)
            else:
                featurizer.fill(wave, 8000, out)
                assert np.isfinite(out).all()


def test_a_check_that_fails_is_the_plugins_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: LogMelConfig, sample_rate: int) -> list[str]:
        raise ZeroDivisionError("rate")

    monkeypatch.setattr(LogMelConfig, "rate_problems", broken)
    with pytest.raises(PluginError, match="'log-mel' is broken: the check of its options failed"):
        read(tmp_path, "log-mel", "")
