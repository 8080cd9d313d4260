"""What tests of the benchmarks share."""

from pathlib import Path

import pytest

from tests.helpers.rooms import make_room


@pytest.fixture
def room(tmp_path) -> Path:
    """Two machines, two ids each: 4 training clips, 3 normal and 3 anomalous test clips an id."""
    return make_room(tmp_path / "room")
