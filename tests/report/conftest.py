"""Run folders made by hand, so that what a report shows can be known beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.made_runs import clips, write_run


@pytest.fixture
def finished(tmp_path) -> Path:
    """A run of two machines, two ids each, two members and a system."""
    rows = [row for machine in ("fan", "pump") for id_ in ("00", "02") for row in clips(machine, id_)]
    return write_run(tmp_path / "run", rows)
