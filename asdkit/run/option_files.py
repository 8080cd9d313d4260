"""Files that options of plugins name, such as a trained model: results depend on their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from asdkit.config import Config


def option_files(configs: Iterable[Config], folder: Path) -> list[tuple[str, str]]:
    """Return the value and SHA-256 of each option that is the path of an existing file.

    Options in lists, tables and nested models count as well; choices of a `Literal` are no paths.

    Parameters
    ----------
    configs
        Options of plugins.
    folder
        The folder that paths are relative to.

    Returns
    -------
    list of (str, str)
        Sorted, without duplicates.
    """
    found = set()
    for value in {value for config in configs for value in _texts(config)}:
        try:
            path = folder / value
            if path.is_file():
                with path.open("rb") as file:
                    found.add((str(value), hashlib.file_digest(file, "sha256").hexdigest()))
        except (OSError, ValueError):
            continue  # no path, or not readable: the plugin reports it
    return sorted(found)


def _texts(value: object, choices: frozenset[object] = frozenset()) -> Iterator[str | Path]:
    """Yield all texts and paths in a value that are not among the choices of its field."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from _texts(getattr(value, name), frozenset(_choices(info.annotation)))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item, choices)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item, choices)
    elif isinstance(value, str | Path) and value not in choices:
        yield value


def _choices(annotation: Any) -> Iterator[object]:
    """Yield the choices of each `Literal` in an annotation."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    for part in get_args(annotation):
        yield from _choices(part)
