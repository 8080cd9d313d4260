"""Poolings over time against naive twins and cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from asdkit_pretrained.pooling import pool

OPTIONS = {"gem_power": 3.0, "rdp_gamma": 2.0}


def naive(rows: list[list[float]], name: str, power: float, gamma: float) -> list[float]:
    """Each equation as plain loops."""
    count, numbers = len(rows), len(rows[0])
    columns = [[row[d] for row in rows] for d in range(numbers)]
    means = [sum(column) / count for column in columns]
    if name == "mean":
        return means
    if name == "max":
        return [max(column) for column in columns]
    if name == "gem":
        signed = [sum(abs(x) ** power * (1 if x > 0 else -1) for x in column) / count for column in columns]
        return [abs(m) ** (1 / power) * (1 if m > 0 else -1) for m in signed]
    distances = [sum((x - m) ** 2 for x, m in zip(row, means, strict=True)) ** 0.5 for row in rows]
    weights = [(distance / max(distances)) ** gamma for distance in distances]
    return [sum(w * row[d] for w, row in zip(weights, rows, strict=True)) / sum(weights) for d in range(numbers)]


@pytest.mark.parametrize("name", ["mean", "max", "gem", "rdp"])
@pytest.mark.parametrize(("power", "gamma"), [(3.0, 9.0), (1.0, 0.5), (6.5, 20.0)])
def test_poolings_are_their_equations(name, power, gamma):
    rows = np.random.default_rng(0).normal(1, 2, (7, 5)).astype(np.float32)
    pooled = pool(rows, [name], gem_power=power, rdp_gamma=gamma)
    np.testing.assert_allclose(pooled, naive(rows.tolist(), name, power, gamma), rtol=1e-5, atol=1e-6)


def test_cases_computed_by_hand():
    rows = np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 0.0]], np.float32)  # mean 3, deviations 2, 1, 3
    assert pool(rows, ["mean", "max"], **OPTIONS).tolist() == [3, 0, 6, 0]
    gem = pool(rows, ["gem"], **OPTIONS)
    assert gem.tolist() == pytest.approx([((1 + 8 + 216) / 3) ** (1 / 3), 0])
    rdp = pool(rows, ["rdp"], **OPTIONS)  # weights 4/9, 1/9, 1 over 14/9
    assert rdp.tolist() == pytest.approx([(4 * 1 + 1 * 2 + 9 * 6) / 14, 0])


def test_exponents_have_their_limits():
    rows = np.random.default_rng(1).uniform(0, 1, (9, 4)).astype(np.float32)
    mean, loudest = rows.mean(axis=0), rows.max(axis=0)
    np.testing.assert_allclose(pool(rows, ["gem"], gem_power=1, rdp_gamma=1), mean, rtol=1e-6)
    np.testing.assert_allclose(pool(rows, ["gem"], gem_power=100, rdp_gamma=1), loudest, rtol=0.03)
    np.testing.assert_allclose(pool(rows, ["rdp"], gem_power=1, rdp_gamma=0), mean, rtol=1e-6)
    furthest = rows[np.linalg.norm(rows - mean, axis=1).argmax()]
    np.testing.assert_allclose(pool(rows, ["rdp"], gem_power=1, rdp_gamma=1000), furthest, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, -2.5, 1e30])
def test_equal_embeddings_are_kept(value):
    rows = np.full((3, 2), value, np.float32)
    for name in ("mean", "max", "gem", "rdp"):
        np.testing.assert_allclose(pool(rows, [name], **OPTIONS), [value, value], rtol=1e-6)
        np.testing.assert_allclose(pool(rows[:1], [name], **OPTIONS), [value, value], rtol=1e-6)
