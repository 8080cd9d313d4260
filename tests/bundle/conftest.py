"""One run of light detectors, with clips held out, and what is exported of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from asdkit.plugins import Registry, discover
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec
from tests.helpers.bundle_room import SPEC, make_room


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover()


@pytest.fixture(scope="session")
def ran(tmp_path_factory, registry) -> Path:
    """Folder of a spec, its recordings and its finished run."""
    folder = tmp_path_factory.mktemp("bundle")
    make_room(folder / "room")
    (folder / "spec.toml").write_text(SPEC)
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    return folder


@pytest.fixture(scope="session")
def run(ran) -> Path:
    return ran / "run"


@pytest.fixture(scope="session")
def bundle(run, registry) -> Bundle:
    return Bundle.of_run(run, "both", registry=registry)


@pytest.fixture(scope="session")
def exported(ran, bundle) -> Path:
    path = ran / "fan.asdkit"
    path.write_bytes(export(bundle))
    return path
