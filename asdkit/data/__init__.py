"""Data folders to checked clips, labels and inventories; downloads; the demo's machine room."""

from __future__ import annotations

from asdkit.data.scan import find_clips
from asdkit.layouts.clip import Clip

__all__ = ["Clip", "find_clips"]
