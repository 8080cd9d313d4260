"""From merged tables to settings: the core's keys, the plugins' own options, and what they name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from asdkit.config import AugmenterConfig, Config, DetectorConfig
from asdkit.errors import PluginError, UsageError
from asdkit.interfaces import Entry
from asdkit.plugins import Kind, Registry
from asdkit.spec.diagnostics import Diagnostics
from asdkit.spec.document import SpecTable
from asdkit.spec.messages import is_a, leading_key, option_names, validate
from asdkit.spec.positions import shown
from asdkit.spec.settings import (
    AugmenterKeys,
    AugmenterSettings,
    DetectorKeys,
    DetectorSettings,
    FeaturizerKeys,
    FeaturizerSettings,
    FuserSettings,
    SystemKeys,
    SystemSettings,
)
from asdkit.text import nearest

Keys = TypeVar("Keys", bound=Config)

_DEFAULTS_OF_PLUGINS = ("frames", "hop", "pool", "scope")


class Checker:
    """Turns tables into settings; what it cannot turn it notes as faults and gives as None."""

    def __init__(self, registry: Registry, faults: Diagnostics) -> None:
        self._registry = registry
        self._faults = faults
        self.featurizers: dict[str, FeaturizerSettings | None] = {}
        self.augmenters: dict[str, AugmenterSettings | None] = {}

    def featurizer(self, table: SpecTable) -> FeaturizerSettings | None:
        """Check one table of ``[featurizers]``."""
        _, keys, config = self._plugin("featurizer", table, FeaturizerKeys)
        if keys is None or config is None:
            return None
        return FeaturizerSettings(table.name, table.values["use"], config, keys.store)

    def augmenter(self, table: SpecTable) -> AugmenterSettings | None:
        """Check one table of ``[augmenters]``."""
        _, keys, config = self._plugin("augmenter", table, AugmenterKeys)
        if keys is None or config is None:
            return None
        assert isinstance(config, AugmenterConfig)  # plugins.py lets no other in
        return AugmenterSettings(table.name, table.values["use"], config, keys.probability)

    def detector(self, table: SpecTable) -> DetectorSettings | None:
        """Check one table of ``[detectors]``, or one machine's; featurizers and augmenters must be known."""
        entry, keys, config = self._plugin("detector", table, DetectorKeys)
        featurizer = self._featurizer_of(table)
        found = [
            self.augmenters.get(name) for name in self._named_in(table, "augmenters", self.augmenters, "augmenter")
        ]
        augmenters = tuple(augmenter for augmenter in found if augmenter is not None)
        if entry is None or keys is None or config is None or featurizer is None or len(augmenters) < len(found):
            return None
        chances = sum(augmenter.probability or 0 for augmenter in augmenters)
        if chances > 1 + 1e-9:
            table.fault(self._faults, ("augmenters",), f"their probabilities add up to {chances:g}; expected at most 1")
        assert isinstance(config, DetectorConfig)  # plugins.py lets no other in
        settings = DetectorSettings(
            table.name,
            entry.name,
            config,
            featurizer,
            keys.frames,
            keys.hop,
            keys.pool,
            augmenters,
            keys.scope,
        )
        report_problems(settings, table, self._faults, ids=None)
        return settings

    def system(self, table: SpecTable, detectors: Sequence[str], systems: Sequence[str]) -> SystemSettings | None:
        """Check one table of ``[systems]``."""
        options = [*option_names(SystemKeys), "fuser", "extends"]
        keys = read(SystemKeys, table, {k: v for k, v in table.values.items() if k != "fuser"}, options, self._faults)
        fuser = self._fuser(table)
        members = self._named_in(table, "members", detectors, "detector", others=systems)
        if len(members) > 1 and "fuser" not in table.values and table.whole:
            fusers = nearest("", self._registry.names("fuser"))
            table.fault(self._faults, (), f"several members need a fuser, as in fuser = {{ use = ... }}{fusers}")
        return None if keys is None else SystemSettings(table.name, keys.members, fuser)

    def _named_in(
        self, table: SpecTable, key: str, known: Collection[str], what: str, others: Collection[str] = ()
    ) -> list[str]:
        """Names in the list under `key`, with a fault for each unknown or repeated one; types are checked before."""
        value = table.values.get(key)
        listed = value if isinstance(value, list) else []
        for index, name in enumerate(listed):
            if isinstance(name, str) and name not in known:
                kind = f"a system; {key} are {what}s" if name in others else f"no {what}"
                near = nearest(name, known) or f"; expected a table under [{what}s]"
                table.fault(self._faults, (key, index), f"{shown(name)} is {kind}{near}")
            elif isinstance(name, str) and name in listed[:index]:
                table.fault(self._faults, (key, index), f"{shown(name)} is named twice")
        return [name for name in listed if isinstance(name, str)]

    def _fuser(self, system: SpecTable) -> FuserSettings | None:
        if "fuser" not in system.values:
            return None
        if not isinstance(system.values["fuser"], dict):
            wrong = is_a(system.values["fuser"], "a table, as in { use = ... }")
            system.fault(self._faults, ("fuser",), wrong)
            return None
        table = system.inner("fuser")
        _, _, config = self._plugin("fuser", table, Config)
        return None if config is None else FuserSettings(table.values["use"], config)

    def _featurizer_of(self, table: SpecTable) -> FeaturizerSettings | None:
        known = self.featurizers
        name = table.values.get("featurizer")
        if isinstance(name, str):
            if name not in known:
                table.fault(self._faults, ("featurizer",), f"{shown(name)} is no featurizer{nearest(name, known)}")
            return known.get(name)
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None and table.whole and not table.inherits_lack_of("featurizer"):
            text = nearest("", known) or "; expected a table under [featurizers]"
            table.fault(self._faults, ("featurizer",), f"missing{text}")
        return None

    def _plugin(
        self, kind: Kind, table: SpecTable, core: type[Keys]
    ) -> tuple[Entry | None, Keys | None, Config | None]:
        """Check a table that uses a plugin: its entry, the core's keys, and the plugin's own options."""
        entry = self._entry(kind, table)
        core_names = option_names(core)
        options = [*core_names, "use"] + ([] if kind == "fuser" else ["extends"])
        own = {key: value for key, value in table.values.items() if key not in (*core_names, "use")}
        core_values = table.only(tuple(core_names))
        if entry is None:
            return None, read(core, table, core_values, options, self._faults), None
        keys = read(core, table, {**self._defaults(entry, core, table), **core_values}, options, self._faults)
        options = [*option_names(entry.config), *options]
        return entry, keys, read(entry.config, table, own, options, self._faults, entry)

    def _entry(self, kind: Kind, table: SpecTable) -> Entry | None:
        names = self._registry.names(kind)
        if "use" not in table.values:
            if table.whole and not table.inherits_lack_of("use"):
                table.fault(self._faults, ("use",), f"missing{nearest('', names)}")
            return None
        use = table.values["use"]
        if not isinstance(use, str):
            table.fault(self._faults, ("use",), is_a(use, f"the name of a {kind}"))
            return None
        try:
            return self._registry.entry(kind, use)
        except PluginError as error:
            table.fault(self._faults, ("use",), error.message, plugin=True, hint=error.hint)
        except UsageError:
            table.fault(self._faults, ("use",), self._unknown(kind, use, names))
        return None

    def _unknown(self, kind: Kind, use: str, names: Sequence[str]) -> str:
        for plugin in self._registry.plugins:
            if plugin.name == use and plugin.kind is not None and plugin.status == "ok":
                return f"{shown(use)} is the name of a {plugin.kind}, not of a {kind}{nearest(use, names)}"
        broken = [plugin.distribution for plugin in self._registry.plugins if plugin.status != "ok"]
        note = f" (not loaded: {', '.join(dict.fromkeys(broken))}; see `asdkit plugins`)" if broken else ""
        return f"no plugin provides the {kind} {shown(use)}{nearest(use, names)}{note}"

    def _defaults(self, entry: Entry, core: type[Keys], table: SpecTable) -> dict[str, Any]:
        """What a detector plugin would have the core's keys be, where the spec does not say."""
        if not entry.defaults:
            return {}
        wrong = [key for key in entry.defaults if core is not DetectorKeys or key not in _DEFAULTS_OF_PLUGINS]
        if not wrong:
            _, faults = validate(core, entry.defaults, _DEFAULTS_OF_PLUGINS)
            wrong = [f"{'.'.join(map(str, fault.path))}: {fault.text}" for fault in faults]
        if wrong:
            text = f"the plugin {entry.name!r} is broken: wrong defaults of the core's keys ({'; '.join(wrong)})"
            table.fault(self._faults, ("use",), text, plugin=True, hint="Tell the plugin's author, or use another.")
            return {}
        return dict(entry.defaults)


