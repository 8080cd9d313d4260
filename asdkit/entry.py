"""`Entry`: what a plugin registers for one name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from asdkit.config import Config


@dataclass(frozen=True)
class Entry:
    """One plugin: its name, its options and its class.

    Attributes
    ----------
    name
        Value of ``use`` in a spec: lower-case letters, digits and hyphens.
    config
        The options, a subclass of `Config`.
    target
        ``"package.module:Class"``, imported when it is first needed, or the class itself.
    summary
        One line for ``asdkit plugins``.
    defaults
        For detectors: defaults of keys that the core reads, such as ``{"frames": 64, "hop": 8}``.
    api_version
        The `API_VERSION` that the plugin was written for; 1 if not given.

    Examples
    --------
    >>> from asdkit.api import Config, Entry
    >>> Entry("counter", Config, "collections:Counter", summary="Counts things.").load()
    <class 'collections.Counter'>
    """

    name: str
    config: type[Config]
    target: str | Callable[..., Any]
    summary: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    api_version: int = 1

    def load(self) -> Callable[..., Any]:
        """Import and return the class."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(module), name)
        return loaded
