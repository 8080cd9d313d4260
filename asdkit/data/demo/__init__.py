"""A small synthetic machine room: fan, pump, slider and valve with faults, in factory noise.

The sounds follow simple physical models and are not measured from any machine. The room demonstrates the toolkit; its
figures say nothing about a real machine.
"""

from __future__ import annotations

from asdkit.data.demo.room import make_machine_room

__all__ = ["make_machine_room"]
