"""Build a plugin's wheel and install it into a new environment, where nothing else of its source can be imported."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from asdkit.errors import UsageError

_TIMEOUT = 600  # seconds, of each command of pip
_BACKEND = "setuptools.build_meta"  # the build backend where pyproject.toml names none (PEP 517)

_PATHS = "asdkit_check_built.pth"
_GUARD = "_asdkit_check_built.py"
_GUARD_SOURCE = '''"""Add the packages of the environment that ran check-plugin, but no module that the wheel lacks."""

import site
import sys


class _NotInWheel:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: the wheel does not contain it", name=name)


sys.meta_path.insert(0, _NotInWheel)
for folder in {folders!r}:
    site.addsitedir(folder)
'''


@contextmanager
def installed_wheel(source: Path) -> Iterator[Path]:
    """Build the wheel of the package in a folder and install it into a new environment.

    asdkit and everything else that is installed can be imported there; of the package, only what its wheel contains.
    Without network where the build backend is installed; else pip downloads that alone.

    Parameters
    ----------
    source
        The folder with ``pyproject.toml``.

    Yields
    ------
    python
        The Python of the environment, which exists until the context ends.

    Raises
    ------
    UsageError
        If the folder holds no package, or it cannot be built or installed.
    """
    backend = _backend(source)
    if importlib.util.find_spec("pip") is None:
        raise UsageError(f"--built needs pip in the environment of {sys.executable}", hint="python -m ensurepip")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        isolation = ["--no-build-isolation"] if _installed(backend) else []
        _pip(f"{source} cannot be built", ["wheel", "--no-deps", *isolation, "-w", name, str(source.resolve())])
        (wheel,) = folder.glob("*.whl")
        python = _new_environment(folder / "environment", source, wheel)
        arguments = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
        _pip(f"{wheel.name} cannot be installed", arguments)
        yield python


def run_asdkit(python: Path, arguments: Sequence[str]) -> int:
    """Run ``asdkit`` of an environment, outside the working folder; return its exit code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-P", "-m", "asdkit", *arguments]
    return subprocess.run(command, cwd=python.parent, env=environment, check=False).returncode  # noqa: S603 (ours)


def _backend(source: Path) -> str:
    """Return the build backend that ``pyproject.toml`` names."""
    path = source / "pyproject.toml"
    try:
        backend: object = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system", {}).get("build-backend")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}", hint="--built expects the folder of a package, with pyproject.toml."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise UsageError(f"{path}: not valid: {error}") from None
    return backend if isinstance(backend, str) else _BACKEND


def _installed(backend: str) -> bool:
    try:
        return importlib.util.find_spec(backend.partition(":")[0]) is not None
    except ImportError:  # the package that holds it is absent
        return False


def _pip(problem: str, arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 (ours)
    if ran.returncode:
        lines = [line.strip() for line in f"{ran.stdout}\n{ran.stderr}".splitlines() if line.strip()]
        named = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        cause = [*lines[:1], *named][-1] if lines else f"exit code {ran.returncode}"
        raise UsageError(f"{problem}: {cause}", hint=f"The command was: {' '.join(command)}")


def _new_environment(folder: Path, source: Path, wheel: Path) -> Path:
    """Make an environment that also sees the packages of this one; return its Python."""
    venv.create(folder, symlinks=os.name != "nt")
    scheme = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    here = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    blocked = (_modules_in(source) | _modules_in(source / "src") | _installed_modules(wheel)) - _modules_of(wheel)
    site.mkdir(parents=True, exist_ok=True)
    (site / _GUARD).write_text(_GUARD_SOURCE.format(blocked=sorted(blocked), folders=here), encoding="utf-8")
    (site / _PATHS).write_text(f"import {Path(_GUARD).stem}\n", encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", scheme)) / Path(sys.executable).name


def _modules_in(folder: Path) -> set[str]:
    """Return the names of modules and packages in a folder."""
    if not folder.is_dir():
        return set()
    return {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}


def _modules_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {_top_level(name) for name in archive.namelist()}


def _installed_modules(wheel: Path) -> set[str]:
    """Return the modules of the same distribution as it is installed in this environment, if it is."""
    try:
        files = metadata.distribution(wheel.name.partition("-")[0]).files
    except metadata.PackageNotFoundError:
        return set()
    return {_top_level(str(path)) for path in files or [] if not str(path).startswith("..")}


def _top_level(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")
