"""Files for the examples in docstrings (``pytest --doctest-modules asdkit``)."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the finished run ``runs/fan`` and a bundle of it, ``fan.asdkit``."""
    from asdkit.bundle import Bundle
    from asdkit.bundle.export import export
    from tests.helpers.bundle_room import finished_run

    folder = tmp_path_factory.mktemp("examples")
    run = finished_run(folder)
    (folder / "runs").mkdir()
    run.rename(folder / "runs" / "fan")
    (folder / "fan.asdkit").write_bytes(export(Bundle.of_run(folder / "runs" / "fan", "both")))
    return folder


@pytest.fixture(autouse=True)
def _examples_find_their_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name.startswith("asdkit.bundle."):
        monkeypatch.chdir(request.getfixturevalue("example_folder"))
