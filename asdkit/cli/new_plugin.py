"""``asdkit new-plugin``."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asdkit.errors import UsageError
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.plugins import Kind

_TEMPLATES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "LICENSE": "LICENSE.txt",
    "$module/__init__.py": "${kind}_hook.py.txt",
    "$module/$kind.py": "$kind.py.txt",
    "tests/test_$module.py": "test.py.txt",
}
_MAX_NAME_LENGTH = 64
_VALUES = ("true", "false", "inf", "nan")
_TRY_IT: dict[Kind, str] = {
    "detector": "asdkit demo --set detectors.$name.use=$name --set detectors.$name.featurizer=logmel",
    "featurizer": "asdkit demo --set featurizers.$name.use=$name --set detectors.AE.featurizer=$name",
    "augmenter": "asdkit demo --set augmenters.$name.use=$name --set 'detectors.M.augmenters=[\"$name\"]'",
    "fuser": "asdkit demo --set 'systems.MG-max.fuser={ use = \"$name\" }'",
    "layout": "asdkit data FOLDER --layout $name",
}


def new_plugin(
    kind: Annotated[
        Literal["detector", "featurizer", "augmenter", "fuser", "layout"],
        typer.Argument(metavar="KIND", help="Its kind."),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the plugin, as in `use`, such as my-idea.")],
) -> None:
    """Write a package with a new plugin, ready to install: a small one that works and passes every check.

    KIND is detector, featurizer, augmenter, fuser or layout; the folder is asdkit-NAME.
    """
    folder = write_package(kind, name, Path())
    typer.echo(f"The plugin is {folder / _module(name) / kind}.py, its options are in __init__.py beside it. Next:\n")
    for command in (f"pip install -e {folder}", f"asdkit check-plugin {name}", _fill(_TRY_IT[kind], kind, name)):
        typer.echo(f"    {command}")


def write_package(kind: Kind, name: str, parent: Path) -> Path:
    """Write the package into a new folder in `parent`, and return that folder.

    Raises
    ------
    UsageError
        If the name is not valid or not available.
    """
    folder = parent / f"asdkit-{name}"
    _check_name(name, folder)
    templates = files("asdkit.cli") / "templates"
    for path, template in _TEMPLATES.items():
        text = (templates / _fill(template, kind, name)).read_text(encoding="utf-8")
        target = folder / _fill(path, kind, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_fill(text, kind, name), encoding="utf-8")
    return folder


def _check_name(name: str, folder: Path) -> None:
    from asdkit.plugins import NAME, discover

    if not NAME.fullmatch(name) or len(name) > _MAX_NAME_LENGTH or name in _VALUES:
        raise UsageError(
            f"{printable(name)!r} cannot be the name of a plugin",
            hint="Expected lower case words joined by hyphens, such as my-idea; "
            f"at most {_MAX_NAME_LENGTH} characters, and none of {', '.join(_VALUES)}, which are values in a spec.",
        )
    for plugin in discover().plugins:
        if plugin.name == name:
            raise UsageError(f"{plugin.distribution} has a plugin called {name!r} already; choose another name")
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name, or remove it")
    if importlib.util.find_spec(_module(name)) is not None:
        raise UsageError(f"a module called {_module(name)} is installed already; choose another name")


def _module(name: str) -> str:
    return f"asdkit_{name.replace('-', '_')}"


def _fill(template: str, kind: Kind, name: str) -> str:
    from asdkit.interfaces import API_VERSION

    camel = "".join(word.capitalize() for word in name.split("-"))
    values = {
        "name": name,
        "module": _module(name),
        "class": camel + kind.capitalize(),  # the suffix avoids names of Python and asdkit.api
        "config": f"{camel}Config",
        "kind": kind,
        "api": str(API_VERSION),
    }
    values["try_it"] = Template(_TRY_IT[kind]).substitute(values)
    return Template(template).substitute(values)
