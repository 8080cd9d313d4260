"""From merged tables to settings: check the core's keys, the plugins' options, and references to other tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from asdkit.config import AugmenterConfig, Config, DetectorConfig
from asdkit.errors import PluginError, UsageError
from asdkit.interfaces import Entry
from asdkit.option_files import FileLookup
from asdkit.plugins import Kind, Registry
from asdkit.spec.diagnostics import Diagnostics
from asdkit.spec.document import SpecTable
from asdkit.spec.messages import leading_key, option_names, validate, wrong_type
from asdkit.spec.positions import quoted
from asdkit.spec.settings import (
    PLUGIN_DEFAULT_KEYS,
    AugmenterKeys,
    AugmenterSettings,
    DetectorKeys,
    DetectorSettings,
    FeaturizerKeys,
    FeaturizerSettings,
    PluginSettings,
    SystemKeys,
    SystemSettings,
)
from asdkit.text import error_line, suggestion_or_choices

Keys = TypeVar("Keys", bound=Config)

_PLUGIN_HINT = "Tell the plugin's author, or use another."


class Checker:
    """Converts tables to settings; a table with faults gives None, and the faults are added to `faults`.

    Featurizers and augmenters are checked before the detectors that refer to them. Options are checked against
    `sample_rate` once it is set.
    """

    def __init__(self, registry: Registry, faults: Diagnostics, files: FileLookup) -> None:
        self._registry = registry
        self._faults = faults
        self._files = files
        self.sample_rate: int | None = None
        self.featurizers: dict[str, FeaturizerSettings | None] = {}
        self.augmenters: dict[str, AugmenterSettings | None] = {}

    def featurizer(self, table: SpecTable) -> FeaturizerSettings | None:
        """Check one table of ``[featurizers]``."""
        _, keys, config = self._plugin_table("featurizer", table, FeaturizerKeys)
        if keys is None or config is None:
            return None
        return FeaturizerSettings(table.name, table.values["use"], config, keys.store)

    def augmenter(self, table: SpecTable) -> AugmenterSettings | None:
        """Check one table of ``[augmenters]``."""
        _, keys, config = self._plugin_table("augmenter", table, AugmenterKeys)
        if keys is None or config is None:
            return None
        assert isinstance(config, AugmenterConfig)  # plugins.py accepts no other
        return AugmenterSettings(table.name, table.values["use"], config, keys.probability)

    def detector(self, table: SpecTable) -> DetectorSettings | None:
        """Check one table of ``[detectors]`` or of one machine."""
        entry, keys, config = self._plugin_table("detector", table, DetectorKeys)
        featurizer = self._featurizer_of(table)
        names = self._references(table, "augmenters", self.augmenters, "augmenter")
        augmenters = tuple(augmenter for name in names if (augmenter := self.augmenters.get(name)) is not None)
        if entry is None or keys is None or config is None or featurizer is None or len(augmenters) < len(names):
            return None
        total = sum(augmenter.probability or 0 for augmenter in augmenters)
        if total > 1 + 1e-9:
            table.fault(self._faults, ("augmenters",), f"their probabilities add up to {total:g}; expected at most 1")
        assert isinstance(config, DetectorConfig)  # plugins.py accepts no other
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
        values = {key: value for key, value in table.values.items() if key != "fuser"}
        keys = check_keys(SystemKeys, table, values, options, self._faults)
        fuser = self._fuser(table)
        members = self._references(table, "members", detectors, "detector", others=systems)
        if len(members) > 1 and "fuser" not in table.values and table.complete:
            fusers = suggestion_or_choices("", self._registry.names("fuser"))
            table.fault(self._faults, (), f"several members need a fuser, as in fuser = {{ use = ... }}{fusers}")
        return None if keys is None else SystemSettings(table.name, keys.members, fuser)

    def _references(
        self, table: SpecTable, key: str, known: Collection[str], kind: str, others: Collection[str] = ()
    ) -> list[str]:
        """Return the names in the list under `key`; each unknown or repeated one is a fault."""
        value = table.values.get(key)
        listed = value if isinstance(value, list) else []  # another type is a fault already
        for index, name in enumerate(listed):
            if isinstance(name, str) and name not in known:
                what = f"a system; {key} are {kind}s" if name in others else f"not {_a(kind)}"
                choices = suggestion_or_choices(name, known) or f"; expected a table under [{kind}s]"
                table.fault(self._faults, (key, index), f"{quoted(name)} is {what}{choices}")
            elif isinstance(name, str) and name in listed[:index]:
                table.fault(self._faults, (key, index), f"{quoted(name)} is listed twice")
        return [name for name in listed if isinstance(name, str)]

    def _fuser(self, system: SpecTable) -> PluginSettings | None:
        if "fuser" not in system.values:
            return None
        if not isinstance(system.values["fuser"], dict):
            text = wrong_type(system.values["fuser"], "a table, as in { use = ... }")
            system.fault(self._faults, ("fuser",), text)
            return None
        table = system.subtable("fuser")
        _, _, config = self._plugin_table("fuser", table, Config)
        return None if config is None else PluginSettings(table.values["use"], config)

    def layout(self, data: SpecTable) -> PluginSettings | None:
        """Check the ``layout`` of ``[data]``: the name of a plugin, or a table with ``use`` and its options."""
        value = data.values.get("layout")
        if isinstance(value, dict):
            table = data.subtable("layout")
        elif isinstance(value, str):
            entry = self._entry("layout", data, "layout")
            table = SpecTable((*data.path, "layout"), {}, {})
            if entry is None:
                return None
            own = check_keys(entry.config, table, {}, option_names(entry.config), self._faults, entry, self._files)
            return None if own is None else PluginSettings(value, own)
        else:
            if value is not None:
                data.fault(self._faults, ("layout",), wrong_type(value, "the name of a layout, or { use = ... }"))
            return None
        _, _, config = self._plugin_table("layout", table, Config)
        return None if config is None else PluginSettings(str(table.values["use"]), config)

    def _featurizer_of(self, table: SpecTable) -> FeaturizerSettings | None:
        known = self.featurizers
        name = table.values.get("featurizer")
        if isinstance(name, str):
            if name not in known:
                choices = suggestion_or_choices(name, known)
                table.fault(self._faults, ("featurizer",), f"{quoted(name)} is not a featurizer{choices}")
            return known.get(name)
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None and table.requires("featurizer"):
            choices = suggestion_or_choices("", known) or "; expected a table under [featurizers]"
            table.fault(self._faults, ("featurizer",), f"missing{choices}")
        return None

    def _plugin_table(
        self, kind: Kind, table: SpecTable, core: type[Keys]
    ) -> tuple[Entry | None, Keys | None, Config | None]:
        """Check a table that uses a plugin: its entry, the core's keys, and the plugin's options."""
        entry = self._entry(kind, table)
        core_names = option_names(core)
        options = [*core_names, "use"] + ([] if kind in ("fuser", "layout") else ["extends"])
        plugin_values = {key: value for key, value in table.values.items() if key not in (*core_names, "use")}
        core_values = table.select(core_names)
        if entry is None:
            return None, check_keys(core, table, core_values, options, self._faults), None
        core_values = {**self._plugin_defaults(entry, core, table), **core_values}
        keys = check_keys(core, table, core_values, options, self._faults)
        options = [*option_names(entry.config), *options]
        config = check_keys(entry.config, table, plugin_values, options, self._faults, entry, self._files)
        if config is not None and self.sample_rate is not None:
            rate = self.sample_rate
            _report(entry.name, lambda: config.rate_problems(rate), options, table, self._faults)
        return entry, keys, config

    def _entry(self, kind: Kind, table: SpecTable, key: str = "use") -> Entry | None:
        """Return the entry of the plugin that a table names under `key`; None, with a fault, if there is none."""
        names = self._registry.names(kind)
        if key not in table.values:
            if table.requires(key):
                table.fault(self._faults, (key,), f"missing{suggestion_or_choices('', names)}")
            return None
        use = table.values[key]
        if not isinstance(use, str):
            table.fault(self._faults, (key,), wrong_type(use, f"the name of {_a(kind)}"))
            return None
        try:
            return self._registry.entry(kind, use)
        except PluginError as error:
            table.fault(self._faults, (key,), error.message, plugin=True, hint=error.hint)
        except UsageError:
            table.fault(self._faults, (key,), self._unknown(kind, use, names))
        return None

    def _unknown(self, kind: Kind, use: str, names: Sequence[str]) -> str:
        choices = suggestion_or_choices(use, names)
        for plugin in self._registry.plugins:
            if plugin.name == use and plugin.kind is not None and plugin.status == "ok":
                return f"{quoted(use)} is the name of {_a(plugin.kind)}, not of {_a(kind)}{choices}"
        broken = [plugin.distribution for plugin in self._registry.plugins if plugin.status != "ok"]
        note = f" (not loaded: {', '.join(dict.fromkeys(broken))}; see `asdkit plugins`)" if broken else ""
        return f"no plugin provides the {kind} {quoted(use)}{choices}{note}"

    def _plugin_defaults(self, entry: Entry, core: type[Keys], table: SpecTable) -> dict[str, Any]:
        """Return a detector plugin's own defaults of the core's keys."""
        if not entry.defaults:
            return {}
        wrong = [key for key in entry.defaults if core is not DetectorKeys or key not in PLUGIN_DEFAULT_KEYS]
        if not wrong:
            _, faults = validate(core, entry.defaults, PLUGIN_DEFAULT_KEYS)
            wrong = [f"{'.'.join(map(str, fault.path))}: {fault.text}" for fault in faults]
        if wrong:
            text = f"the plugin {entry.name!r} is broken: wrong defaults of the core's keys ({'; '.join(wrong)})"
            table.fault(self._faults, ("use",), text, plugin=True, hint=_PLUGIN_HINT)
            return {}
        return dict(entry.defaults)


def check_keys(
    model: type[Keys],
    table: SpecTable,
    values: Mapping[str, Any],
    options: Sequence[str],
    faults: Diagnostics,
    entry: Entry | None = None,
    files: FileLookup | None = None,
) -> Keys | None:
    """Validate `values` of a table; return None if there are faults.

    `options` are all keys that the table may have. `entry` and `files` are given if the values are a plugin's
    options.
    """
    try:
        keys, field_faults = validate(model, values, options, files)
    except Exception as error:  # a third-party validator may raise anything
        if entry is None:
            raise
        _report_broken_plugin(entry.name, error, table, faults)
        return None
    for fault in field_faults:
        if fault.missing and len(fault.path) == 1 and not table.requires(str(fault.path[0])):
            continue
        table.fault(faults, fault.path, fault.text)
    return keys


def report_problems(settings: DetectorSettings, table: SpecTable, faults: Diagnostics, ids: int | None) -> None:
    """Add the problems that a detector's plugin finds in its settings."""
    options = [*option_names(type(settings.config)), *option_names(DetectorKeys)]
    _report(settings.use, lambda: settings.config.problems(settings.outline(ids)), options, table, faults)


def _report(
    plugin: str, check: Callable[[], list[str]], options: Sequence[str], table: SpecTable, faults: Diagnostics
) -> None:
    """Add the problems that a plugin's check of its own options returns."""
    try:
        problems = [leading_key(text, options) for text in check()]
    except Exception as error:  # a third-party check may raise anything
        _report_broken_plugin(plugin, error, table, faults)
        return
    for key, text in problems:
        table.fault(faults, key, text)


def _report_broken_plugin(name: str, error: Exception, table: SpecTable, faults: Diagnostics) -> None:
    """Add the fault that a plugin's check of its own options raised an error."""
    text = f"the plugin {name!r} is broken: the check of its options failed ({error_line(error)})"
    table.fault(faults, ("use",), text, plugin=True, hint=_PLUGIN_HINT)


def _a(noun: str) -> str:
    """Return a noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
