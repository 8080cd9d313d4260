"""Write the report of a finished run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from asdkit.report.drawing import Drawing
from asdkit.report.plotting import Plot, draw, plan_plots, write_plots
from asdkit.report.reading import read_run
from asdkit.run.files import write_atomic

PAGE = "report.html"
PLOTS = "plots"


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``plots/`` of a finished run into its folder.

    Parameters
    ----------
    folder
        The run folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        If the folder holds no finished run.
    OSError
        If the report cannot be written; an older one is gone then, for it would tell of other results.
    """
    from asdkit.report.closer import look_closer
    from asdkit.report.page import render

    run = read_run(folder)
    page = folder / PAGE
    page.unlink(missing_ok=True)
    if (folder / PLOTS).is_symlink():
        (folder / PLOTS).unlink()
    elif (folder / PLOTS).exists():
        shutil.rmtree(folder / PLOTS)
    shown, left_out = plan_plots(run)
    drawings: dict[Plot, Drawing] = {plot: draw(run, plot) for plot in shown}
    closer, not_explained = look_closer(run)
    text = render(run, drawings, left_out, closer, not_explained)
    drawings |= {plot: drawing for clip in closer for plot, drawing in clip.drawings.items()}
    with tempfile.TemporaryDirectory(prefix=".plots.", dir=folder) as temporary:
        write_plots(Path(temporary) / PLOTS, drawings)
        if drawings:
            os.replace(Path(temporary) / PLOTS, folder / PLOTS)
    write_atomic(page, text.encode("utf-8", "backslashreplace"))
    return page
