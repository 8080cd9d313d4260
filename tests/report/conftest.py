"""Runs and pages that the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

from asdkit.drawing.figure import Drawing
from asdkit.report import write_report
from tests.helpers.made_runs import two_machines
from tests.helpers.pages import EVIL, Page
from tests.helpers.planted import make_run


@pytest.fixture
def finished(tmp_path) -> Path:
    """A run of two machines, two ids each, two members and a system."""
    return two_machines(tmp_path / "run")


@pytest.fixture(scope="session")
def reported(tmp_path_factory) -> Path:
    """Such a run with its report; tests only read it."""
    folder = two_machines(tmp_path_factory.mktemp("reported") / "run")
    write_report(folder)
    return folder


@pytest.fixture
def page(reported) -> Page:
    return Page(reported / "report.html")


@pytest.fixture(scope="session")
def planted(tmp_path_factory) -> Path:
    """A real run with a tone burst planted in a test clip with a hostile name; tests may only write its report."""
    return make_run(tmp_path_factory.mktemp("planted"), name=f"{EVIL}.wav")


@pytest.fixture
def blank_drawings(monkeypatch):
    """Leave all drawings empty, for tests that read only the text of a page."""
    blank = Drawing(b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>', b"")
    for module in ("report.plots", "drawing.clip", "drawing.histogram"):
        monkeypatch.setattr(f"asdkit.{module}.render_figure", lambda draw, size: blank)


@pytest.fixture(autouse=True)
def _time_for_every_heat_map(monkeypatch):
    """The load of the machine must not decide which clips get a heat map."""
    monkeypatch.setattr("asdkit.report.explained_clips.BUDGET", 600.0)
