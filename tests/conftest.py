"""What tests share: installed-looking plugins, and the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of real recordings beside the checkout; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real recordings are not beside this checkout")
    return SHARED_DATA


def install(site: Path, distribution: str, modules: dict[str, str], entry_points: dict[str, str]) -> None:
    """Put a distribution into `site` as pip would: modules, metadata, entry points."""
    site.mkdir(exist_ok=True)
    for name, source in modules.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    points = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[asdkit]\n{points}\n")


@pytest.fixture
def asdkit_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real ``asdkit``, with the plugins in ``tmp_path/site`` installed."""
    return command_in(tmp_path)


def command_in(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Make what runs the real ``asdkit`` in a folder, with the plugins in its ``site`` installed."""

    def command(*args: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
        return subprocess.run(
            [sys.executable, "-m", "asdkit", *map(str, args)],
            cwd=cwd or folder,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return command
