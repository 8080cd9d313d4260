"""Install the detector of `tests.mutants.rogue` as a package of its own."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.packages import install
from tests.mutants import rogue, sound


def install_rogue(site: Path) -> None:
    """Install it, and the sound detector that it is made from, into `site`."""
    source = Path(rogue.__file__).read_text().replace("tests.mutants.sound", "asdkit_rogue_sound")
    modules = {"asdkit_rogue.py": source, "asdkit_rogue_sound.py": Path(sound.__file__).read_text()}
    install(site, "asdkit-rogue", modules, {"rogue": "asdkit_rogue"})
