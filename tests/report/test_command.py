"""``asdkit run`` ends with a report, and ``asdkit report`` makes it again."""

from __future__ import annotations

import pytest

from tests.helpers.made_runs import write_run
from tests.helpers.pages import Page
from tests.helpers.rooms import results_of


def test_a_run_ends_with_a_report_that_the_command_makes_again(asdkit_command, spec, tmp_path):
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    run = tmp_path / "runs" / "small"
    assert ran.stderr.splitlines()[-1] == f"report in {run / 'report.html'}"
    page = Page(run / "report.html")
    for mean in results_of(run)["means"]:
        assert f"{100 * mean['auc']:.2f} ({100 * mean['pauc']:.2f})" in page.shown
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    again = asdkit_command("report", run)
    assert (again.returncode, again.stdout) == (0, f"{run / 'report.html'}\n"), again.stderr
    assert (run / "report.html").read_bytes() == before


def test_a_report_that_cannot_be_made_is_a_note_and_the_results_stay(asdkit_command, spec, tmp_path):
    run = tmp_path / "runs" / "small"
    assert asdkit_command("run", spec).returncode == 0
    (run / "report.html").unlink()
    (run / "report.html").mkdir()  # a folder where the page would go
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    assert "note: no report could be made" in ran.stderr
    assert results_of(run)["results"]


def test_a_folder_that_is_no_run_is_refused_in_two_lines(asdkit_command, tmp_path):
    ran = asdkit_command("report", tmp_path)
    assert ran.returncode == 3
    assert len(ran.stderr.splitlines()) == 2
    assert "holds no finished run" in ran.stderr


@pytest.mark.parametrize("cwd", [".", "elsewhere"])
def test_the_run_folder_may_be_given_relative_to_where_one_is(asdkit_command, tmp_path, cwd):
    from tests.helpers.made_runs import clips

    (tmp_path / "elsewhere").mkdir()
    write_run(tmp_path / "made", clips("fan", "00"))
    ran = asdkit_command("report", "made" if cwd == "." else "../made", cwd=tmp_path / cwd)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "made" / "report.html").exists()
