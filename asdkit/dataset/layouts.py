"""All layouts, by name."""

from __future__ import annotations

from asdkit.dataset.dcase import Dcase2020, Sections
from asdkit.dataset.folder import Folder
from asdkit.dataset.layout import Layout
from asdkit.dataset.table import Table
from asdkit.dataset.unsplit import Mimii, ToyAdmos

LAYOUTS: dict[str, Layout] = {
    "dcase2020": Dcase2020(),
    "dcase2021": Sections(("source_test", "target_test")),
    **{f"dcase{year}": Sections(("test",)) for year in range(2022, 2027)},
    "mimii": Mimii(),
    "toyadmos": ToyAdmos(),
    "folder": Folder(),
    "csv": Table(),
}
