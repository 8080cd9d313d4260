"""Downloads from a server that imitates a record's listing, and breaks off, lies and stalls."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asdkit.data import find_clips
from asdkit.data.download import fetch, list_archives
from asdkit.data.editions import RECORDS, machine_of
from asdkit.data.http import RetryPolicy, _require_allowed
from asdkit.errors import DataError, UsageError
from asdkit.version import __version__
from tests.helpers.trees import WAV

PATIENCE = RetryPolicy(timeout=0.5, tries=3, pause=0.01)


def archive(*names: str, content: bytes = WAV) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name in names:
            file.writestr(name, content)
    return held.getvalue()


FAN = archive("fan/train/normal_id_00_00000000.wav", "fan/test/anomaly_id_00_00000000.wav")


class Record:
    """A server with one edition's development record; what it does wrong is set from outside."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.checksums: dict[str, str] = {}
        self.break_off = 0  # bytes after which the connection ends, this often
        self.breaks = 0
        self.stall = False
        self.ranges = True
        self.listing = b""  # instead of the record's own
        self.busy = 0  # requests that are answered with "too many requests"
        self.wait = "0"  # seconds, or a date, until which the server asks to wait
        self.redirect = ""  # where requests for files are sent instead
        self.agents: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        record = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                record.answer(self)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, request.headers.get("Range", "")))
        self.agents.add(request.headers["User-Agent"])
        if self.busy:
            self.busy -= 1
            request.send_response(429)
            request.send_header("Retry-After", self.wait)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if self.redirect and "/files/" in request.path:
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if self.listing and "/files/" not in request.path:
            self.send(request, 200, self.listing)
            return
        if match := re.fullmatch(r"/api/records/(\d+)", request.path):
            files = self.files if int(match[1]) == RECORDS["dcase2020"]["dev_data"][0] else {}
            self.send(request, 200, json.dumps({"files": [self.entry(*f) for f in files.items()]}).encode())
            return
        content = self.files[request.path.rsplit("/", 2)[1]]
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")) if self.ranges else None
        begin = int(wanted[1]) if wanted else 0
        self.send(request, 206 if wanted else 200, content[begin:], f"bytes {begin}-{len(content)}" if wanted else "")

    def entry(self, name: str, content: bytes) -> dict[str, object]:
        checksum = self.checksums.get(name, f"md5:{hashlib.md5(content).hexdigest()}")
        links = {"self": f"{self.url}/api/records/1/files/{name}/content"}
        return {"key": name, "size": len(content), "checksum": checksum, "links": links}

    def send(self, request: BaseHTTPRequestHandler, code: int, content: bytes, span: str = "") -> None:
        request.send_response(code)
        request.send_header("Content-Length", str(len(content)))
        if span:
            request.send_header("Content-Range", span)
        request.end_headers()
        if "/files/" in request.path and self.breaks:
            self.breaks -= 1
            request.wfile.write(content[: self.break_off])
            request.wfile.flush()
            if self.stall:
                time.sleep(1.0)
            return
        request.wfile.write(content)


@pytest.fixture
def record() -> Iterator[Record]:
    made = Record({"dev_data_fan.zip": FAN, "dev_data_pump.zip": archive("pump/train/a.wav"), "readme.txt": b"hello"})
    yield made
    made.server.shutdown()
    made.server.server_close()


def get(record: Record, root: Path, machine: str = "fan") -> bool:
    (found,) = list_archives("dcase2020", [machine], server=record.url, retry=PATIENCE)
    return fetch(found, root, retry=PATIENCE)


def left(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_a_machine_is_downloaded_once(record: Record, tmp_path: Path) -> None:
    assert get(record, tmp_path) is True
    assert [c.name for c in find_clips("dcase2020", tmp_path)] == [
        "dev_data/fan/train/normal_id_00_00000000.wav",
        "dev_data/fan/test/anomaly_id_00_00000000.wav",
    ]
    assert left(tmp_path)[0] == ".downloads/dev_data-dev_data_fan.zip.done"
    assert len(left(tmp_path)) == 3
    before = len(record.asked)
    assert get(record, tmp_path) is False
    assert not any("/files/" in path for path, _ in record.asked[before:])


def test_removed_files_are_downloaded_again(record: Record, tmp_path: Path) -> None:
    get(record, tmp_path)
    shutil.rmtree(tmp_path / "dev_data" / "fan" / "test")
    (found,) = list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)
    told: list[int] = []
    assert fetch(found, tmp_path, retry=PATIENCE, watch=told.append) is True
    assert len(find_clips("dcase2020", tmp_path)) == 2
    assert told == sorted(told)
    assert told[-1] == len(FAN)


def test_all_archives_of_an_edition_are_listed(record: Record) -> None:
    found = list_archives("dcase2020", server=record.url, retry=PATIENCE)
    assert (found[0].part, found[0].machine, found[0].size) == ("dev_data", "fan", len(FAN))
    assert [a.machine for a in found] == ["fan", "pump"]
    assert {path for path, _ in record.asked} == {
        f"/api/records/{r}" for records in RECORDS["dcase2020"].values() for r in records
    }