def read(
    model: type[Keys],
    table: SpecTable,
    values: Mapping[str, Any],
    options: Sequence[str],
    faults: Diagnostics,
    entry: Entry | None = None,
) -> Keys | None:
    """Validate `values` of a table; with `entry`, as that plugin's options.

    `options` are all keys that the table may have.
    """
    try:
        made, found = validate(model, values, options)
    except Exception as error:  # a stranger's validator
        if entry is None:
            raise
        _broken(entry.name, error, table, faults)
        return None
    for fault in found:
        lacks = fault.missing and len(fault.path) == 1
        if lacks and (not table.whole or table.inherits_lack_of(str(fault.path[0]))):
            continue
        table.fault(faults, fault.path, fault.text)
    return made


def report_problems(settings: DetectorSettings, table: SpecTable, faults: Diagnostics, ids: int | None) -> None:
    """Note why a detector's settings cannot go together, as far as its plugin knows."""
    options = [*option_names(type(settings.config)), *option_names(DetectorKeys)]
    try:
        problems = [leading_key(text, options) for text in settings.config.problems(settings.outline(ids))]
    except Exception as error:  # a stranger's check
        _broken(settings.use, error, table, faults)
        return
    for key, text in problems:
        table.fault(faults, key, text)


def _broken(name: str, error: Exception, table: SpecTable, faults: Diagnostics) -> None:
    """Note that a plugin failed in checking its own options."""
    cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text = f"the plugin {name!r} is broken: it fails in checking its options ({cause})"
    table.fault(faults, ("use",), text, plugin=True, hint="Tell the plugin's author, or use another.")
