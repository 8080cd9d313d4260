"""Write ``docs/plugins/*.md``, a page for each kind of plugin, from its contract: ``python docs/plugin_pages.py``."""

from __future__ import annotations

import inspect
from pathlib import Path

from asdkit import api, hookspecs
from asdkit.cli.plugins import HEADER, option_rows
from asdkit.plugins import KINDS, Kind, Registry, discover
from asdkit.testing.checks import checks_of

FOLDER = Path(__file__).parent / "plugins"
CONTRACTS: dict[Kind, tuple[type, ...]] = {
    "featurizer": (api.Featurizer, api.Config),
    "augmenter": (api.WaveAugmenter, api.WindowAugmenter, api.AugmenterConfig),
    "detector": (api.Detector, api.DetectorConfig, api.JobSize, api.Cost),
    "fuser": (api.Fuser, api.Config),
    "layout": (api.Layout, api.FolderScan, api.Clip, api.Config),
}


def page(kind: Kind, registry: Registry) -> str:
    """Return the page of a kind."""
    hook = f"asdkit_{kind}s"
    parts = [
        f"# {kind.capitalize()}s",
        "<!-- Generated from the contracts: python docs/plugin_pages.py -->",
        f"{inspect.getdoc(getattr(hookspecs, hook))} How to write one: [write-a-plugin.md](../write-a-plugin.md);"
        " compatibility between versions: [plugin-api.md](../plugin-api.md).",
        "## The hook",
        f"```python\n@hookimpl\ndef {hook}() -> list[Entry]: ...\n```",
        "The fields of `Entry`:",
        code(inspect.getdoc(api.Entry) or "", "text"),
        "## The contract",
        *(code(inspect.getsource(contract)) for contract in CONTRACTS[kind]),
        "## The checks",
        "`asdkit check-plugin NAME` and `asdkit.testing.check_plugin` run these checks.",
        table(("check", "requirement"), [[f"`{each.name}`", each.about] for each in checks_of(kind)]),
        f"## Built-in {kind}s",
    ]
    for name in registry.names(kind):
        entry = registry.entry(kind, name)
        parts += [f"### `{name}`", entry.summary]
        if entry.defaults:
            defaults = ", ".join(f"`{key} = {value!r}`".replace("'", '"') for key, value in entry.defaults.items())
            parts.append(f"Defaults of keys that the core reads: {defaults}.")
        rows = [
            [f"`{option}`", *(f"`{cell}`" for cell in cells[:2]), cells[2]]
            for option, *cells in option_rows(entry.config)
        ]
        parts.append(table(HEADER, rows) if rows else "No options.")
    return "\n\n".join(parts) + "\n"


def code(text: str, language: str = "python") -> str:
    """Return a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def pages() -> dict[Path, str]:
    """Return all pages; only built-in plugins are listed."""
    registry = Registry([plugin for plugin in discover().plugins if plugin.distribution == "asdkit"])
    return {FOLDER / f"{kind}s.md": page(kind, registry) for kind in KINDS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
