"""Bundle files: any changed bit is detected, and forged content gives an error of one line."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import partial

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.bundle import Bundle
from asdkit.bundle.archive import MANIFEST, pack, seal, unpack
from asdkit.bundle.export import export
from asdkit.errors import AsdkitError, DataError
from asdkit.run.state_codec import decode_state
from tests.helpers.properties import examples
from tests.helpers.rooms import write_clip

SMALL = pack({"a.json": b"{}", "b/0.safetensors": bytes(range(64))})


def one_line(error: AsdkitError, *words: str) -> None:
    assert len(error.message.splitlines()) == 1
    for word in words:
        assert word in error.message


def test_equal_content_gives_equal_bytes_and_is_read_back(tmp_path):
    files = {"b/0.safetensors": bytes(range(64)), "a.json": b"{}"}
    assert pack(files) == SMALL
    (tmp_path / "x").write_bytes(SMALL)
    entries = unpack(tmp_path / "x")
    assert {name: entries[name] for name in files} == files
    assert set(entries) == {*files, MANIFEST}


def test_any_zip_reader_opens_a_bundle():
    with zipfile.ZipFile(io.BytesIO(SMALL)) as archive:
        assert archive.testzip() is None
        assert archive.read("a.json") == b"{}"


def test_any_flipped_bit_of_a_small_bundle_is_detected(tmp_path):
    path = tmp_path / "x"
    for position in range(len(SMALL)):
        for bit in (0, 5):
            damaged = bytearray(SMALL)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(DataError) as caught:
                unpack(path)
            one_line(caught.value, "x: ")


def test_any_flipped_bit_of_a_real_bundle_is_detected(exported, tmp_path):
    content = exported.read_bytes()
    path = tmp_path / "x"
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 100):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            unpack(path)


@settings(max_examples=examples(40), deadline=None)
@given(st.binary(max_size=300) | st.integers(0, len(SMALL) - 1).map(lambda n: SMALL[:n]))
def test_truncated_bundles_and_arbitrary_bytes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "x"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        unpack(path)
    one_line(caught.value, "not a bundle")


def sealed(tmp_path, entries, **changes):
    """Write a file with these entries, a correct digest and a correct manifest, as anybody can."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()}
    path = tmp_path / "forged.asdkit"
    path.write_bytes(seal({**entries, MANIFEST: json.dumps({"sha256": digests}).encode(), **changes}))
    return path


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "a\\b", "C:x", "a//b", ".hidden", "a\nb"])
def test_an_entry_name_outside_the_archive_is_refused(tmp_path, name):
    with pytest.raises(DataError) as caught:
        unpack(sealed(tmp_path, {name: b"x"}))
    one_line(caught.value, "is not allowed: expected a plain relative path")


def test_compressed_entries_are_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1 << 24))
        archive.comment = bytes(len(b"asdkit sha256:") + 64)
    content = buffer.getvalue()[: -len(b"asdkit sha256:") - 64]
    path = tmp_path / "bomb.asdkit"
    path.write_bytes(content + b"asdkit sha256:" + hashlib.sha256(content).hexdigest().encode())
    with pytest.raises(DataError) as caught:
        unpack(path)
    one_line(caught.value, "compressed")


def test_entries_that_differ_from_the_manifest_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        unpack(sealed(tmp_path, {"a": b"x"}, b=b"y"))
    one_line(caught.value, "'b' is missing, unlisted, or differs")
    with pytest.raises(DataError) as caught:
        unpack(sealed(tmp_path, {"a": b"x"}, a=b"y"))
    one_line(caught.value, "'a' is missing, unlisted, or differs")


def forged(tmp_path, exported, name, change):
    """Write the exported bundle with one file changed and correct digests."""
    files = unpack(exported)
    del files[MANIFEST]
    files[name] = change(files[name])
    path = tmp_path / "forged.asdkit"
    path.write_bytes(pack(files))
    return path


def described(**changes):
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


def inside(key, index=0, **changes):
    """Change one of the tables in a list of ``bundle.json``."""

    def change(data):
        description = json.loads(data)
        description[key][index] |= changes
        return json.dumps(description).encode()

    return change


with_member = partial(inside, "members")


