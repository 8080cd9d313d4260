"""What tests share: installed-looking plugins, and the real command."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.cli import cli_in
from tests.helpers.commands import Run, command_in
from tests.helpers.rooms import make_room, make_spec

# A fixed seed and no time limit: no test fails by chance, or because the machine is busy. A failing example is printed
# with the line that repeats it; add it to its test with @example. `nox -s explore` tries other examples each time, and
# ten times as many.
_ANY_LOAD = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("tests", derandomize=True, **_ANY_LOAD)
settings.register_profile("explore", max_examples=10 * settings().max_examples, **_ANY_LOAD)
settings.load_profile("tests")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of real recordings beside the checkout; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real recordings are not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def asdkit_command(tmp_path: Path) -> Run:
    """Run the real ``asdkit`` in a process of its own, with the plugins in ``tmp_path/site`` installed."""
    return command_in(tmp_path)


@pytest.fixture
def asdkit(tmp_path: Path) -> Run:
    """Run ``asdkit`` inside this process, with the plugins in ``tmp_path/site`` installed."""
    return cli_in(tmp_path)


@pytest.fixture
def room(tmp_path) -> Path:
    """Two machines, two ids each: 4 training clips, 3 normal and 3 anomalous test clips an id."""
    return make_room(tmp_path / "room")


@pytest.fixture
def spec(room, tmp_path) -> Path:
    """A spec of light detectors on the room; the plugin they use is installed."""
    return make_spec(tmp_path)
