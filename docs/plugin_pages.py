"""Write ``docs/plugins/*.md``, a page for each kind of plugin, from its contract: ``python docs/plugin_pages.py``."""

from __future__ import annotations

import inspect
import tempfile
from pathlib import Path
from typing import Literal

from asdkit import api, hookspecs
from asdkit.cli.new_plugin import write_package
from asdkit.cli.plugins import HEADER, option_rows
from asdkit.commands import Command
from asdkit.plugins import KINDS, Kind, Registry, discover
from asdkit.testing.checks import checks_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "plugins"
CONTRACTS: dict[Kind, tuple[type, ...]] = {
    "featurizer": (api.Featurizer, api.FittedFeaturizer, api.Config),
    "augmenter": (api.WaveAugmenter, api.WindowAugmenter, api.AugmenterConfig),
    "detector": (api.Detector, api.DetectorConfig, api.JobSize, api.Cost),
    "fuser": (api.Fuser, api.Config),
    "layout": (api.Layout, api.FolderScan, api.Clip, api.Config),
}
EXAMPLES = {
    "featurizer": "asdkit-mfcc",
    "detector": "asdkit-isolation-forest",
    "fuser": "asdkit-weighted",
    "layout": "asdkit-dated-folders",
    "command": "asdkit-loudness",
}
"""Packages in ``examples`` that a page shows; where there is none, it shows what ``asdkit new-plugin`` writes."""


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
        *(code(inspect.getsource(part)) for contract in CONTRACTS[kind] for part in (contract, *_bases(contract))),
        "## The checks",
        "`asdkit check-plugin NAME` and `asdkit.testing.check_plugin` run these checks.",
        table(("check", "requirement"), [[f"`{each.name}`", each.about] for each in checks_of(kind)]),
        *example(kind),
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


def _bases(contract: type) -> list[type]:
    """Return the private classes that a contract inherits from: no page of their own shows them."""
    return [base for base in contract.__mro__[1:] if base.__name__.startswith("_") and base.__module__ != "typing"]


def command_page(registry: Registry) -> str:
    """Return the page of commands."""
    commands = [plugin for plugin in registry.plugins if plugin.kind == "command" and plugin.command is not None]
    rows = [[f"`{plugin.name}`", plugin.command.summary] for plugin in commands if plugin.command is not None]
    parts = [
        "# Commands",
        "<!-- Generated from the contracts: python docs/plugin_pages.py -->",
        f"{inspect.getdoc(hookspecs.asdkit_commands)} How they are found and what they may import:"
        " [plugin-api.md](../plugin-api.md#commands).",
        "## The contract",
        code(inspect.getdoc(Command) or "", "text"),
        *example("command"),
        "## Commands of this kind in asdkit's own wheel",
        table(("command", "summary"), sorted(rows)),
    ]
    return "\n\n".join(parts) + "\n"


def example(kind: Kind | Literal["command"]) -> list[str]:
    """Return the section with all files of a package, which the tests run."""
    if kind == "command" or kind in EXAMPLES:
        name = EXAMPLES[kind]
        about = f"The package [{name}](../../examples/{name}); `nox -s tests` runs its tests."
        return ["## A complete example", about, *_files(ROOT / "examples" / name)]
    about = f"What `asdkit new-plugin {kind} my-{kind}` writes; `nox -s tests` runs its tests."
    with tempfile.TemporaryDirectory() as folder:
        return ["## A complete example", about, *_files(write_package(kind, f"my-{kind}", Path(folder)))]


def _files(folder: Path) -> list[str]:
    paths = [folder / "pyproject.toml", *sorted(folder.glob("asdkit_*/*.py")), *sorted(folder.glob("tests/*.py"))]
    languages = {".toml": "toml", ".py": "python"}
    return [
        text
        for path in paths
        for text in (f"`{path.relative_to(folder)}`:", code(path.read_text(encoding="utf-8"), languages[path.suffix]))
    ]


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
    texts = {FOLDER / f"{kind}s.md": page(kind, registry) for kind in KINDS}
    return {**texts, FOLDER / "commands.md": command_page(registry)}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