@pytest.mark.parametrize("stall", [False, True])
def test_a_broken_download_is_resumed(record: Record, stall: bool, tmp_path: Path) -> None:
    record.breaks, record.break_off, record.stall = 2, 100, stall
    assert get(record, tmp_path) is True
    ranges = [span for path, span in record.asked if "/files/" in path]
    assert ranges == ["", "bytes=100-", "bytes=200-"]
    assert len(find_clips("dcase2020", tmp_path)) == 2


def test_a_server_that_cannot_resume_begins_again(record: Record, tmp_path: Path) -> None:
    record.breaks, record.break_off, record.ranges = 1, 100, False
    assert get(record, tmp_path) is True
    assert len(find_clips("dcase2020", tmp_path)) == 2


def test_what_came_is_kept_for_the_next_command(record: Record, tmp_path: Path) -> None:
    record.breaks, record.break_off = 1, 100
    (found,) = list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)
    real, record.files["dev_data_fan.zip"] = FAN, FAN[:100]  # nothing comes after the first 100 bytes
    record.breaks = 0
    with pytest.raises(DataError, match=rf"100 of {len(FAN)} bytes received, then nothing in 3 tries"):
        fetch(found, tmp_path, retry=PATIENCE)
    assert left(tmp_path) == [".downloads/dev_data-dev_data_fan.zip.part"]
    record.files["dev_data_fan.zip"] = real
    assert fetch(found, tmp_path, retry=PATIENCE) is True
    assert record.asked[-1][1] == "bytes=100-"


def test_a_wrong_checksum_is_refused_and_nothing_is_left(record: Record, tmp_path: Path) -> None:
    record.checksums["dev_data_fan.zip"] = f"md5:{'0' * 32}"
    with pytest.raises(DataError, match=r"dev_data_fan.zip: its checksum is not the md5:0000"):
        get(record, tmp_path)
    assert left(tmp_path) == []


def test_a_file_longer_than_listed_is_refused(record: Record, tmp_path: Path) -> None:
    (found,) = list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)
    record.files["dev_data_fan.zip"] = FAN + b"more"
    with pytest.raises(DataError, match=rf"longer than the {len(FAN)} bytes"):
        fetch(found, tmp_path, retry=PATIENCE)
    assert left(tmp_path) == []


@pytest.mark.parametrize("wait", ["1", "date"])
def test_a_busy_server_is_given_the_time_it_asks_for(record: Record, wait: str, tmp_path: Path) -> None:
    record.wait = formatdate(time.time() + 2, usegmt=True) if wait == "date" else wait
    record.busy = 1
    begin = time.monotonic()
    assert [a.machine for a in list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)] == ["fan"]
    assert time.monotonic() - begin >= 0.9
    record.busy, begin = 1, time.monotonic()
    assert get(record, tmp_path) is True
    assert record.agents == {f"asdkit/{__version__}"}


def test_a_server_that_asks_for_too_long_is_given_up(record: Record) -> None:
    record.busy, record.wait = 1, "3600"
    with pytest.raises(DataError, match="asks to wait 3600 s"):
        list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)


