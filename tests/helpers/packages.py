"""Distributions for tests, installed into a folder."""

from __future__ import annotations

import tomllib
from pathlib import Path


def install(
    site: Path, distribution: str, modules: dict[str, str], entry_points: dict[str, str], group: str = "asdkit"
) -> None:
    """Install a distribution into `site`, as pip does: modules, metadata and entry points of a group."""
    site.mkdir(exist_ok=True)
    for name, source in modules.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    points = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{points}\n")


def install_tree(site: Path, folder: Path) -> None:
    """Install the package in a folder into `site`: all modules that are not its tests."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    paths = [path for path in folder.rglob("*.py") if not path.name.startswith("test_")]
    modules = {str(path.relative_to(folder)): path.read_text() for path in paths}
    install(site, project["name"], modules, project["entry-points"]["asdkit"])
