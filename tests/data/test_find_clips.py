"""Folders to clips: labels, splits and ids from places and names alone, and all faults at once."""

from __future__ import annotations

import csv
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkit.data import Clip, find_clips
from asdkit.data.scan import named_layout
from asdkit.errors import AsdkitWarning, DataError, UsageError
from asdkit.plugins import discover
from asdkit.text import printable, suggestion


def touch(root: Path, *names: str) -> Path:
    """Make files (empty: finding clips opens none)."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def found(clips: list[Clip]) -> dict[str, tuple[str, str, str, int | None]]:
    return {clip.name: (clip.machine, clip.id, clip.split, clip.label) for clip in clips}


def test_dcase2020_reads_paths(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "fan/train/normal_id_00_00000000.wav",
        "fan/test/normal_id_00_00000001.wav",
        "fan/test/anomaly_id_02_00000000.wav",
        "fan/test/id_03_00000007.wav",
        "ToyCar/raw/train/normal_id_01_00000000.WAV",
        "ToyCar/raw/test/anomaly_id_01_00000000.flac",
    )
    clips = find_clips("dcase2020", tmp_path)
    assert found(clips) == {
        "fan/train/normal_id_00_00000000.wav": ("fan", "00", "train", 0),
        "fan/test/normal_id_00_00000001.wav": ("fan", "00", "test", 0),
        "fan/test/anomaly_id_02_00000000.wav": ("fan", "02", "test", 1),
        "fan/test/id_03_00000007.wav": ("fan", "03", "test", None),
        "ToyCar/raw/train/normal_id_01_00000000.WAV": ("ToyCar", "01", "train", 0),
        "ToyCar/raw/test/anomaly_id_01_00000000.flac": ("ToyCar", "01", "test", 1),
    }
    assert all(clip.path == tmp_path / clip.name and clip.path.is_file() for clip in clips)


@pytest.mark.parametrize("name", ["mimii_fixture", "drone_dev"])
def test_real_folders_give_what_their_manifests_say(name: str, shared_data: Path) -> None:
    with (shared_data / name / "manifest.csv").open() as file:
        words = {"normal": 0, "anomaly": 1}
        expected = {
            row["path"]: (row["machine"], row["id"], row["split"], words[row["label"]]) for row in csv.DictReader(file)
        }
    assert expected
    assert found(find_clips("dcase2020", shared_data / name)) == expected


def test_folder_reads_ids_and_labels(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "press/train/a.wav",
        "press/train/left/b 1.FLAC",
        "press/test/normal/c.wav",
        "press/test/normal/left/d.wav",
        "press/test/anomaly/e.wav",
        "press/test/anomaly/left/f.wav",
        "press/test/g.wav",
        "press/test/left/h.wav",
        "saw/train/i.wav",
    )
    assert found(find_clips("folder", tmp_path)) == {
        "press/train/a.wav": ("press", "00", "train", 0),
        "press/train/left/b 1.FLAC": ("press", "left", "train", 0),
        "press/test/normal/c.wav": ("press", "00", "test", 0),
        "press/test/normal/left/d.wav": ("press", "left", "test", 0),
        "press/test/anomaly/e.wav": ("press", "00", "test", 1),
        "press/test/anomaly/left/f.wav": ("press", "left", "test", 1),
        "press/test/g.wav": ("press", "00", "test", None),
        "press/test/left/h.wav": ("press", "left", "test", None),
        "saw/train/i.wav": ("saw", "00", "train", 0),
    }


def test_a_flat_folder_is_one_training_machine(tmp_path: Path) -> None:
    root = touch(tmp_path / "compressor", "monday.wav", "Tuesday.WAV", "3.flac")
    expected = dict.fromkeys(("monday.wav", "Tuesday.WAV", "3.flac"), ("compressor", "00", "train", 0))
    assert found(find_clips("folder", root)) == expected


def test_a_dot_is_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path / "compressor", "a.wav"))
    (clip,) = find_clips("folder", Path("."))
    assert (clip.machine, clip.name) == ("compressor", "a.wav")
    assert clip.path.is_file()


def test_flat_folders_in_the_root_are_a_machine_each(tmp_path: Path) -> None:
    touch(tmp_path, "fan/a.wav", "pump/b.wav")
    assert [clip.machine for clip in find_clips("folder", tmp_path)] == ["fan", "pump"]


def test_a_machines_own_folder_may_be_the_root(tmp_path: Path) -> None:
    root = touch(tmp_path / "fan", "train/a.wav", "test/anomaly/b.wav")
    assert found(find_clips("folder", root)) == {
        "train/a.wav": ("fan", "00", "train", 0),
        "test/anomaly/b.wav": ("fan", "00", "test", 1),
    }


def test_a_stray_recording_hides_no_machine(tmp_path: Path) -> None:
    touch(tmp_path, "stray.wav", "fan/train/a.wav")
    with pytest.warns(AsdkitWarning, match=r"ignored 1 file or folder .*: stray.wav"):
        clips = find_clips("folder", tmp_path)
    assert [clip.name for clip in clips] == ["fan/train/a.wav"]


def test_clips_are_sorted(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/test/normal_id_00_00000000.wav",
        "b/train/normal_id_02_00000000.wav",
        "b/train/normal_id_00_00000001.wav",
        "b/train/normal_id_00_00000000.wav",
        "a/test/normal_id_00_00000000.wav",
        "a/test/anomaly_id_00_00000000.wav",
    )
    assert [clip.name for clip in find_clips("dcase2020", tmp_path)] == [
        "a/test/anomaly_id_00_00000000.wav",
        "a/test/normal_id_00_00000000.wav",
        "b/train/normal_id_00_00000000.wav",
        "b/train/normal_id_00_00000001.wav",
        "b/train/normal_id_02_00000000.wav",
        "b/test/normal_id_00_00000000.wav",
    ]


@pytest.mark.parametrize("layout", ["dcase2020", "folder"])
def test_only_the_machines_asked_for_are_found(layout: str, tmp_path: Path) -> None:
    touch(tmp_path, *(f"{machine}/train/normal_id_00_00000000.wav" for machine in ("fan", "pump", "valve")))
    assert [clip.machine for clip in find_clips(layout, tmp_path, ["valve", "fan"])] == ["fan", "valve"]


def test_a_missing_root_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        find_clips("dcase2020", Path("data/gone"))
    assert str(error.value) == (
        f"{tmp_path}/data/gone: there is no such folder\nPaths in a spec are relative to the spec's file."
    )


def test_a_file_as_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.wav: is not a folder"):
        find_clips("folder", touch(tmp_path, "a.wav") / "a.wav")


@pytest.mark.parametrize("layout", [name for name in discover().names("layout") if name != "csv"])
def test_nothing_found_says_so_and_shows_the_layout(layout: str, tmp_path: Path) -> None:
    touch(tmp_path / "data", "notes/readme.txt")
    with pytest.raises(DataError) as error:
        find_clips(layout, tmp_path / "data")
    assert error.value.message == f"{tmp_path}/data: no machine found"
    assert error.value.hint == f"The layout {layout} is {named_layout(layout).shape}."


@pytest.mark.parametrize(("given_root", "right"), [(".", "recordings"), ("recordings/fan", "recordings")])
def test_a_root_one_folder_off_gets_a_suggestion(given_root: str, right: str, tmp_path: Path) -> None:
    touch(tmp_path, "recordings/fan/train/normal_id_00_00000000.wav")
    with pytest.raises(DataError) as error:
        find_clips("dcase2020", tmp_path / given_root)
    assert error.value.message.endswith(f"no machine found; did you mean {tmp_path / right}?")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "fan/train/normal_id_00_00000000.wav",
        "fan/train/anomaly_id_00_00000001.wav",
        "fan/train/anomaly_id_00_00000002.wav",
        "valve/train/notes.txt",
    )
    with pytest.raises(DataError) as error:
        find_clips("dcase2020", tmp_path, ["fan", "fam", "valve"])
    assert error.value.message.splitlines() == [
        f'{tmp_path}: no machine "fam"; did you mean "fan"?',
        f"{tmp_path}/fan/train: 2 training clips are labelled anomaly (anomaly_id_00_00000001.wav, ...); "
        "training is on normal clips alone",
        f"{tmp_path}/valve: no clip in it fits the layout",
    ]


def test_anomalous_training_clips_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/normal/a.wav", "fan/train/anomaly/b.wav")
    with pytest.raises(DataError, match=r"fan/train/anomaly: 1 training clip is labelled anomaly \(b.wav\)"):
        find_clips("folder", tmp_path)


def test_a_misnamed_label_is_not_taken_for_an_id(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/00/a.wav", "fan/test/anomalies/b.wav", "fan/test/normal/00/c.wav")
    with pytest.raises(DataError) as error:
        find_clips("folder", tmp_path)
    assert error.value.message == (
        f'{tmp_path}/fan/test/anomalies: expected "normal", "anomaly" or an id of the training clips; '
        'did you mean "anomaly"?'
    )


def test_ignored_files_are_counted_once(
    tmp_path: Path,
) -> None:
    touch(
        tmp_path,
        "manifest.csv",
        "fan/notes.txt",
        "fan/train/normal_id_00_00000000.wav",
        "fan/train/.DS_Store",
        "fan/train/._normal_id_00_00000000.wav",
        "fan/train/recording.wav",
        "fan/train/attributes.csv",
        "fan/test/a.mp3",
        "fan/test/b.mp3",
    )
    with pytest.warns(AsdkitWarning) as told:
        clips = find_clips("dcase2020", tmp_path)
    assert len(clips) == 1
    unread, message = (str(warning.message) for warning in told)
    assert unread == (f'{tmp_path}: audio files not read: 2 .mp3; data.containers = ["mp3"] in a spec reads .mp3')
    assert message.startswith(f"{tmp_path}: ignored 5 files or folders that are no clips of this layout: fan/t")
    assert message.count(",") == 3
    assert message.endswith(", ...")


def test_folders_too_deep_are_told_not_searched(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/00/a.wav", "fan/train/00/old/b.wav")
    with pytest.warns(AsdkitWarning, match=r"ignored 1 file or folder .*: fan/train/00/old$"):
        clips = find_clips("folder", tmp_path)
    assert [clip.name for clip in clips] == ["fan/train/00/a.wav"]


def test_a_pipe_named_like_a_recording_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/a.wav")
    (tmp_path / "fan/train/b.wav").mkdir()
    os.mkfifo(tmp_path / "fan/train/c.wav")
    (tmp_path / "fan/train/d.wav").symlink_to("d.wav")
    names = [clip.path.name for clip in find_clips("folder", tmp_path)]
    assert names == ["a.wav", "b.wav", "c.wav", "d.wav"]


def test_a_circular_link_ends(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/a.wav")
    (tmp_path / "fan/train/again").symlink_to(tmp_path, target_is_directory=True)
    with pytest.warns(AsdkitWarning, match="fan/train/again/fan"):
        clips = find_clips("folder", tmp_path)
    assert [clip.name for clip in clips] == ["fan/train/a.wav"]


def test_a_link_to_itself_is_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/a.wav")
    for place in ("loop", "fan/loop", "fan/train/loop"):
        (tmp_path / place).symlink_to("loop")
    with pytest.warns(AsdkitWarning, match="fan/train/loop"):
        clips = find_clips("folder", tmp_path)
    assert [clip.name for clip in clips] == ["fan/train/a.wav"]


def test_names_are_printable_and_paths_open_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "fan" / "train"
    folder.mkdir(parents=True)
    with open(os.path.join(os.fsencode(folder), b"caf\xe9\n.wav"), "wb"):
        pass
    (clip,) = find_clips("folder", tmp_path)
    assert clip.name == "fan/train/caf\\xe9\\x0a.wav"
    assert clip.path.is_file()


def test_an_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "fan/train/a.wav", "fan/test/normal/b.wav")
    whole = os.scandir

    def forbidden(path: str) -> object:
        if str(path).endswith("normal"):
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match=r"fan/test/normal: cannot be listed: Permission denied"):
        find_clips("folder", tmp_path)


def test_an_unknown_layout_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no plugin provides the layout 'dcase2002'; did you mean \"dcase2026\""):
        find_clips("dcase2002", tmp_path)


def test_finding_clips_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "fan/train/normal_id_00_00000000.wav")
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    assert len(find_clips("dcase2020", tmp_path)) == 1


def test_clips_are_values(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/normal_id_00_00000000.wav")
    (one,), (other,) = find_clips("dcase2020", tmp_path), find_clips("dcase2020", tmp_path)
    assert one == other
    assert len({one, other}) == 1
    with pytest.raises(AttributeError):
        one.label = 1  # type: ignore[misc]


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12)


@given(NAMES)
def test_a_printable_name_is_one_line(name: str) -> None:
    shown = printable(name)
    assert shown.splitlines() == [shown]
    assert shown.encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_a_name_that_is_printable_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


def test_a_folder_without_strangers_warns_of_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/normal_id_00_00000000.wav", "README.md", "fan/README.md")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_clips("dcase2020", tmp_path)


@pytest.mark.parametrize("word", ["abnormal", "Anomalous", "ANOMALY"])
def test_words_for_anomaly_are_labels(word: str, tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/a.wav", f"fan/test/{word}/b.wav", "fan/test/normal/c.wav")
    assert [clip.label for clip in find_clips("folder", tmp_path)] == [0, 1, 0]


@pytest.mark.parametrize("word", ["abnormal", "Anomaly", "NG", "faulty", "Defective"])
@pytest.mark.parametrize("place", ["{word}/b.wav", "fan/train/{word}/b.wav", "fan/train/normal/{word}/b.wav"])
def test_recordings_in_a_folder_named_faulty_are_not_trained_on(word: str, place: str, tmp_path: Path) -> None:
    path = place.format(word=word)
    touch(tmp_path, "normal/a.wav" if path.startswith(word) else "fan/train/a.wav", path)
    with pytest.raises(DataError, match=rf"/{word}: .*(faulty|anomaly)"):
        find_clips("folder", tmp_path)


def test_a_machine_folder_may_be_called_normal(tmp_path: Path) -> None:
    (clip,) = find_clips("folder", touch(tmp_path, "normal/a.wav"))
    assert (clip.machine, clip.label) == ("normal", 0)


@pytest.mark.parametrize(("name", "known"), [("abnormal", "normal"), ("normal", "abnormal"), ("un-known", "known")])
def test_a_suggestion_never_inverts_the_meaning(name: str, known: str) -> None:
    assert suggestion(name, [known]) == ""


def test_dcase_names_in_capitals_are_read(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "fan/train/section_00_Source_Train_Normal_0000_a_1.wav",
        "fan/test/section_00_TARGET_test_Anomaly_0000.wav",
    )
    assert [(c.domain, c.label) for c in find_clips("dcase2022", tmp_path)] == [("source", 0), ("target", 1)]
