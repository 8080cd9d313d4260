"""Score files for tests."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, rows: dict[str, float] | list[tuple[str, object]], header: str = "") -> Path:
    """Write a score file, a row for each name and value; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = rows.items() if isinstance(rows, dict) else rows
    path.write_text(header + "".join(f"{name},{value}\n" for name, value in pairs))
    return path
