"""The layout ``dated-folders``."""

import re
from typing import ClassVar

from asdkit.api import Layout

NAME = re.compile(r"(?P<date>\d{4}-(?P<month>\d{2})-\d{2})(_(?P<state>ok|fault))?\.\w+")
LABELS = {"ok": 0, "fault": 1, None: None}


class DatedFolders(Layout):
    """A machine is a folder of units, a unit a folder of recordings; nothing is opened, only names are read."""

    shape = "<root>/<machine>/<unit>/<yyyy-mm-dd>_<ok|fault>.wav"
    examples: ClassVar = {
        "pump/p7/2025-03-01_ok.wav": "",
        "pump/p7/2026-02-01_fault.wav": "",
        "pump/p8/2025-03-02.wav": "",
        "pump/p8/2026-02-02.wav": "",
    }

    def machines(self, scan):
        return {
            machine.name: tuple(unit.path for unit in scan.folders(machine.path))
            for machine in scan.folders(str(scan.root))
        }

    def clips(self, scan, machine, folder):
        for entry in scan.entries(folder):
            name = NAME.fullmatch(entry.name)
            if name is None or not scan.is_recording(entry.name):
                scan.ignore(entry.path)
                continue
            train = name["date"] <= self.config.until
            if train and name["state"] == "fault":
                scan.faults.append(f"{scan.name(entry.path)}: a fault before {self.config.until}, which ends training")
                continue
            split, label = ("train", 0) if train else ("test", LABELS[name["state"]])
            unit = scan.name(folder).rpartition("/")[2]
            yield scan.clip(entry.path, machine, split, label, unit, attributes={"month": name["month"]})
