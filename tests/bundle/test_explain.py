"""`asdkit explain` and `Bundle.explain`: what they say, where bundles lack it, and the same times everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from asdkit.bundle import Bundle
from asdkit.bundle.archive import pack, unpack
from asdkit.bundle.export import export
from asdkit.bundle.healthy import MAX_CLIPS, MAX_ID_SECONDS, MAX_SECONDS, choose_evenly
from asdkit.errors import DataError
from asdkit.explain import Grid
from tests.helpers.pages import Page


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Make heat maps of few cells; their content is tested with the report."""
    monkeypatch.setattr("asdkit.bundle.explained.GRID", Grid(2, 2))


def without_healthy_clips(exported, path):
    """Write the bundle as an early version of asdkit did: in format 1, without healthy clips and members' scores."""
    files = unpack(exported)
    description = json.loads(files["bundle.json"])
    description["format"] = 1
    for part in description["ids"]:
        del files[part.pop("healthy")["file"]]
    del files["manifest.json"]
    files["bundle.json"] = json.dumps(description).encode()
    path.write_bytes(pack(files))
    return path


def test_score_explain_and_python_name_the_same_worst_time(asdkit, exported, run, recordings):
    clips = sorted(recordings.glob("*_00000001.wav"))
    scored = [json.loads(x) for x in asdkit("score", exported, *clips, "--format", "jsonl").stdout.splitlines()]
    explained = json.loads(asdkit("explain", exported, *clips, "--json").stdout)["explained"]
    of_run = json.loads(asdkit("explain", run, *clips, "--json", "--system", "both").stdout)["explained"]
    assert len(scored) == len(clips) == 4
    for row, why, same in zip(scored, explained, of_run, strict=True):
        for key in ("path", "id", "verdict", "worst_seconds"):
            assert row[key] == why[key] == same[key]
        assert row["score"] == pytest.approx(why["score"]) == pytest.approx(same["score"])
    bundle = Bundle.load(exported)
    wave, rate = soundfile.read(scored[0]["path"], dtype="int16")
    assert round(bundle.explain(wave, rate, id="00").worst, 3) == scored[0]["worst_seconds"]


def test_page_holds_all_of_a_clip_in_one_file(asdkit, exported, recordings, tmp_path):
    clip = recordings / "anomaly_id_00_00000000.wav"
    command = asdkit("explain", exported, clip, "-o", tmp_path / "why.html", "--png", tmp_path / "png")
    assert command.returncode == 0, command.stderr
    page = Page(tmp_path / "why.html")
    assert str(clip) in page.shown
    assert "among 10 healthy clips held out" in page.shown
    assert "Share of each member" in page.shown
    assert [tag for tag, _ in page.elements].count("audio") == 1
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href") and value]
    assert all(value.startswith(("data:", "#")) for value in links)
    kinds = sorted(path.stem.rpartition("_")[2] for path in (tmp_path / "png").iterdir())
    assert kinds == ["clip", "nearest", "place"]


def test_shares_show_the_member_that_raised_the_score(bundle):
    (verdict,) = bundle.score_waves([np.zeros(8000, np.int16)], ["00"])
    members = dict(zip(("K", "I"), np.median(bundle.member_scores["00"], axis=0), strict=True))
    high = {**members, "K": members["K"] + 5.0}
    shares = bundle.explainer.shares(type(verdict)(**{**vars(verdict), "members": high}))
    assert shares["K"] > 0
    assert shares["I"] == 0


def test_early_bundle_opens_and_says_what_is_missing(asdkit, exported, recordings, tmp_path):
    early = without_healthy_clips(exported, tmp_path / "early.asdkit")
    clip = recordings / "anomaly_id_00_00000000.wav"
    command = asdkit("explain", early, clip, "--json")
    assert command.returncode == 0, command.stderr
    (why,) = json.loads(command.stdout)["explained"]
    assert why["nearest"] is None
    assert why["worst_seconds"] is not None
    assert "holds no healthy clips of id 00" in why["remark"]


def test_bundle_keeps_the_healthy_clips_of_its_run(bundle, exported):
    for id_ in bundle.ids:
        kept, own = Bundle.load(exported).healthy_clips(id_), bundle.healthy_clips(id_)
        assert [clip.name for clip in kept] == [clip.name for clip in own]
        assert all((a.wave == b.wave).all() and a.wave.dtype == b.wave.dtype for a, b in zip(kept, own, strict=True))
    bare = exported.with_name("bare.asdkit")
    bare.write_bytes(export(bundle, healthy=False))
    with pytest.raises(DataError, match="holds no healthy clips"):
        Bundle.load(bare).healthy_clips("00")


def test_healthy_clips_are_bounded_and_evenly_spaced():
    names = [f"{i}" for i in range(1000)]
    assert len(choose_evenly(names, 1.0, 1, 16000)) == MAX_CLIPS
    assert len(choose_evenly(names, 3600.0, 1, 16000)) == int(MAX_ID_SECONDS / MAX_SECONDS)
    assert 1 <= len(choose_evenly(names, 10.0, 1000, 96000)) < 3
    assert choose_evenly(names[:3], 1.0, 1, 16000) == names[:3]
    assert choose_evenly(names, 10.0, 1, 16000)[::23] == ["0", "999"]


def test_bad_files_and_usage_have_the_exit_codes_of_score(asdkit, exported, recordings, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    command = asdkit("explain", exported, tmp_path / "bad.wav", "--json")
    assert command.returncode == 1
    assert json.loads(command.stdout)["bad"][0]["path"].endswith("bad.wav")
    (tmp_path / "empty").mkdir()
    assert (
        asdkit("explain", exported, tmp_path / "empty").returncode
        == asdkit("score", exported, tmp_path / "empty").returncode
    )
    assert asdkit("explain", exported, recordings, "-o", tmp_path / "no" / "why.html").returncode == 2


def test_notebook_shows_the_page(bundle):
    wave = np.random.default_rng(0).normal(0, 0.1, 8000)
    shown = bundle.explain(wave, 8000, id="00")._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "data:audio" in shown
