"""Slow reference implementations of `asdkit.metrics`."""

import numpy as np


def delong(normal, anomaly):
    """Return the AUC, its variance by sums over pairs, and Satterthwaite's degrees of freedom."""
    pairs = [[(a > n) + 0.5 * (a == n) for n in normal] for a in anomaly]
    of_anomalies = [sum(row) / len(normal) for row in pairs]
    of_normals = [sum(row[j] for row in pairs) / len(anomaly) for j in range(len(normal))]
    one, other = np.var(of_anomalies, ddof=1) / len(anomaly), np.var(of_normals, ddof=1) / len(normal)
    freedom = (one + other) ** 2 / (one**2 / (len(anomaly) - 1) + other**2 / (len(normal) - 1))
    return np.mean(of_anomalies), one + other, freedom


def resample(labels, scores, resamples, seed):
    """Return AUC and pAUC of smoothed Bayesian resamples, by the ROC curve point by point."""
    labels, scores = np.array(labels), np.array(scores)
    values = sorted(set(scores.tolist()), reverse=True)
    weights = np.random.default_rng(seed).standard_exponential((resamples, len(labels) + 2))
    out = []
    for row in weights:
        masses = []  # per class: above the first value, on it, between it and the next, ...
        for label in (0, 1):
            mass = np.zeros(2 * len(values) + 1)
            gap = [0]  # the pieces between this class's values
            for place, value in enumerate(values):
                here = np.flatnonzero((labels == label) & (scores == value))
                if len(here):
                    mass[gap] += row[here[0]] / len(gap)
                    mass[2 * place + 1] = row[here[1:]].sum()
                    gap = []
                gap.append(2 * place + 2)
            mass[gap] += row[len(labels) + label] / len(gap)
            masses.append(mass / mass.sum())
        false, true = (np.append(0, np.cumsum(m)) for m in masses)
        area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
        part = 0.0
        for i in range(len(false) - 1):
            width = min(false[i + 1], 0.1) - false[i]
            if width > 0:
                rise = (true[i + 1] - true[i]) * width / (false[i + 1] - false[i])
                part += width * (true[i] + rise / 2)
        out.append([area, 0.5 * (1 + (part - 0.005) / 0.095)])
    return np.array(out)
