"""Compare a built wheel with the tree: ``python -m tests.wheel_content DIST``."""

import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path


def compare(wheel: Path, tree: Path) -> list[str]:
    """List what differs between the wheel's packages and entry points and the tree's."""
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    plugins = {p.name for p in (tree / "plugins").iterdir() if (p / "__init__.py").exists()}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = next(n for n in names if n.endswith(".dist-info/entry_points.txt"))
        parser = ConfigParser()
        parser.read_string(archive.read(points).decode())
    top = {n.split("/")[0] for n in names if ".dist-info/" not in n}
    wanted = {"asdkit"} | plugins
    problems = [f"{n}: in the wheel, not in the tree" for n in sorted(top - wanted)]
    problems += [f"{n}: in the tree, not in the wheel" for n in sorted(wanted - top)]
    groups = project["entry-points"]
    in_wheel = {group: dict(parser[group]) for group in groups}
    if in_wheel != groups:
        problems.append(f"entry points of the wheel: {in_wheel}")
    modules = {module.partition(".")[0] for points in in_wheel.values() for module in points.values()}
    if modules != plugins | {"asdkit"}:
        problems.append(f"entry points {sorted(modules)} are not the folders of plugins/ {sorted(plugins)}")
    sources = {"asdkit": tree / "asdkit"} | {p: tree / "plugins" / p for p in plugins}
    for name, folder in sources.items():
        files = {
            f"{name}/{p.relative_to(folder).as_posix()}"
            for p in folder.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        inside = {n for n in names if n.startswith(f"{name}/")}
        problems += [f"{n}: differs between wheel and tree" for n in sorted(files ^ inside)]
    return problems


if __name__ == "__main__":
    (built,) = Path(sys.argv[1]).glob("asdkit-*.whl")
    found = compare(built, Path(__file__).parents[1])
    sys.exit("\n".join(found) if found else 0)
