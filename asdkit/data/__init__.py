"""Data folders to clips. Splits and labels come from folder and file names alone; no file is copied or renamed."""

from __future__ import annotations

from asdkit.data.clip import Clip
from asdkit.data.layouts import LAYOUTS
from asdkit.data.scan import find_clips

__all__ = ["LAYOUTS", "Clip", "find_clips"]
