"""Files that options of plugins name, such as models: their content in a bundle, or supplied beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from asdkit.bundle.archive import MAX_BYTES
from asdkit.bundle.description import EXPORT_AGAIN, Description
from asdkit.errors import DataError, UsageError
from asdkit.option_files import MAX_FILE, FileLookup, FilePath, stored_files
from asdkit.text import plural, printable, size_text


def files_of_options(where: str, description: Description, files: Mapping[str, bytes]) -> FileLookup:
    """Return the files that options name, by name: the name is never opened.

    Parameters
    ----------
    where
        Name of the bundle in messages.
    description
        Its description.
    files
        Content of its entries, and of the files supplied beside it.

    Raises
    ------
    UsageError
        If the content of one is missing.
    DataError
        If the content of one differs from its digest.
    """
    found = []
    for part in description.files:
        content = files.get(part.entry)
        if content is None:
            raise UsageError(
                f"{where}: does not hold the file {printable(part.name)} "
                f"({plural(part.size, 'byte')}, SHA-256 {part.sha256})",
                hint="It was exported without files: supply this one with --file PATH.",
            )
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise DataError(f"{where}: the file {printable(part.name)} differs from its digest{EXPORT_AGAIN}")
        found.append(FilePath(part.name, part.sha256, part.size, content))
    return stored_files(found)


def supplied_files(where: str, description: Description, paths: Iterable[Path]) -> dict[str, bytes]:
    """Read files that a bundle does not hold; return their content by the names of their entries.

    Raises
    ------
    UsageError
        If one cannot be read, or the bundle does not need a file of its digest.
    """
    wanted = {part.sha256: part for part in description.files if not part.included}
    supplied = {}
    for path in paths:
        shown = printable(str(path))
        try:
            if not path.is_file() or path.stat().st_size > MAX_FILE:
                raise UsageError(f"--file {shown}: expected a file of at most {size_text(MAX_FILE)}")
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            raise UsageError(f"--file {shown}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest not in wanted:
            names = ", ".join(f"{printable(part.name)}, SHA-256 {part.sha256}" for part in wanted.values())
            needed = f"it needs {names}" if names else "it needs none"
            raise UsageError(f"--file {shown}: its SHA-256 {digest} is of no file that {where} needs; {needed}")
        supplied[wanted[digest].entry] = content
    return supplied


def include_files(description: Description, files: dict[str, bytes], included: bool) -> Description:
    """Keep or remove the content of files that options name; return the description of that.

    Raises
    ------
    UsageError
        If a bundle cannot hold them.
    """
    parts = description.files
    total = sum(len(data) for data in files.values())
    if included and parts and total > MAX_BYTES:
        text = f"the bundle would have {size_text(total)}; expected at most {size_text(MAX_BYTES)}"
        raise UsageError(text, hint="Export it --without-files: it then names the files by their SHA-256.")
    if not included:
        for part in parts:
            files.pop(part.entry, None)
    return description.model_copy(
        update={"files": tuple(part.model_copy(update={"included": included}) for part in parts)}
    )
