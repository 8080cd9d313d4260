"""All layouts, by name."""

from __future__ import annotations

from asdkit.data.layouts.base import Layout
from asdkit.data.layouts.dcase import Dcase2020Layout, SectionsLayout
from asdkit.data.layouts.folder import FolderLayout
from asdkit.data.layouts.mimii import MimiiLayout, ToyAdmosLayout
from asdkit.data.layouts.table import TableLayout

LAYOUTS: dict[str, Layout] = {
    "dcase2020": Dcase2020Layout(),
    "dcase2021": SectionsLayout(("source_test", "target_test")),
    **{f"dcase{year}": SectionsLayout(("test",)) for year in range(2022, 2027)},
    "mimii": MimiiLayout(),
    "toyadmos": ToyAdmosLayout(),
    "folder": FolderLayout(),
    "csv": TableLayout(),
}
