"""Statistics of one clip [``[frames, bands]``, dB] by their equations, as plainly as NumPy allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def power(clip):
    return 10 * np.log10((10 ** (clip / 10)).mean(axis=0))


def shape(clip):
    return power(clip) - power(clip).mean()


def fine(clip):
    levels = power(clip)
    last = len(levels) - 1
    return levels - [np.mean([levels[min(max(b + i, 0), last)] for i in range(-4, 5)]) for b in range(last + 1)]


def ranked(clip, decay):
    weights = decay ** np.arange(len(clip))
    return np.array([(weights * sorted(band, reverse=True)).sum() / weights.sum() for band in clip.T])


def modulation(clip):
    """Of each coarse band, of which there are at most 16, twelve modulation bands."""
    count = min(16, clip.shape[1])
    edges = [band * clip.shape[1] // count for band in range(count + 1)]
    envelope = np.log([[(10 ** (frame[a:b] / 10)).mean() for a, b in pairwise(edges)] for frame in clip])
    envelope -= envelope.mean(axis=0)
    frames = len(clip)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, frames + 1) / (frames + 1))
    frequencies = np.arange(frames // 2 + 1) / frames
    rotations = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(frames)))
    density = np.abs(rotations @ (window[:, None] * envelope)) ** 2 / (window**2).sum()
    levels = []
    for low, high in pairwise(np.geomspace(0.7 * 512 / 16000, 0.495, 13)):
        inside = (frequencies >= low) & (frequencies < high)
        if not inside.any():
            inside = np.arange(len(frequencies)) == np.abs(frequencies - np.sqrt(low * high)).argmin()
        levels.append(density[inside].mean(axis=0))
    return 10 * np.log10(np.transpose(levels).ravel() + 1e-9)
