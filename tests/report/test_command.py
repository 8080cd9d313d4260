"""``asdkit run`` ends with a report, and ``asdkit report`` writes it again."""

from __future__ import annotations

import pytest

from tests.helpers.made_runs import clips, write_run
from tests.helpers.pages import Page
from tests.helpers.rooms import results_of


def test_run_ends_with_a_report_and_report_rewrites_it(asdkit, spec, tmp_path):
    command = asdkit("run", spec)
    assert command.returncode == 0, command.stderr
    run = tmp_path / "runs" / "small"
    page = run / "report.html"
    assert command.stderr.splitlines()[-1] == f"report in {page}"
    shown = Page(page).shown
    for mean in results_of(run)["means"]:
        assert f"{100 * mean['auc']:.2f} ({100 * mean['pauc']:.2f})" in shown
    before = page.read_bytes()
    page.unlink()
    again = asdkit("report", run)
    assert (again.returncode, again.stdout) == (0, f"{page}\n"), again.stderr
    assert page.read_bytes() == before
    page.unlink()
    page.mkdir()  # a folder in place of the page
    failing = asdkit("run", spec)
    assert failing.returncode == 0, failing.stderr
    assert "note: no report could be made" in failing.stderr
    assert results_of(run)["results"]


def test_folder_without_a_run_is_refused_in_two_lines(asdkit, tmp_path):
    command = asdkit("report", tmp_path)
    assert command.returncode == 3
    assert len(command.stderr.splitlines()) == 2
    assert "holds no finished run" in command.stderr


@pytest.mark.parametrize(("cwd", "argument"), [(".", "made"), ("elsewhere", "../made")])
def test_run_folder_may_be_relative(asdkit, tmp_path, blank_drawings, cwd, argument):
    (tmp_path / "elsewhere").mkdir()
    write_run(tmp_path / "made", clips("fan", "00"))
    command = asdkit("report", argument, cwd=tmp_path / cwd)
    assert command.returncode == 0, command.stderr
    assert (tmp_path / "made" / "report.html").exists()
