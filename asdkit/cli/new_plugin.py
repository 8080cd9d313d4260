"""``asdkit new-plugin``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asdkit.errors import UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.plugins import Kind

_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "$module.py": "$kind.py.txt",
    "test_$module.py": "test.py.txt",
}
_LONGEST = 64
_VALUES = ("true", "false", "inf", "nan")
_TRY_IT: dict[Kind, str] = {
    "detector": "asdkit demo --set detectors.$name.use=$name",
    "featurizer": "asdkit demo --set featurizers.$name.use=$name --set detectors.AE.featurizer=$name",
    "augmenter": "asdkit demo --set augmenters.$name.use=$name --set 'detectors.M.augmenters=[\"$name\"]'",
    "fuser": "asdkit demo --set 'systems.2-max.fuser={ use = \"$name\" }'",
}


def new_plugin(
    kind: Annotated[
        Literal["detector", "featurizer", "augmenter", "fuser"], typer.Argument(metavar="KIND", help="What it is.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What `use` will call it, such as my-idea.")],
) -> None:
    """Write a package with a plugin of your own, ready to install: a small one that works and passes every check.

    KIND is detector, featurizer, augmenter or fuser; the folder is asdkit-NAME.
    """
    folder = write_package(kind, name, Path())
    typer.echo(f"{folder / _module(name)}.py is all there is to change. Next:\n")
    for command in (f"pip install -e {folder}", f"asdkit check-plugin {name}", _filled(_TRY_IT[kind], kind, name)):
        typer.echo(f"    {command}")


def write_package(kind: Kind, name: str, where: Path) -> Path:
    """Write the package into a new folder of `where`, and return it.

    Raises
    ------
    UsageError
        If the name is not valid or not free.
    """
    from importlib.resources import files

    folder = where / f"asdkit-{name}"
    _check_name(name, folder)
    templates = files("asdkit.cli") / "templates"
    folder.mkdir(parents=True)
    for path, template in _FILES.items():
        text = (templates / _filled(template, kind, name)).read_text(encoding="utf-8")
        (folder / _filled(path, kind, name)).write_text(_filled(text, kind, name), encoding="utf-8")
    return folder


def _check_name(name: str, folder: Path) -> None:
    from asdkit.plugins import NAME, discover

    if not NAME.fullmatch(name) or len(name) > _LONGEST or name in _VALUES:
        raise UsageError(
            f"{printable(name)!r} cannot be a plugin's name",
            hint="Expected words in lower case joined by hyphens, such as my-idea; "
            f"{_LONGEST} characters at most, and none of {', '.join(_VALUES)}, which are values in a spec.",
        )
    for plugin in discover().plugins:
        if plugin.name == name:
            raise UsageError(f"{plugin.distribution} has a plugin called {name!r} already; choose another name")
    if folder.exists():
        raise UsageError(f"{folder} is there already; choose another name, or remove it")
    if importlib.util.find_spec(_module(name)) is not None:
        raise UsageError(f"a module called {_module(name)} is installed already; choose another name")


def _module(name: str) -> str:
    return f"asdkit_{name.replace('-', '_')}"


def _filled(template: str, kind: Kind, name: str) -> str:
    from asdkit.interfaces import API_VERSION

    camel = "".join(word.capitalize() for word in name.split("-"))
    values = {
        "name": name,
        "module": _module(name),
        # With its kind behind it the class has no name that Python or asdkit.api has already.
        "class": camel + kind.capitalize(),
        "config": f"{camel}Config",
        "kind": kind,
        "api": str(API_VERSION),
    }
    values["try_it"] = Template(_TRY_IT[kind]).substitute(values)
    return Template(template).substitute(values)
