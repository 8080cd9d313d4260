"""A plugin in a new process: what registering it imports, its state there, and its use where no GPU is to be seen."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkit.interfaces import Entry
from asdkit.plugins import HEAVY, KINDS, call_hook, manager_of

if TYPE_CHECKING:
    from asdkit.context import State
    from asdkit.testing.subject import Arrays, Subject


_COMMAND = "from asdkit.testing.child_process import answer; answer()"
_PATIENCE_S = 600


@dataclass
class SubprocessResult:
    """What a new process found.

    Attributes
    ----------
    heavy
        What importing a module and calling its hooks imported, with the seconds it took.
    made
        What the plugin made there of the state that it was given.
    state
        Its own state there.
    errors
        Of each step that failed, what was raised.
    """

    heavy: list[str]
    seconds: float
    made: Arrays
    state: State
    errors: dict[str, str]


def register_elsewhere(module: str) -> SubprocessResult:
    """Import a module in a new process and call its hooks."""
    return _ask({"module": module})


def use_elsewhere(subject: Subject, state: State | None) -> SubprocessResult:
    """Register a plugin in a new process without CUDA, use it with the state, where there is one, and without."""
    request = {
        "module": subject.module,
        "kind": subject.kind,
        "name": subject.entry.name,
        "config": f"{subject.entry.config.__module__}:{subject.entry.config.__qualname__}",
        "target": _target(subject.entry),
        "defaults": dict(subject.entry.defaults),
        "options": {**subject.options, **json.loads(subject.config.model_dump_json(exclude_unset=True))},
    }
    return _ask(request, state)


def importable(entry: Entry) -> bool:
    """Whether another process can import the plugin: it is neither a notebook's nor a function's."""
    named = (_target(entry), f"{entry.config.__module__}:{entry.config.__qualname__}")
    return not any(reference.startswith("__main__:") or "<locals>" in reference for reference in named)


def _target(entry: Entry) -> str:
    if isinstance(entry.target, str):
        return entry.target
    return f"{entry.target.__module__}:{getattr(entry.target, '__qualname__', '<locals>')}"


def _ask(request: dict[str, Any], state: State | None = None) -> SubprocessResult:
    from asdkit.run.state import read_state, write_state

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if state is not None:
            write_state(folder / "state", state)
        (folder / "request").write_text(json.dumps({**request, "path": sys.path}))
        ran = subprocess.run(  # noqa: S603 (this Python, and a command of our own)
            [sys.executable, "-c", _COMMAND, name],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        if ran.returncode:
            last = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
            return SubprocessResult([], 0.0, {}, {}, {"process": last[-1]})
        found = json.loads((folder / "answer").read_text())
        made = read_state(folder / "made") if (folder / "made").exists() else {}
        after = read_state(folder / "after") if (folder / "after").exists() else {}
    return SubprocessResult(found["heavy"], found["seconds"], made, after, found["errors"])  # type: ignore[arg-type]


def answer() -> None:
    """Do in this process what another asked for; the files are in the folder that the command names."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request").read_text())
    sys.path[:] = request["path"]
    errors: dict[str, str] = {}
    heavy, seconds = _register(request["module"], errors)  # first, while nothing else is imported
    if "kind" in request:
        _use(request, folder, errors)
    (folder / "answer").write_text(json.dumps({"heavy": heavy, "seconds": seconds, "errors": errors}))


def _register(module: str, errors: dict[str, str]) -> tuple[list[str], float]:
    begin = time.perf_counter()
    try:
        manager = manager_of(importlib.import_module(module))
        for kind in KINDS:
            call_hook(manager, kind)
    except (Exception, SystemExit) as error:
        errors["register"] = f"{type(error).__name__}: {error}"
    return [name for name in HEAVY if name in sys.modules], time.perf_counter() - begin


def _use(request: dict[str, Any], folder: Path, errors: dict[str, str]) -> None:
    from asdkit.run.state import read_state, write_state
    from asdkit.testing.subject import CountingContext, told
    from asdkit.testing.subjects import SUBJECTS, DetectorSubject, FuserSubject

    module, _, name = request["config"].partition(":")
    config = importlib.import_module(module)
    for part in name.split("."):
        config = getattr(config, part)
    entry = Entry(request["name"], config, request["target"], defaults=request["defaults"])  # type: ignore[arg-type]
    subject = SUBJECTS[request["kind"]](entry, request["options"])
    if (folder / "state").exists():
        try:
            instance = subject.make()
            instance.load(read_state(folder / "state"))
            made: dict[str, Any] = {}
            if isinstance(subject, DetectorSubject):
                made = {"scores": subject.score(instance, subject.test())}
            elif isinstance(subject, FuserSubject):
                made = {"fused": instance.fuse(*subject.scores(6, 12, faulty=6))}
            write_state(folder / "made", made)
            write_state(folder / "after", instance.state())
        except Exception as error:
            errors["load"] = told(error)
    try:
        subject.use(subject.make(), CountingContext())
    except Exception as error:
        errors["use"] = told(error)
