"""A layout under test, on a small data folder made of its examples."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from asdkit.data.scan import scan_clips
from asdkit.layouts.clip import Clip
from asdkit.plugins import Kind
from asdkit.testing.subject import Arrays, CountingContext, Subject


class LayoutSubject(Subject):
    """A layout and the folder of its examples, which all uses share."""

    kind: ClassVar[Kind] = "layout"

    @property
    def amounts(self) -> dict[str, int]:
        """Return the number of files of its examples."""
        return {"files": len(self.plugin_class.examples)}  # type: ignore[attr-defined]

    @cached_property
    def folder(self) -> Path:
        """The folder of the examples; recordings in it are empty files."""
        folder = self.new_folder()
        for name, text in self.plugin_class.examples.items():  # type: ignore[attr-defined]
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    def new_folder(self) -> Path:
        """Return an empty folder, which is removed with the subject."""
        folder = Path(tempfile.mkdtemp(prefix="asdkit-layout-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def given(self, instance: Any, folder: Path) -> Path:
        """Return what a user names: the folder, or the table in it."""
        tables = [name for name in instance.examples if Path(name).suffix.lower() in instance.tables]
        return folder / tables[0] if tables else folder

    def clips(self, instance: Any, folder: Path | None = None) -> tuple[list[Clip], list[str]]:
        """Return the clips in a folder, by default that of the examples, and the errors found."""
        clips, scan = scan_clips(instance, self.given(instance, self.folder if folder is None else folder))
        return clips, scan.faults

    def use(self, instance: Any, ctx: CountingContext, *, read_only: bool = False) -> Arrays:
        """Find the clips of the examples."""
        clips, faults = self.clips(instance)
        return {"clips": np.array([repr(clip) for clip in clips]), "faults": np.array(faults, dtype=np.str_)}

    def fault(self, outputs: Arrays) -> str:
        """The examples give clips, and no errors."""
        if len(outputs["faults"]):
            return f"its own examples have errors: {outputs['faults'][0]}"
        return "" if len(outputs["clips"]) else "its own examples have no clip"
