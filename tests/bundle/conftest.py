"""One finished run of light detectors, with clips held out, and a bundle of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from asdkit.plugins import Registry, discover
from tests.helpers.bundle_room import finished_run


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover()


@pytest.fixture(scope="session")
def run(tmp_path_factory, registry) -> Path:
    """Run folder; its recordings are in ``room`` beside it."""
    return finished_run(tmp_path_factory.mktemp("bundle"), registry=registry)


@pytest.fixture(scope="session")
def recordings(run) -> Path:
    """Folder of 16 test clips: 4 normal and 4 anomalous ones of each id."""
    return run.parent / "room" / "fan" / "test"


@pytest.fixture(scope="session")
def bundle(run, registry) -> Bundle:
    return Bundle.of_run(run, "both", registry=registry)


@pytest.fixture(scope="session")
def exported(run, bundle) -> Path:
    """Bundle file."""
    path = run.parent / "fan.asdkit"
    path.write_bytes(export(bundle))
    return path
