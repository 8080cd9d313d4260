"""The report of a run: what it shows, that it shows it as text, and that it stands alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from asdkit.errors import DataError
from asdkit.report import write_report
from asdkit.report.plots import MAX_DRAWINGS, Curve, draw_histogram, draw_roc, plan_plots
from asdkit.report.rankings import agreement, worth_hearing
from asdkit.report.run_data import read_run
from tests.helpers.made_runs import clips, write_run
from tests.helpers.pages import Page

EVIL = "<img src=x onerror=alert(1)>"


def figures(row):
    return f"{100 * row['auc']:.2f} ({100 * row['pauc']:.2f})"


def test_the_tables_show_the_figures_of_results_json(finished):
    page = Page(write_report(finished))
    found = json.loads((finished / "results.json").read_text())
    for name in ("A", "B", "both"):
        by_machine = {m["machine"]: figures(m) for m in found["means"] if m["name"] == name}
        assert page.row(name)[1:] == [by_machine["fan"], by_machine["pump"], by_machine[None]]
        for place, machine in enumerate(("fan", "pump"), start=1):
            ids = [figures(r) for r in found["results"] if (r["name"], r["machine"]) == (name, machine)]
            assert page.row(name, place)[1:] == [*ids, by_machine[machine]]


def test_the_highest_auc_of_each_column_is_marked_and_no_other(finished):
    page = Page(write_report(finished))
    means = json.loads((finished / "results.json").read_text())["means"]
    table = re.search(r'<table class="results">.*?</table>', page.text, re.DOTALL).group()
    marked = re.findall(r'<td class="best">([^<]*)</td>', table)
    best = [max((m for m in means if m["machine"] == k), key=lambda m: m["auc"]) for k in ("fan", "pump", None)]
    assert sorted(marked) == sorted(map(figures, best))


def test_the_page_refers_to_nothing_outside_of_itself_and_holds_no_script(finished):
    page = Page(write_report(finished))
    assert "://" not in page.text
    assert "@import" not in page.text
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "embed")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "srcset", "poster", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert set(re.findall(r"url\((.)", page.text)) <= {"#"}


def test_every_reference_within_the_page_leads_to_exactly_one_element(finished):
    page = Page(write_report(finished))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    used = {a["href"][1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", page.text))
    assert len(used) > 10
    assert used <= set(ids)


def test_all_colours_of_drawings_are_the_style_sheets(finished):
    page = Page(write_report(finished))
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
    for text in (
        f"{EVIL}0'.wav",
        machine,
        name,
        f"x{EVIL}",
        f"job {EVIL}",
        f"s{EVIL}.wav",
        f"note {EVIL}",
        f"id {id_}",
    ):
        assert text in page.shown, text
    files = [p.relative_to(run / "plots") for p in (run / "plots").rglob("*.*")]
    assert len(files) == 4
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", f.as_posix()) for f in files)


def test_the_same_run_gives_the_same_bytes(finished):
    def content():
        write_report(finished)
        made = [finished / "report.html", *sorted((finished / "plots").rglob("*.*"))]
        return [p.read_bytes() for p in made]

    first = content()
    assert len(first) == 1 + 2 * (4 + 4)  # the page; SVG and PNG of ROC and of one system's scores for four ids
    assert content() == first


def test_plots_lie_beside_the_page_as_svg_and_png(finished):
    write_report(finished)
    names = {p.relative_to(finished / "plots").as_posix() for p in (finished / "plots").rglob("*.*")}
    expected = {f"{m}/{k}_id_{i}" for m in ("fan", "pump") for k in ("roc", "scores_both") for i in ("00", "02")}
    assert names == {f"{name}.{suffix}" for name in expected for suffix in ("svg", "png")}
    assert (finished / "plots/fan/roc_id_00.png").read_bytes().startswith(b"\x89PNG")
    assert not list(finished.glob(".*"))


def test_a_run_without_labels_ends_with_scores_and_odd_training_clips(tmp_path):
    rows = clips("fan", "00", normal=0, anomaly=0, unknown=4)
    page = Page(write_report(write_run(tmp_path / "run", rows)))
    assert "no AUC to show" in page.shown
    assert "Training clips, with the highest scores" in page.shown
    assert "Without a label, with the highest scores" in page.shown
    assert sum(tag == "svg" for tag, _ in page.elements) == 1
    assert not list((tmp_path / "run" / "plots").rglob("roc*"))


def test_a_run_of_a_single_clip_gets_a_report(tmp_path):
    page = Page(write_report(write_run(tmp_path / "run", clips("fan", "00", train=1, normal=0, anomaly=0))))
    assert "1 training clip, none held out: no false-alarm rate can be promised (at best one of 1 in 2)" in page.shown
    assert "fan/train/normal_id_00_000.wav" in page.shown


def test_failed_jobs_skipped_recordings_and_notes_are_told_in_full(tmp_path):
    run = write_run(
        tmp_path / "run",
        [*clips("fan", "00"), *clips("pump", "00")],
        failed={"pump A": "out of memory", "pump B": "out of memory"},
        skipped=[{"path": "fan/train/bad.wav", "reason": "truncated"}],
        notes=["fan id 04: no test clips of both classes, so no AUC; it stays out of the means"],
    )
    lines = [x.split(",") for x in (run / "scores.csv").read_text().splitlines()]
    lines = [[*x[:5], "", "", ""] if x[1] == "pump" else x for x in lines]
    (run / "scores.csv").write_text("".join(",".join(x) + "\n" for x in lines))
    found = json.loads((run / "results.json").read_text())
    for kind in ("results", "means"):
        found[kind] = [r for r in found[kind] if r["machine"] != "pump"]
    (run / "results.json").write_text(json.dumps(found))
    page = Page(write_report(run))
    assert "pump A: out of memory" in page.shown
    assert "fan/train/bad.wav: truncated" in page.shown
    assert "fan id 04: no test clips of both classes" in page.shown
    assert "Every job of this machine failed" in page.shown
    assert page.row("A")[2] == "–"  # noqa: RUF001


def test_a_mean_over_fewer_machines_is_neither_marked_nor_left_unsaid(tmp_path):
    run = write_run(tmp_path / "run", [*clips("fan", "00"), *clips("pump", "00")])
    found = json.loads((run / "results.json").read_text())
    found["means"] = [m for m in found["means"] if (m["machine"], m["name"]) != ("pump", "A")]
    (mean,) = [m for m in found["means"] if (m["machine"], m["name"]) == (None, "A")]
    mean |= {"auc": 0.995, "pauc": 0.995, "of": 1}
    (run / "results.json").write_text(json.dumps(found))
    page = Page(write_report(run))
    assert page.row("A")[1:] == [figures(found["means"][0]), "–", "99.50 (99.50)"]  # noqa: RUF001
    assert "A: its mean is over 1 of 2 machines" in page.shown
    assert '<td class="best">99.50 (99.50)</td>' not in page.text


@pytest.mark.parametrize(("layout", "mean"), [("dcase2020", "arithmetic mean"), ("dcase2022", "harmonic mean")])
def test_the_page_says_by_which_mean_its_figures_are_brought_together(finished, layout, mean):
    path = finished / "settings.json"
    path.write_text(path.read_text().replace('"folder"', f'"{layout}"'))
    assert f"brought together by their {mean}" in Page(write_report(finished)).shown


def test_domains_have_columns_of_their_own(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {})
    found = json.loads((run / "results.json").read_text())
    (both,) = found["results"]
    found["results"] += [
        both | {"domain": "source", "auc": 0.875, "pauc": 0.75, "n_normal": 3},
        both | {"domain": "target", "auc": 0.625, "pauc": 0.5, "n_normal": 2},
    ]
    (run / "results.json").write_text(json.dumps(found))
    page = Page(write_report(run))
    assert page.row("AUC (pAUC), %", 1)[1:] == ["id 00", "id 00 source", "id 00 target", "mean"]
    assert page.row("A", 1)[1:4] == [figures(both), "87.50 (75.00)", "62.50 (50.00)"]
    assert "2 normal and 5 anomalous: one clip moves the AUC by up to 50.0 points" in page.shown
    assert "(fan id 00 (target))" in page.shown


def test_few_clips_ties_and_figures_below_chance_are_said(tmp_path):
    run = write_run(tmp_path / "run", clips("fan", "00"), ["A"], {}, scores=lambda row, _: float(row[4] == "normal"))
    page = Page(write_report(run))
    assert "A: its AUC is below 50 % (fan id 00)" in page.shown
    assert "one clip moves the AUC by up to 20.0 points" in page.shown
    assert "6 training clips, none held out: no false-alarm rate can be promised (at best one of 1 in 7)" in page.shown
    assert "pairs; each" not in page.shown
    tied = write_run(tmp_path / "tied", clips("fan", "00"), ["A"], {}, scores=lambda row, _: float(row[0][-5]))
    # anomaly i ties with normal i alone: 5 of 25 pairs
    assert "A on fan id 00: 5 of 25 pairs" in Page(write_report(tied)).shown


def test_a_run_with_clips_enough_is_given_no_cautions(tmp_path):
    rows = clips("fan", "00", train=99, normal=100, anomaly=100)
    page = Page(write_report(write_run(tmp_path / "run", rows)))
    assert page.shown.count("Not on this page") == 1  # worst clips: a run by hand has no jobs
    assert "Few" not in page.shown
    assert "Ties" not in page.shown


def test_a_page_of_many_ids_leaves_drawings_out_and_says_which(tmp_path, monkeypatch):
    ids = [f"{i:03}" for i in range(MAX_DRAWINGS)]
    folder = write_run(tmp_path / "run", [r for i in ids for r in clips("fan", i, train=1, normal=1, anomaly=1)])
    shown, left_out = plan_plots(read_run(folder))
    assert len(shown) == MAX_DRAWINGS
    assert {(p.id, p.name) for p in shown} == {(i, n) for i in ids[: MAX_DRAWINGS // 2] for n in (None, "both")}
    assert {(p.id, p.name) for p in left_out} == {(i, n) for i in ids[MAX_DRAWINGS // 2 :] for n in (None, "both")}
    monkeypatch.setattr("asdkit.report.plots.MAX_DRAWINGS", 3)
    page = Page(write_report(folder))
    assert sum(tag == "svg" for tag, _ in page.elements) == 3
    named = ", ".join(ids[2:14])
    assert f"ROC curves, to keep the page small: fan id {named} and 106 more (the scores" in page.shown
    assert "score histograms of both, to keep the page small: fan id 001, 002" in page.shown
    assert f"(fan id {', '.join(ids[:12])} and 108 more)" in page.shown  # few clips
    # a row each, and one for their mean; a column for each name
    assert page.row("AUC (pAUC), %", 1) == ["AUC (pAUC), %", "A", "B", "both"]
    (first,) = [r for r in json.loads((folder / "results.json").read_text())["results"] if r["id"] == "000"][:1]
    assert page.row("id 000")[1] == figures(first)
    assert page.row("mean")[1:] == [page.row(name)[-1] for name in ("A", "B", "both")]


def test_the_lists_name_the_first_mistakes_of_a_threshold(tmp_path):
    places = {("train", "normal"): 0.0, ("test", "normal"): 10.0, ("test", "anomaly"): 20.0}
    run = read_run(
        write_run(
            tmp_path / "run", clips("fan", "00"), ["A"], {}, scores=lambda r, _: places[r[3], r[4]] + int(r[0][-5])
        )
    )
    lists = dict(worth_hearing(run.tables["fan"], "A"))
    assert [h.score for h in lists["Normal, with the highest scores"]] == [14, 13, 12, 11, 10]
    assert [h.score for h in lists["Anomalous, with the lowest scores"]] == [20, 21, 22, 23, 24]
    train = np.arange(6.0)
    assert lists["Anomalous, with the lowest scores"][0].z == pytest.approx((20 - train.mean()) / train.std())


def test_agreement_is_spearmans_correlation_within_each_id(finished):
    run = read_run(finished)
    members, values = agreement(run, "fan")
    table = run.tables["fan"]
    per_id = []
    for id_ in ("00", "02"):
        chosen = table.where(id_, "test")
        per_id.append(spearmanr(table.columns["A"][chosen], table.columns["B"][chosen]).statistic)
    assert members == ["A", "B"]
    assert values[0][1] == values[1][0] == pytest.approx(np.mean(per_id))
    assert values[0][0] == pytest.approx(1)


def heights(svg, colour):
    """Tops of the filled bars of one colour, as shares of the highest."""
    path = next(
        d for d, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg) if f"fill: {colour}" in style
    )
    ys = np.array([float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)])
    return (ys.max() - ys) / (ys.max() - ys.min())


def test_a_histogram_shows_shares_of_clips_and_counts_those_far_out():
    normal = np.array([0.0, 0.0, 0.0, 1.0])
    drawing = draw_histogram({"normal": normal, "anomaly": np.array([0.5, 100.0])})
    svg = drawing.svg.decode()
    tops = heights(svg, "#0072b2")
    np.testing.assert_allclose(sorted(set(tops.round(3))), [0, 1 / 3, 1], atol=2e-3)  # 25 % and 75 %
    assert "last bar: 1 beyond" in svg  # 100 lies more than four ranges above the normal clips' 1
    assert "beyond" not in draw_histogram({"normal": normal}).svg.decode()


def test_a_perfect_curve_passes_through_the_upper_left_corner():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 2.0, 3.0])
    svg = draw_roc([Curve("S", 0, 1.0, labels, scores)]).svg.decode()
    path = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*stroke: #009e73[^"]*"', svg)[0]
    corners = [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
    left, top = np.min(corners, axis=0)
    assert (left, top) in corners
    assert "S  100.00" in svg


@pytest.mark.parametrize("missing", ["settings.json", "results.json", "scores.csv"])
def test_a_folder_without_a_finished_run_is_refused_with_what_is_missing(finished, missing):
    (finished / missing).unlink()
    with pytest.raises(DataError, match=f"no finished run: {missing} is missing"):
        write_report(finished)


def damaged(text, **changes):
    """JSON with other values."""
    return json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("name", "spoil", "why"),
    [
        ("results.json", lambda text: "{", "results.json: "),
        ("results.json", lambda text: "[]", "results.json: Input should be a valid dictionary"),
        ("results.json", lambda text: damaged(text, results=[1]), "results.json: results.0"),
        ("results.json", lambda text: damaged(text, notes=5), "results.json: notes"),
        ("results.json", lambda text: damaged(text, sha256="abc"), "results.json: sha256"),
        ("results.json", lambda text: damaged(text, wall_seconds=float("nan")), "NaN, which is no number"),
        ("settings.json", lambda text: "{}", "settings.json: data"),
        ("scores.csv", lambda text: "a\n1", "cut short, or not a table"),
        ("scores.csv", lambda text: "", "cut short, or not a table"),
        ("scores.csv", lambda text: text[:-5], "cut short, or not a table"),
        ("scores.csv", lambda text: text.rpartition("fan/test")[0], "tell of other test clips of fan id 02"),
        ("scores.csv", lambda text: text + text.splitlines()[3] + "\n", "lists a clip of fan twice"),
        ("scores.csv", lambda text: text.replace(",anomaly,", ",odd,", 1), "unknown label or split"),
        ("scores.csv", lambda text: text.replace(",anomaly,", ",", 1), "expected 8 values"),
        ("scores.csv", lambda text: re.sub(r",-?[\d.]+\n", ",nan\n", text, count=1), "line 2: a score of nan"),
        ("scores.csv", lambda text: re.sub(r",-?[\d.]+\n", ",x\n", text, count=1), "line 2: 'x' is no score"),
    ],
)
def test_spoilt_results_are_refused_with_what_is_wrong_and_a_way_out(finished, name, spoil, why):
    path = finished / name
    path.write_text(spoil(path.read_text()))
    with pytest.raises(DataError, match=rf"cannot be read \(.*{re.escape(why)}") as refused:
        write_report(finished)
    assert "asdkit run" in refused.value.hint


def test_importing_the_report_loads_no_matplotlib_and_no_jinja():
    code = "import sys, asdkit.cli, asdkit.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
