"""Which plots a report has, and what the drawings show."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from asdkit.drawing.clip import band_axis
from asdkit.drawing.histogram import draw_histogram
from asdkit.kernels.mel import mel_edges
from asdkit.report.plots import MAX_DRAWINGS, Curve, draw_roc, plan_plots
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import IDS, MACHINES, clips, write_run


def test_plots_are_written_as_svg_and_png(reported):
    names = {p.relative_to(reported / "plots").as_posix() for p in (reported / "plots").rglob("*.*")}
    expected = {f"{m}/{k}_id_{i}" for m in MACHINES for k in ("roc", "scores_both") for i in IDS}
    assert names == {f"{name}.{suffix}" for name in expected for suffix in ("svg", "png")}
    assert (reported / "plots/fan/roc_id_00.png").read_bytes().startswith(b"\x89PNG")
    assert not list(reported.glob(".*"))


def test_plots_of_the_first_ids_are_planned_first(tmp_path):
    ids = [f"{i:03}" for i in range(MAX_DRAWINGS)]
    folder = write_run(tmp_path / "run", [r for i in ids for r in clips("fan", i, train=1, normal=1, anomaly=1)])
    plots, left_out = plan_plots(read_run(folder))
    half = MAX_DRAWINGS // 2
    assert len(plots) == MAX_DRAWINGS
    assert {(p.id, p.name) for p in plots} == {(i, n) for i in ids[:half] for n in (None, "both")}
    assert {(p.id, p.name) for p in left_out} == {(i, n) for i in ids[half:] for n in (None, "both")}


def heights(svg, colour):
    """Return the tops of the filled bars of one colour, as shares of the highest."""
    path = next(
        d for d, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg) if f"fill: {colour}" in style
    )
    ys = np.array([float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)])
    return (ys.max() - ys) / (ys.max() - ys.min())


def test_histogram_shows_shares_and_counts_far_scores():
    normal = np.array([0.0, 0.0, 0.0, 1.0])
    drawing = draw_histogram({"normal": normal, "anomaly": np.array([0.5, 100.0])})
    svg = drawing.svg.decode()
    tops = heights(svg, "#0072b2")
    np.testing.assert_allclose(sorted(set(tops.round(3))), [0, 1 / 3, 1], atol=2e-3)  # 25 % and 75 %
    assert "last bar: 1 beyond" in svg  # 100 is more than four ranges above the normal clips' 1
    assert "beyond" not in draw_histogram({"normal": normal}).svg.decode()


def test_perfect_curve_passes_the_upper_left_corner():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 2.0, 3.0])
    svg = draw_roc([Curve("S", 0, 1.0, labels, scores)]).svg.decode()
    path = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*stroke: #009e73[^"]*"', svg)[0]
    corners = [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
    left, top = np.min(corners, axis=0)
    assert (left, top) in corners
    assert "S  100.00" in svg


def test_tick_is_at_the_band_of_its_frequency():
    frequencies = mel_edges(64, 0.0, 8000.0, False)[1:-1]
    axis = band_axis(frequencies)
    assert axis.label == "frequency, kHz"
    assert axis.ticks[:3] == ["4", "2", "1"]
    for position, tick in zip(axis.positions, axis.ticks, strict=True):
        below = int(position - 0.5)
        assert frequencies[below] <= 1000 * float(tick) <= frequencies[below + 1]
    assert min(a - b for a, b in pairwise(axis.positions)) >= 0.1 * 64


@pytest.mark.parametrize(
    ("frequencies", "label", "ticks"),
    [
        ([3100.0, 3200.0, 3300.0], "frequency, kHz", ["3.1", "3.2", "3.3"]),  # no octave of 1 kHz among them
        ([440.0], "frequency, Hz", ["440"]),
        ([100.0, 200.0, 300.0, 400.0, 500.0], "frequency, Hz", ["500", "250", "125"]),
        (np.geomspace(10, 7920, 96), "frequency, Hz", ["4000", "1000", "250", "62.5", "15.6"]),
    ],
)
def test_bands_of_every_kind_have_ticks(frequencies, label, ticks):
    axis = band_axis(np.array(frequencies))
    assert (axis.label, axis.ticks) == (label, ticks)
