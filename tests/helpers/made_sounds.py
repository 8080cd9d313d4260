"""Made differences over healthy waves: one of each kind, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit.explain.sound import measure

KINDS = (
    "new line", "missing line", "rise", "fall", "impacts", "louder", "quieter", "burst", "dropout", "clipping",
    "modulation",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A wave with a made difference; `low` and `high` in Hz, `begin` and `end` in seconds."""

    kind: str
    wave: np.ndarray
    begin: float
    end: float
    low: float | None = None
    high: float | None = None


def machine(rng: np.random.Generator, seconds: float, rate: int, *, seed: int = 0) -> np.ndarray:
    """A made machine: noise with a slope, four lines, a slow modulation; `seed` sets the machine."""
    own = np.random.default_rng(seed)
    n = int(seconds * rate)
    spectrum = np.fft.rfft(rng.normal(size=n))
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    wave = np.fft.irfft(spectrum / np.sqrt(1 + (frequencies / 400) ** 2), n)
    wave /= wave.std()
    t = np.arange(n) / rate
    for pitch in own.uniform(80, 0.4 * rate, 4):
        wave += 0.3 * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6)) * own.uniform(0.3, 1)
    wave *= 1 + 0.1 * np.sin(2 * np.pi * 1.3 * t + rng.uniform(0, 6))
    return 0.02 * wave


def _like(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise with the spectrum of a wave."""
    spectrum = np.abs(np.fft.rfft(wave))
    smooth = np.convolve(spectrum, np.full(201, 1 / 201), "same")
    noise = np.fft.irfft(smooth * np.exp(2j * np.pi * rng.uniform(size=len(smooth))), len(wave))
    return noise * wave.std() / noise.std()


def _band(wave: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    spectrum = np.fft.rfft(wave)
    frequencies = np.fft.rfftfreq(len(wave), 1 / rate)
    spectrum[(frequencies < low) | (frequencies >= high)] = 0
    return np.fft.irfft(spectrum, len(wave))


def line_level(wave: np.ndarray, rate: int, frequency: float) -> float:
    """Amplitude of a tone that is as strong as the noise around it in a bin of 8 Hz."""
    part = _band(wave, rate, max(20.0, frequency - 100), frequency + 100)
    return float(np.sqrt(2 * part.var() * 8 / 200))


def tone(wave: np.ndarray, rate: int, frequency: float, decibels: float, phase: float = 0.0) -> np.ndarray:
    """A tone so far above the noise around it."""
    t = np.arange(len(wave)) / rate
    return line_level(wave, rate, frequency) * 10 ** (decibels / 20) * np.sin(2 * np.pi * frequency * t + phase)


def loudness(wave: np.ndarray) -> float:
    """Level of a wave without its loud moments, in decibels."""
    parts = np.array_split(wave, 40)
    return float(10 * np.log10(np.median([np.mean(part**2) for part in parts])))


def make(
    kind: str, wave: np.ndarray, rate: int, rng: np.random.Generator, healthy: list[np.ndarray], stronger: float = 0.0
) -> Made:
    """Add a difference of this kind to a healthy wave (not ``"missing line"``: that is a healthy wave among others).

    What is made exceeds the healthy waves: louder than the loudest, a burst above the highest. Tones are 28 to 36 dB,
    and `stronger` decibels, above the noise around them.
    """
    n, t = len(wave), np.arange(len(wave)) / rate
    seconds = n / rate
    if kind == "new line":
        frequency = float(rng.uniform(200, 0.45 * rate))
        begin, end = (0.0, seconds)
        if rng.random() < 0.4 and seconds > 4:
            begin = float(rng.uniform(0, seconds - 2))
            end = begin + float(rng.uniform(1.0, 2.0))
        added = tone(wave, rate, frequency, rng.uniform(28, 36) + stronger) * ((t >= begin) & (t < end))
        return Made(kind, wave + added, begin, end, frequency, frequency)
    if kind in ("rise", "fall"):
        low = float(rng.uniform(500, 0.2 * rate))
        high = min(0.48 * rate, low * float(rng.uniform(1.8, 2.5)))
        if kind == "rise":
            added = _band(_like(wave, rng), rate, low, high)
            gain = np.sqrt(10 ** (rng.uniform(12, 18) / 10) - 1)
            return Made(kind, wave + gain * added, 0.0, seconds, low, high)
        return Made(kind, wave - 0.9 * _band(wave, rate, low, high), 0.0, seconds, low, high)
    if kind == "impacts":
        pace = float(rng.uniform(2, 14))
        since = np.mod(t - rng.uniform(0, 1 / pace), 1 / pace)
        gain = 10 ** (rng.uniform(16, 24) / 20)
        return Made(kind, wave + gain * _like(wave, rng) * np.exp(-since / 0.008), 0.0, seconds, pace, pace)
    if kind in ("louder", "quieter"):
        levels = [loudness(one) for one in healthy]
        decibels = rng.uniform(12, 20)
        aim = max(levels) + decibels if kind == "louder" else min(levels) - decibels
        return Made(kind, wave * 10 ** ((aim - loudness(wave)) / 20), 0.0, seconds)
    if kind in ("burst", "dropout"):
        length = float(rng.uniform(0.08, 0.4))
        begin = float(rng.uniform(0.1, seconds - length - 0.1))
        inside = (t >= begin) & (t < begin + length)
        if kind == "dropout":
            return Made(kind, np.where(inside, 0.0, wave), begin, begin + length)
        highest = max(measure((one / 4).astype(np.float32), rate).envelope.max() for one in healthy)
        gain = 10 ** ((highest + rng.uniform(18, 26)) / 20)
        return Made(kind, wave + gain * _like(wave, rng) * inside, begin, begin + length)
    if kind == "clipping":
        level = np.quantile(np.abs(wave), rng.uniform(0.95, 0.99))
        return Made(kind, np.clip(wave, -level, level), 0.0, seconds)
    assert kind == "modulation"
    pace = float(rng.uniform(1.5, 12))
    depth = rng.uniform(0.5, 0.85)
    return Made(kind, wave * (1 + depth * np.sin(2 * np.pi * pace * t + rng.uniform(0, 6))), 0.0, seconds, pace, pace)


def right(made: Made, finding, window: float = 0.5) -> str:
    """What is wrong with a finding; empty if kind, time (within a window) and frequency (within 3 %) are right."""
    if finding is None:
        return "nothing found"
    if finding.kind != made.kind:
        return f"called {finding.kind}"
    if made.kind in ("burst", "dropout", "new line"):
        apart = max(abs(finding.begin - made.begin), abs(finding.end - made.end))
        if apart > window + 1e-6:
            return f"{finding.begin:.2f} to {finding.end:.2f} s instead of {made.begin:.2f} to {made.end:.2f} s"
    for own, wanted in ((finding.low, made.low), (finding.high, made.high)):
        if wanted is not None and abs(own - wanted) > 0.03 * wanted:
            return f"{own:.4g} Hz instead of {wanted:.4g} Hz"
    return ""
