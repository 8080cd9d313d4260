"""Open a report in headless Chromium: ``python -m tests.report.browser CHROMIUM FOLDER``.

Fails on messages of the console and on requests; a page with one of each shows first that both are noticed. The
screenshots are left in FOLDER to be looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from asdkit.report import write_report
from tests.helpers.made_runs import clips, write_run
from tests.helpers.planted import make_run

EVIL = "<img src=x onerror=alert(1)>.wav"
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
    "--host-resolver-rules=MAP * ~NOTFOUND",  # neither the page nor the browser itself reaches anything
]


def look(chromium: str, page: Path, width: int, shot: Path, scheme: str = "light") -> list[str]:
    """Open `page` in a window of this width, on a light or dark screen; list what its console said and it asked for."""
    with tempfile.TemporaryDirectory() as profile:
        log = Path(profile) / "net.json"
        ran = subprocess.run(
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
    found = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    # the browser's own requests, for updates and the like, are of no page
    of_page = [p["url"] for p in events if "url" in p and p.get("network_isolation_key", "").startswith("file://")]
    found += sorted({f"request of {url}" for url in of_page})
    return found if shot.exists() else [*found, f"{width}: no screenshot"]


def main(chromium: str, folder: Path) -> int:
    """Return 0 if the page is quiet at both widths and the planted one is not."""
    with tempfile.TemporaryDirectory() as temporary:
        planted = Path(temporary) / "planted.html"
        planted.write_text(PLANTED)
        noticed = "\n".join(look(chromium, planted, 390, Path(temporary) / "planted.png"))
        if "planted" not in noticed or "127.0.0.1:9" not in noticed:
            sys.stdout.write(f"a planted message and request went unnoticed:\n{noticed}\n")
            return 1
        rows = [row for machine in ("fan", "pump") for id_ in ("00", "02") for row in clips(machine, id_)]
        rows.append((EVIL, "fan", "00", "train", "normal"))
        by_hand = write_run(Path(temporary) / "run", rows, skipped=[{"path": EVIL, "reason": "truncated"}])
        pages = {"report": write_report(by_hand), "closer": write_report(make_run(Path(temporary) / "real", name=EVIL))}
        found = [
            f"{name}, {width} pixels, {scheme}: {what}"
            for name, page in pages.items()
            for width in (1280, 390)
            for scheme in SCHEMES
            for what in look(chromium, page, width, folder / f"{name}-{width}-{scheme}.png", scheme)
        ]
    sys.stdout.write("\n".join(found or [f"nothing amiss; screenshots in {folder}"]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