def test_without_a_date_waits_double() -> None:
    waits = []
    retry = RetryPolicy(pause=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asdkit.data.http.time.sleep", waits.append)
        for failures in (1, 2, 3):
            retry.wait(failures)
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x.zip", "file:///etc/passwd", "http://127.0.0.2:1/x", "data:,x"])
def test_redirects_to_other_servers_are_refused(record: Record, target: str, tmp_path: Path) -> None:
    record.redirect = target
    with pytest.raises(DataError, match="refused"):
        get(record, tmp_path)
    assert len([path for path, _ in record.asked if "/files/" in path]) == 1


def test_a_subdomain_is_allowed_by_https_alone() -> None:
    _require_allowed("https://files.zenodo.org/x", "https://zenodo.org")
    for url in ("http://files.zenodo.org/x", "https://zenodo.org.evil.net/x", "https://zenodo.org:8443/x"):
        with pytest.raises(DataError, match="refused"):
            _require_allowed(url, "https://zenodo.org")


@pytest.mark.parametrize("call", ["write", "unpack"])
def test_a_full_disk_loses_nothing(record: Record, call: str, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (found,) = list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)
    with monkeypatch.context() as patch:
        if call == "write":
            record.breaks, record.break_off = 1, 100
            patch.setattr("asdkit.data.download._unwritable", lambda path, error: DataError("No space left"))
            real = Path.open
            patch.setattr(Path, "open", lambda self, *a, **k: full() if ".part" in self.name else real(self, *a, **k))
        else:
            patch.setattr("asdkit.data.unpack._extract", full)
        with pytest.raises(DataError, match="No space left"):
            fetch(found, tmp_path, retry=PATIENCE)
    asked = len(record.asked)
    record.breaks = 0
    assert fetch(found, tmp_path, retry=PATIENCE) is True
    assert len(record.asked) == asked + (call == "write")  # the archive was complete, and is not asked for again
    assert len(find_clips("dcase2020", tmp_path)) == 2


@pytest.mark.parametrize("depth", ["fan", "fan/train"])
def test_a_link_in_place_of_a_folder_is_not_replaced(record: Record, depth: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept.wav").write_bytes(WAV)
    link = tmp_path / "data" / "dev_data" / depth
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(DataError, match="is a link, which is not replaced"):
        get(record, tmp_path / "data")
    assert (elsewhere / "kept.wav").exists()
    link.unlink()
    asked = len(record.asked)
    assert get(record, tmp_path / "data") is True
    assert not [path for path, _ in record.asked[asked:] if "/files/" in path]


def test_a_listing_nested_too_deep_is_refused(record: Record) -> None:
    record.listing = b'{"files":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(DataError, match="not the listing of a record"):
        list_archives("dcase2020", ["fan"], server=record.url, retry=PATIENCE)


def _link() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        info = zipfile.ZipInfo("fan/train")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc")
        file.writestr("fan/test/a.wav", WAV)
    return held.getvalue()


def _bomb() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("fan/train/a.wav", bytes(5_000_000))
    return held.getvalue()


def _deflated(name: str = "fan/train/a.wav") -> bytes:
    """An archive whose compressed data are damaged."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, WAV * 50)
    data = bytearray(held.getvalue())
    data[60:90] = b"\xff" * 30
    return bytes(data)


HOSTILE = {
    "zlib": (_deflated(), "not a valid archive"),
    "long name": (archive(f"fan/train/{'a' * 300}.wav"), "more than 255 bytes"),
    "upwards": (archive("fan/train/a.wav", "fan/../../evil.wav"), "is outside"),
    "absolute": (archive("fan/train/a.wav", "/tmp/evil.wav"), "is outside"),
    "backslash": (archive("fan/train/a.wav", "fan\\..\\..\\evil.wav"), "is outside"),
    "link": (_link(), "or a link"),
    "bomb": (_bomb(), "too large for its archive"),
    "loose": (archive("evil.wav"), "in no machine's folder"),
    "no archive": (b"<html>no</html>", "not a valid archive"),
    "names": (archive("fan/train/\u00e9.wav").replace("\u00e9".encode(), b"\xe9\xe9"), "not a valid archive"),
    "no name": (archive("Z").replace(b"Z", b"\0"), "in no machine's folder"),
    "damaged": (FAN[:60] + b"\xff" + FAN[61:], "not a valid archive"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(record: Record, kind: str, tmp_path: Path) -> None:
    record.files["dev_data_fan.zip"], reason = HOSTILE[kind]
    root = tmp_path / "in" / "data"
    with pytest.raises(DataError, match=reason):
        get(record, root)
    assert left(tmp_path) == []


def test_lying_listings_are_refused(record: Record) -> None:
    record.checksums["dev_data_fan.zip"] = "none"
    with pytest.raises(DataError, match="not the listing of a record"):
        list_archives("dcase2020", server=record.url, retry=PATIENCE)
    record.checksums.clear()
    record.entry = lambda name, content: {  # type: ignore[method-assign]
        "key": name, "size": 1, "checksum": "md5:0", "links": {"self": f"http://elsewhere/{name}"}
    }  # fmt: skip
    with pytest.raises(DataError, match="on another server"):
        list_archives("dcase2020", server=record.url, retry=PATIENCE)


def test_wrong_names_are_answered_with_the_nearest(record: Record) -> None:
    with pytest.raises(UsageError, match='no edition "dcase202"; did you mean "dcase202'):
        list_archives("dcase202", server=record.url)
    with pytest.raises(UsageError, match='no archive of machine "fam"; did you mean "fan"'):
        list_archives("dcase2020", ["fam"], server=record.url, retry=PATIENCE)
    with pytest.raises(DataError, match="cannot be listed"):
        list_archives("dcase2020", server="http://127.0.0.1:9", retry=PATIENCE)


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("dev_data_fan.zip", "fan"),
        ("eval_data_train_ToyCar.zip", "ToyCar"),
        ("eval_data_test_ToyCar.zip", "ToyCar"),
        ("eval_data_gearbox_train.zip", "gearbox"),
        ("eval_data_gearbox_test.zip", "gearbox"),
        ("dev_bearing.zip", "bearing"),
        ("eval_data_3DPrinter.zip", "3DPrinter"),
        ("eval_data_3DPrinter_train_r2.zip", "3DPrinter"),
        ("dev_ToyCar_r2.zip", "ToyCar_r2"),
        ("attributes.csv", None),
    ],
)
def test_archives_of_each_edition_name_their_machine(name: str, machine: str | None) -> None:
    assert machine_of(name, ("ToyCar_r2",)) == machine
