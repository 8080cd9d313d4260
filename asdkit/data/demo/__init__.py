"""A small synthetic machine room: rotating machines, a slider, a valve, and their faults, in a factory's noise.

Physical in kind (shafts that turn, bearings that are struck, valves that leak), not measured from any machine: it
shows the toolkit at work, and its figures say nothing about a real machine.
"""

from __future__ import annotations

from asdkit.data.demo.room import make_machine_room

__all__ = ["make_machine_room"]
