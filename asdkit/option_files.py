"""Files that options of plugins name, such as a trained model: results depend on their content."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticKnownError, core_schema

from asdkit.errors import DataError
from asdkit.files import sha256

MAX_FILE: Final = 1 << 30
"""Largest size of a file that an option names [bytes]."""
_CONTEXT = "asdkit_files"  # key of the context of pydantic's validation


@dataclass(frozen=True)
class FilePath:
    """A file that an option names, such as a trained model: the type of that option.

    In a spec it is a text: a path relative to the spec's folder. A missing file, a folder, or a file of more than 1 GiB
    is a fault of the spec. The file's SHA-256 is part of the job's key, a run keeps a copy, and a bundle holds the
    content, so a plugin calls `read` and never opens a path.

    Attributes
    ----------
    name
        The path as the spec has it; only a name where a bundle is used.
    sha256
        Digest of the content, in hexadecimal digits.
    size
        Bytes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from asdkit.api import Config, Field, FilePath
    >>> class EmbeddingConfig(Config):
    ...     model: FilePath = Field(description="the network, an ONNX file")
    >>> _ = Path("embedding.onnx").write_bytes(b"weights")
    >>> EmbeddingConfig(model="embedding.onnx").model.read()
    b'weights'
    """

    name: str
    sha256: str
    size: int
    _source: Path | bytes = field(repr=False, compare=False)

    def read(self) -> bytes:
        """Return the content.

        Raises
        ------
        DataError
            If the file cannot be read, or has changed since the spec was checked.
        """
        if isinstance(self._source, bytes):
            return self._source
        try:
            data = self._source.read_bytes()
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read: {error.strerror} ({self._source})") from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DataError(f"{self.name}: changed since the spec was checked; run again to use its new content")
        return data

    def __str__(self) -> str:
        return self.name

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "file-path"}


FileLookup = Callable[[str], FilePath]
"""Returns the file that a text names, or raises ValueError with the reason why there is none."""


def files_in(folder: Path) -> FileLookup:
    """Look files up in a folder; each is read once, for its digest."""
    found: dict[str, FilePath] = {}

    def lookup(name: str) -> FilePath:
        if name not in found:
            found[name] = _checked(name, folder / name)
        return found[name]

    return lookup


def stored_files(files: Iterable[FilePath]) -> FileLookup:
    """Look files up by their names among those of a run or bundle: the names are never opened."""
    stored = {file.name: file for file in files}

    def lookup(name: str) -> FilePath:
        if name not in stored:
            raise ValueError("the file is not among those stored")
        return stored[name]

    return lookup


def lookup_context(lookup: FileLookup) -> dict[str, FileLookup]:
    """Return the context for pydantic's validation in which options of type `FilePath` are looked up."""
    return {_CONTEXT: lookup}


def stored_options(configs: Iterable[BaseModel]) -> list[FilePath]:
    """Return the values of type `FilePath` in options, each name once, sorted; lists, tables and nested models too."""
    found = {value.name: value for config in configs for value in _values(config) if isinstance(value, FilePath)}
    return [file for _, file in sorted(found.items())]


def option_files(configs: Iterable[BaseModel], folder: Path) -> list[tuple[str, str]]:
    """Return name and SHA-256 of each file that options name.

    These are the values of type `FilePath`, and, for plugins of API 1, texts and paths that are those of existing
    files. Choices of a `Literal` are no paths.

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
    for value in {value for config in configs for value in _values(config)}:
        if isinstance(value, FilePath):
            found.add((value.name, value.sha256))
            continue
        try:
            path = folder / value
            if path.is_file():
                found.add((str(value), sha256(path)))
        except (OSError, ValueError):
            continue  # no path, or not readable: the plugin reports it
    return sorted(found)


def _validate(value: object, info: ValidationInfo) -> FilePath:
    if isinstance(value, FilePath):
        return value
    if not isinstance(value, str | Path):
        raise PydanticKnownError("string_type")
    lookup: FileLookup = (info.context or {}).get(_CONTEXT) or files_in(Path())
    return lookup(str(value))


def _checked(name: str, path: Path) -> FilePath:
    """Return the file at a path.

    Raises
    ------
    ValueError
        If it is missing, not a file, too large, or cannot be read.
    """
    where = f"{path.absolute()}"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{where} is not a file; expected the path of one")
        if status.st_size > MAX_FILE:
            raise ValueError(f"{where} has {status.st_size:,} bytes; expected at most {MAX_FILE:,}")
        return FilePath(name, sha256(path), status.st_size, path.absolute())
    except FileNotFoundError:
        raise ValueError(f"there is no file {where}") from None
    except OSError as error:
        raise ValueError(f"{where} cannot be read: {error.strerror}") from None


def _values(value: object, choices: frozenset[object] = frozenset()) -> Iterator[str | Path | FilePath]:
    """Yield all files, texts and paths in a value that are not among the choices of its field."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from _values(getattr(value, name), frozenset(_choices(info.annotation)))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item, choices)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _values(item, choices)
    elif isinstance(value, str | Path | FilePath) and value not in choices:
        yield value


def _choices(annotation: Any) -> Iterator[object]:
    """Yield the choices of each `Literal` in an annotation."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    for part in get_args(annotation):
        yield from _choices(part)
