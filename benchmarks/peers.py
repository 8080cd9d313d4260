"""Log-mel spectrograms by others, each set to asdkit's definition and used as its users do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

RATE = 16000
BANDS = 128
FRONT_ENDS: dict[str, Callable[[int], Callable[[Any], Any]]] = {}
"""Name -> factory that takes n_fft (the hop is half of it) and gives a function from a float32 wave to dB
``[frames, bands]``."""


def _front_end(name: str) -> Callable[[Any], Any]:
    def register(factory: Callable[[int], Callable[[Any], Any]]) -> Callable[[int], Callable[[Any], Any]]:
        FRONT_ENDS[name] = factory
        return factory

    return register


def _filters(n_fft: int) -> Any:
    import librosa

    return librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=BANDS).astype(np.float32)


@_front_end("librosa")
def librosa_(n_fft: int) -> Callable[[Any], Any]:
    import librosa

    def front_end(wave: Any) -> Any:
        mel = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=n_fft, hop_length=n_fft // 2, n_mels=BANDS)
        return librosa.power_to_db(mel, top_db=None).T

    return front_end


@_front_end("torch.stft + matmul")
def torch_(n_fft: int) -> Callable[[Any], Any]:
    import torch

    window = torch.hann_window(n_fft)
    filters = torch.from_numpy(_filters(n_fft).T.copy())

    def front_end(wave: Any) -> Any:
        with torch.inference_mode():
            spectrum = torch.stft(
                torch.from_numpy(wave), n_fft, n_fft // 2, window=window, pad_mode="constant", return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return (10 * torch.log10((power.T @ filters).clamp(min=1e-10))).numpy()

    return front_end


@_front_end("scipy.fft + matmul")
def scipy_(n_fft: int) -> Callable[[Any], Any]:
    from scipy.fft import rfft
    from scipy.signal import get_window

    window = get_window("hann", n_fft).astype(np.float32)
    filters = _filters(n_fft).T.copy()

    def front_end(wave: Any) -> Any:
        padded = np.pad(wave, n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[:: n_fft // 2]
        spectrum = rfft(frames * window)
        power = spectrum.real**2 + spectrum.imag**2
        return 10 * np.log10(np.maximum(power @ filters, np.float32(1e-10)))

    return front_end


@_front_end("kaldi-native-fbank")
def kaldi(n_fft: int) -> Callable[[Any], Any]:
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    framing, mel = options.frame_opts, options.mel_opts
    framing.samp_freq, framing.window_type, framing.snip_edges = RATE, "hann", True
    framing.dither, framing.preemph_coeff, framing.remove_dc_offset = 0, 0, False
    framing.frame_length_ms, framing.frame_shift_ms = n_fft / RATE * 1e3, n_fft / 2 / RATE * 1e3
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = BANDS, 0, RATE / 2, True
    options.eps = 1e-10

    def front_end(wave: Any) -> Any:
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(RATE, np.pad(wave, n_fft // 2))
        bank.input_finished()
        frames = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
        return np.stack(frames) * np.float32(10 / np.log(10))

    return front_end


@_front_end("nnAudio")
def nnaudio(n_fft: int) -> Callable[[Any], Any]:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nnAudio.features.mel import MelSpectrogram

        layer = MelSpectrogram(
            sr=RATE, n_fft=n_fft, hop_length=n_fft // 2, n_mels=BANDS, pad_mode="constant", verbose=False
        )

    def front_end(wave: Any) -> Any:
        with torch.inference_mode():
            power = layer(torch.from_numpy(wave)[None])[0].T
            return (10 * torch.log10(power.clamp(min=1e-10))).numpy()

    return front_end


def same_decibels(ours: Any, theirs: Any) -> str:
    """Equal over the top 60 dB of the clip but for what float32 leaves open to each."""
    if ours.shape != theirs.shape:
        return f"shape {theirs.shape}, not {ours.shape}"
    loud = ours > ours.max() - 60
    worst = float(np.abs(ours - theirs)[loud].max())
    return "" if worst < 0.05 else f"by {worst:.3g} dB"


def same_density(ours: Any, theirs: Any) -> str:
    """Equal within 0.02 dB: the mean power over frames, beside bands of Welch's (frequencies, density)."""
    power = 10 ** (ours.astype(np.float64) / 10)
    if isinstance(theirs, tuple):
        from asdkit.kernels.log_bands import band_filters

        filters = band_filters(ours.shape[1], sample_rate=RATE, n_fft=2 * len(theirs[0]) - 2, fmin=10.0, fmax=None)
        expected = filters @ theirs[1] / 2  # the filters count both sides, a density one
    else:
        expected = (10 ** (theirs.astype(np.float64) / 10)).mean(axis=0)
    worst = float(np.abs(10 * np.log10(power.mean(axis=0) / expected)).max())
    return "" if worst < 0.02 else f"by {worst:.3g} dB"


def clip(seconds: float, seed: int = 0) -> Any:
    """A machine-like clip [float32]: hum, harmonics, noise; as exact in 16 bits as a recording is."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * rng.uniform(90, 130) * h * t) / h**2 for h in range(1, 8))
    wave = 0.1 * hum + 0.03 * rng.standard_normal(len(t))
    return (np.round(wave * 32768) / 32768).astype(np.float32)