def with_number(number):
    """Change the first number of the first array of a state."""

    def change(data):
        state = decode_state(data)
        key = next(key for key, value in state.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f")
        state[key] = state[key].copy()
        state[key].flat[0] = number
        arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
        rest = {key: value for key, value in state.items() if key not in arrays}
        return safetensors.numpy.save(arrays, {"state": json.dumps(rest)})  # `encode_state` refuses NaN

    return change


def terabyte(data):
    """Return a safetensors file whose header declares an array of a terabyte."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    name = next(key for key in header if key != "__metadata__")
    header[name] |= {"shape": [1 << 38], "dtype": "F32", "data_offsets": [0, 1 << 40]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def ids_but_for_case(data: bytes) -> bytes:
    text = json.loads(data)
    text["ids"] = [{**text["ids"][0], "name": name} for name in ("A", "a")]
    return json.dumps(text).encode()


MEMBER = "members/0/0.safetensors"
BANDS = {"use": "log-mel", "config": {"n_fft": 3}}
FORGERIES = {
    "a terabyte declared": (MEMBER, terabyte, "cannot be read"),
    "an array cut short": (MEMBER, lambda data: data[:-5], "cannot be read"),
    "an empty state": (MEMBER, lambda data: b"", "cannot be read"),
    "an unknown plugin": ("bundle.json", with_member(use="os-system"), "no plugin provides the detector 'os-system'"),
    "an import path": ("bundle.json", with_member(use="os:system"), "no plugin provides the detector 'os:system'"),
    "an unknown plugin with a known package": (
        "bundle.json",
        with_member(use="mean-spectrum", distribution="asdkit-mean-spectrum"),
        "no plugin provides the detector 'mean-spectrum'; it names the package asdkit-mean-spectrum as its source: "
        "install that",
    ),
    "an invalid package name": (
        "bundle.json",
        with_member(use="mean-spectrum", distribution="x; rm -rf /"),
        "no plugin provides the detector 'mean-spectrum'; `asdkit plugins` lists the installed ones",
    ),
    "a newer format": ("bundle.json", described(format=3), "its format is 3; this asdkit reads 2: update asdkit"),
    "a truth value for the format": ("bundle.json", described(format=True), "format: true is a truth value; expected"),
    "an unknown key": (
        "bundle.json",
        described(run="rm -rf"),
        "bundle.json: run: unknown option; expected",
    ),
    "no JSON": ("bundle.json", lambda data: b"[" * 100_000, "bundle.json cannot be read"),
    "half a character": ("bundle.json", described(name="\ud800"), "bundle.json cannot be read"),
    "a hop of nothing": ("bundle.json", with_member(hop=0), "members[0].hop: 0 is out of bounds; expected at least 1"),
    "a hop without end": ("bundle.json", with_member(hop=1 << 70), "out of bounds; expected at most 2147483647"),
    "a missing table": ("bundle.json", described(rule=None), "expected a table"),
    "an index out of range": (
        "bundle.json",
        with_member(featurizer=7),
        "refers to a featurizer or fuser that it does not list",
    ),
    "an id twice": ("bundle.json", inside("ids", 1, name="00"), "ids: '00' is there twice"),
    "an id that is a path": ("bundle.json", inside("ids", 0, name="../x"), "id '../x': a name becomes a folder"),
    "an id twice but for case": ("bundle.json", ids_but_for_case, "ids 'A' and 'a' are one name where case is ignored"),
    "a machine that is a path": ("bundle.json", described(machine="a/b"), "machine 'a/b': a name becomes a folder"),
    "a member twice": ("bundle.json", inside("members", 1, name="K"), "members: 'K' is there twice"),
    "states of other ids": (
        "bundle.json",
        with_member(states={"00": MEMBER}),
        "its states or graphs do not match",
    ),
    "a wrong count of clips held out": (
        "bundle.json",
        inside("ids", 1, held_out=99),
        "99 clips held out of id 02, but",
    ),
    "clips held out without scores": (
        "bundle.json",
        inside("ids", reference=None),
        "10 clips held out, but no file",
    ),
    "scores without clips held out": ("bundle.json", inside("ids", held_out=0), "0 clips held out, but a file of"),
    "wrong options": (
        "bundle.json",
        with_member(config={"neighbours": "many"}),
        "the detector 'knn': neighbours: \"many\" is a text; expected a whole number; was it made with another version",
    ),
    "frames of three samples": (
        "bundle.json",
        inside("featurizers", **BANDS),
        "the featurizer 'log-mel': n_fft: 3 is out of bounds; expected at least 16",
    ),
    "a file that is not there": ("bundle.json", with_member(states={"": "../../etc/passwd"}), "is missing"),
    "NaN weights": (MEMBER, with_number(np.nan), "NaN or infinite numbers; train it again"),
    "infinite weights": ("fuser.safetensors", with_number(-np.inf), "NaN or infinite numbers; train it again"),
    "calibration scores out of order": (
        "references/0.safetensors",
        lambda data: data[:-80] + np.arange(10.0)[::-1].tobytes(),
        "the scores of clips held out are not ascending",
    ),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_bundle_is_refused_in_one_line(tmp_path, exported, registry, kind):
    name, change, words = FORGERIES[kind]
    with pytest.raises(AsdkitError) as caught:
        Bundle.load(forged(tmp_path, exported, name, change), registry=registry)
    one_line(caught.value, "forged.asdkit: ", words)
    assert "pydantic" not in caught.value.message
    assert caught.value.hint == ""
    assert int(caught.value.exit_code) in (2, 3, 4)


def test_a_listed_file_without_a_reference_is_refused(tmp_path, exported, registry):
    files = unpack(exported)
    del files[MANIFEST]
    (tmp_path / "more.asdkit").write_bytes(pack({**files, "run_me.py": b"print(1)"}))
    with pytest.raises(DataError) as caught:
        Bundle.load(tmp_path / "more.asdkit", registry=registry)
    one_line(caught.value, "run_me.py is not part of a bundle")


def test_the_command_refuses_a_damaged_bundle_in_one_line(asdkit, exported, tmp_path):
    write_clip(tmp_path / "a.wav", 1)
    content = bytearray(exported.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "flipped.asdkit").write_bytes(content)
    result = asdkit("score", "flipped.asdkit", "a.wav")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == "error: flipped.asdkit: changed since it was written: its SHA-256 digest does not match\n"


def test_exporting_again_gives_the_same_bytes(bundle, exported, registry):
    assert export(bundle) == exported.read_bytes()
    assert export(Bundle.load(exported, registry=registry)) == exported.read_bytes()


def test_a_bundle_names_the_package_of_each_plugin(bundle):
    parts = [*bundle.description.featurizers, *bundle.description.members, bundle.description.fuser]
    assert {part.distribution for part in parts} == {"asdkit"}


@pytest.mark.parametrize(("path", "reason"), [("/dev/zero", "not a file"), (".", "not a file"), ("a\0b", "null byte")])
def test_a_path_that_is_no_file_is_not_read(path, reason):
    with pytest.raises(DataError) as caught:
        Bundle.load(path)
    one_line(caught.value, reason)
