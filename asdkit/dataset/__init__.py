"""Folder layouts -> clips. Labels and splits come from folders and file names alone; nothing is copied or renamed."""

from asdkit.dataset.clips import Clip
from asdkit.dataset.finding import find_clips
from asdkit.dataset.layouts import LAYOUTS

__all__ = ["LAYOUTS", "Clip", "find_clips"]
