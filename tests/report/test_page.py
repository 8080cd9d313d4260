"""The report page: its figures, that it is self-contained, and that names are shown as text."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from asdkit.report import write_report
from asdkit.report.plots import MAX_DRAWINGS
from tests.helpers.made_runs import IDS, MACHINES, clips, edit_results, remove_scores, write_run
from tests.helpers.pages import EVIL, Page


def figures(row):
    return f"{100 * row['auc']:.2f} ({100 * row['pauc']:.2f})"


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_tables_show_the_figures_of_results_json(reported, page):
    record = results(reported)
    for name in ("A", "B", "both"):
        by_machine = {m["machine"]: figures(m) for m in record["means"] if m["name"] == name}
        assert page.row(name)[1:] == [by_machine["fan"], by_machine["pump"], by_machine[None]]
        for table, machine in enumerate(MACHINES, start=1):
            ids = [figures(r) for r in record["results"] if (r["name"], r["machine"]) == (name, machine)]
            assert page.row(name, table)[1:] == [*ids, by_machine[machine]]


def test_only_the_highest_auc_of_each_column_is_marked(reported, page):
    means = results(reported)["means"]
    table = re.search(r'<table class="results">.*?</table>', page.text, re.DOTALL).group()
    marked = re.findall(r'<td class="best">([^<]*)</td>', table)
    best = [max((m for m in means if m["machine"] == k), key=lambda m: m["auc"]) for k in (*MACHINES, None)]
    assert sorted(marked) == sorted(map(figures, best))


def test_page_is_self_contained_and_has_no_script(page):
    assert "://" not in page.text
    assert "@import" not in page.text
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "embed")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "srcset", "poster", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert set(re.findall(r"url\((.)", page.text)) <= {"#"}


def test_every_reference_has_exactly_one_target(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    used = {a["href"][1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", page.text))
    assert len(used) > 10
    assert used <= set(ids)


def test_colours_of_drawings_are_those_of_the_style_sheet(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", page.text, re.DOTALL))
    used = set(re.findall(r"var\((--[\w-]+)\)", drawn))
    assert {"--normal", "--anomaly", "--training", "--zone", "--curve-1"} <= used
    assert not re.findall(r'style="[^"]*#[0-9a-f]{6}', drawn)
    sheet = page.text[page.text.index("<style>") : page.text.index("</style>")]
    assert all(sheet.count(f"{name}:") == 2 for name in used), "each for light and for dark screens"


def test_names_of_every_kind_are_shown_as_text(tmp_path):
    machine, id_, name = f"fan{EVIL}", '0"0', "a$b_$ & <b>"
    rows = [(f"{EVIL}{i}.wav", machine, id_, *kind) for i, kind in enumerate([("train", "normal")] * 3)]
    rows += [(f"{EVIL}{i}'.wav", machine, id_, "test", label) for i, label in enumerate(["normal", "anomaly"] * 3)]
    run = write_run(
        tmp_path / "run",
        rows,
        members=[name],
        systems={f"x{EVIL}": [name]},
        name=EVIL,
        failed={f"job {EVIL}": EVIL},
        skipped=[{"path": f"s{EVIL}.wav", "reason": EVIL}],
        notes=[f"note {EVIL}"],
    )
    page = Page(write_report(run))
    assert not [tag for tag, _ in page.elements if tag in ("img", "b_")]
    texts = (f"{EVIL}0'.wav", machine, name, f"x{EVIL}", f"job {EVIL}", f"s{EVIL}.wav", f"note {EVIL}", f"id {id_}")
    for text in texts:
        assert text in page.shown, text
    files = [p.relative_to(run / "plots") for p in (run / "plots").rglob("*.*")]
    assert len(files) == 4
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", f.as_posix()) for f in files)


def test_same_run_gives_the_same_bytes(reported, tmp_path):
    again = write_run(tmp_path / "run", [row for m in MACHINES for i in IDS for row in clips(m, i)])
    write_report(again)
    files = [p.relative_to(reported) for p in (reported / "report.html", *(reported / "plots").rglob("*.*"))]
    assert len(files) == 1 + 2 * (4 + 4)  # the page; SVG and PNG of ROC and of one system's scores for four ids
    there, here = str(reported).encode(), str(again).encode()  # the page names the folder of jobs that it misses
    assert all((again / f).read_bytes().replace(here, there) == (reported / f).read_bytes() for f in files)


def test_report_replaces_an_older_one(finished, blank_drawings):
    first = write_report(finished).read_bytes()
    (finished / "plots" / "old.svg").touch()
    assert write_report(finished).read_bytes() == first
    assert not (finished / "plots" / "old.svg").exists()


def test_linked_plots_folder_is_unlinked_not_emptied(finished, tmp_path, blank_drawings):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.svg").touch()
    (finished / "plots").symlink_to(tmp_path / "mine")
    write_report(finished)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["kept.svg"]
    assert not (finished / "plots").is_symlink()


def test_run_of_one_clip_has_a_page(tmp_path):
    page = Page(write_report(write_run(tmp_path / "run", clips("fan", "00", train=1, normal=0, anomaly=0))))
    assert "fan/train/normal_id_00_000.wav" in page.shown
    assert sum(tag == "svg" for tag, _ in page.elements) == 1


@pytest.mark.usefixtures("blank_drawings")
class TestText:
    """What the page says, whatever its drawings."""

    def test_run_without_labels_shows_scores_and_training_clips(self, tmp_path):
        rows = clips("fan", "00", normal=0, anomaly=0, unknown=4)
        page = Page(write_report(write_run(tmp_path / "run", rows)))
        assert "no AUC to show" in page.shown
        assert "Training clips, with the highest scores" in page.shown
        assert "Without a label, with the highest scores" in page.shown
        assert sum(tag == "svg" for tag, _ in page.elements) == 1
        assert not list((tmp_path / "run" / "plots").rglob("roc*"))

    def test_failed_jobs_and_skipped_recordings_are_listed(self, tmp_path):
        run = write_run(
            tmp_path / "run",
            [*clips("fan", "00"), *clips("pump", "00")],
            failed={"pump A": "out of memory", "pump B": "out of memory"},
            skipped=[{"path": "fan/train/bad.wav", "reason": "truncated"}],
            notes=["fan id 04: no test clips of both classes, so no AUC; it stays out of the means"],
        )
        remove_scores(run, "pump", "A", "B", "both")
        kept = {k: [r for r in results(run)[k] if r["machine"] != "pump"] for k in ("results", "means")}
        edit_results(run, **kept)
        page = Page(write_report(run))
        assert "pump A: out of memory" in page.shown
        assert "fan/train/bad.wav: truncated" in page.shown
        assert "fan id 04: no test clips of both classes" in page.shown
        assert "Every job of this machine failed" in page.shown
        assert page.row("A")[2] == "–"  # noqa: RUF001

    def test_mean_over_fewer_machines_is_noted_and_not_marked(self, tmp_path):
        run = write_run(tmp_path / "run", [*clips("fan", "00"), *clips("pump", "00")])
        means = [m for m in results(run)["means"] if (m["machine"], m["name"]) != ("pump", "A")]
        (mean,) = [m for m in means if (m["machine"], m["name"]) == (None, "A")]
        mean |= {"auc": 0.995, "pauc": 0.995, "of": 1}
        edit_results(run, means=means)
        page = Page(write_report(run))
        assert page.row("A")[1:] == [figures(means[0]), "–", "99.50 (99.50)"]  # noqa: RUF001
        assert "A: its mean is over 1 of 2 machines" in page.shown
        assert '<td class="best">99.50 (99.50)</td>' not in page.text

    @pytest.mark.parametrize(("layout", "mean"), [("dcase2020", "arithmetic mean"), ("dcase2022", "harmonic mean")])
    def test_page_names_the_mean_of_the_edition(self, finished, layout, mean):
        path = finished / "settings.json"
        path.write_text(path.read_text().replace('"folder"', f'"{layout}"'))
        assert f"averaged by the {mean}" in Page(write_report(finished)).shown

    def test_domains_have_columns(self, tmp_path):
        run = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {})
        (both,) = results(run)["results"]
        source = both | {"domain": "source", "auc": 0.875, "pauc": 0.75, "n_normal": 3}
        target = both | {"domain": "target", "auc": 0.625, "pauc": 0.5, "n_normal": 2}
        edit_results(run, results=[both, source, target])
        page = Page(write_report(run))
        assert page.row("AUC (pAUC), %", 1)[1:] == ["id 00", "id 00 source", "id 00 target", "mean"]
        assert page.row("A", 1)[1:4] == [figures(both), "87.50 (75.00)", "62.50 (50.00)"]
        assert "2 normal and 5 anomalous: one clip moves the AUC by up to 50.0 points" in page.shown
        assert "(fan id 00 (target))" in page.shown

    def test_page_of_many_ids_leaves_drawings_out(self, tmp_path, monkeypatch):
        ids = [f"{i:03}" for i in range(MAX_DRAWINGS)]
        folder = write_run(tmp_path / "run", [r for i in ids for r in clips("fan", i, train=1, normal=1, anomaly=1)])
        monkeypatch.setattr("asdkit.report.plots.MAX_DRAWINGS", 3)
        page = Page(write_report(folder))
        assert sum(tag == "svg" for tag, _ in page.elements) == 3
        named = ", ".join(ids[2:14])
        assert f"ROC curves, to keep the page small: fan id {named} and 106 more (the scores" in page.shown
        assert "score histograms of both, to keep the page small: fan id 001, 002" in page.shown
        assert f"(fan id {', '.join(ids[:12])} and 108 more)" in page.shown  # few clips
        # a row for each id, and one for their mean; a column for each name
        assert page.row("AUC (pAUC), %", 1) == ["AUC (pAUC), %", "A", "B", "both"]
        first = next(r for r in results(folder)["results"] if r["id"] == "000")
        assert page.row("id 000")[1] == figures(first)
        assert page.row("mean")[1:] == [page.row(name)[-1] for name in ("A", "B", "both")]


def test_importing_the_report_is_light():
    code = "import sys, asdkit.cli, asdkit.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"
