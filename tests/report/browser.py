"""Open a report in headless Chromium: ``python -m tests.report.browser CHROMIUM FOLDER``.

Fails on console messages and on requests. A page with one of each is opened first, to check that both are detected.
The screenshots stay in FOLDER for inspection.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from asdkit.report import write_report
from tests.helpers.made_runs import clips, write_run
from tests.helpers.pages import EVIL
from tests.helpers.planted import make_run

PLANTED = "<!doctype html><img src='http://127.0.0.1:9/x.png'><script>console.error('planted')</script>"
SCHEMES = {"light": 1, "dark": 0}
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the page and the browser reach no host
]


def open_page(chromium: str, page: Path, width: int, shot: Path, scheme: str = "light") -> list[str]:
    """Open `page` in a window of this width, on a light or dark screen; list console messages and requests."""
    with tempfile.TemporaryDirectory() as profile:
        log = Path(profile) / "net.json"
        process = subprocess.run(
            [
                chromium,
                *FLAGS,
                f"--user-data-dir={profile}/user",
                f"--log-net-log={log}",
                f"--window-size={width},3000",
                f"--screenshot={shot}",
                f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    problems = [line for line in process.stderr.splitlines() if "CONSOLE" in line]
    # not the browser's own requests, for updates and the like
    of_page = [p["url"] for p in events if "url" in p and p.get("network_isolation_key", "").startswith("file://")]
    problems += sorted({f"request of {url}" for url in of_page})
    return problems if shot.exists() else [*problems, f"{width}: no screenshot"]


def main(chromium: str, folder: Path) -> int:
    """Return 0 if only the planted page has messages or requests."""
    with tempfile.TemporaryDirectory() as temporary:
        planted = Path(temporary) / "planted.html"
        planted.write_text(PLANTED)
        detected = "\n".join(open_page(chromium, planted, 390, Path(temporary) / "planted.png"))
        if "planted" not in detected or "127.0.0.1:9" not in detected:
            sys.stdout.write(f"a planted message and request was not detected:\n{detected}\n")
            return 1
        rows = [row for machine in ("fan", "pump") for id_ in ("00", "02") for row in clips(machine, id_)]
        rows.append((f"{EVIL}.wav", "fan", "00", "train", "normal"))
        by_hand = write_run(Path(temporary) / "run", rows, skipped=[{"path": f"{EVIL}.wav", "reason": "truncated"}])
        pages = {
            "report": write_report(by_hand),
            "explained": write_report(make_run(Path(temporary) / "real", name=f"{EVIL}.wav")),
        }
        problems = [
            f"{name}, {width} pixels, {scheme}: {what}"
            for name, page in pages.items()
            for width in (1280, 390)
            for scheme in SCHEMES
            for what in open_page(chromium, page, width, folder / f"{name}-{width}-{scheme}.png", scheme)
        ]
    sys.stdout.write("\n".join(problems or [f"no messages or requests; screenshots in {folder}"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
