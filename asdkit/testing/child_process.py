"""Use a plugin in a new process without CUDA: what registering imports, its state there, and its use there."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asdkit.context import State, StateValue
from asdkit.interfaces import Entry
from asdkit.plugins import HEAVY, KINDS, call_hook, manager_of
from asdkit.process_state import end_left_processes, left_threads, restored_process_state
from asdkit.testing.subject import CountingContext, Subject, SubprocessResult
from asdkit.testing.subjects import SUBJECTS, DetectorSubject, FuserSubject
from asdkit.text import error_line

_COMMAND = "from asdkit.testing.child_process import run_request; run_request()"
_TIMEOUT = 600  # seconds


def register_in_subprocess(module: str) -> SubprocessResult:
    """Import a module in a new process and call its hooks."""
    return _run({"module": module})


def use_in_subprocess(subject: Subject, state: State | None) -> SubprocessResult:
    """Register a plugin in a new process; use an instance that loaded `state` (if not None), and a new instance."""
    request = {
        "module": subject.module,
        "kind": subject.kind,
        "name": subject.entry.name,
        "config": _reference(subject.entry.config),
        "target": _reference(subject.entry.target),
        "defaults": dict(subject.entry.defaults),
        "options": {**subject.options, **json.loads(subject.config.model_dump_json(exclude_unset=True))},
    }
    return _run(request, state)


def importable(entry: Entry) -> bool:
    """Whether another process can import the plugin: it is defined at the top of a module other than ``__main__``."""
    references = (_reference(entry.target), _reference(entry.config))
    return not any(reference.startswith("__main__:") or "<locals>" in reference for reference in references)


def _reference(target: Any) -> str:
    """Return ``"module:Class"``."""
    return target if isinstance(target, str) else f"{target.__module__}:{getattr(target, '__qualname__', '<locals>')}"


def _run(request: dict[str, Any], state: State | None = None) -> SubprocessResult:
    """Run a request in a new process, by files in a temporary folder."""
    from asdkit.run.state_codec import read_state, write_state

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if state is not None:
            write_state(folder / "state", state)
        (folder / "request").write_text(json.dumps({**request, "path": sys.path}))
        process = subprocess.run(  # noqa: S603 (this Python and our own command)
            [sys.executable, "-c", _COMMAND, name],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if process.returncode:
            lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
            return SubprocessResult([], 0.0, {}, {}, {"process": lines[-1]})
        answer = json.loads((folder / "answer").read_text())
        outputs = read_state(folder / "outputs") if (folder / "outputs").exists() else {}
        state_after = read_state(folder / "state_after") if (folder / "state_after").exists() else {}
    return SubprocessResult(answer["heavy"], answer["seconds"], outputs, state_after, answer["errors"])


def run_request() -> None:
    """Run the request in the folder that the command line names, and write the answer there: the new process."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request").read_text())
    process = os.getpid()
    with restored_process_state():
        answer = _answer(request, folder)
    if os.getpid() != process:  # a child that the plugin forked returned from it
        os._exit(1)
    end_left_processes()
    (folder / "answer").write_text(json.dumps(answer))
    if left_threads():
        os._exit(0)


def _answer(request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Do what a request asks for; return the fields of `SubprocessResult` that are no arrays."""
    sys.path[:] = request["path"]
    errors: dict[str, str] = {}
    heavy, seconds = _register(request["module"], errors)  # first, while no heavy library is imported
    if "kind" in request:
        subject = _subject(request)
        if (folder / "state").exists():
            _load_and_use(subject, folder, errors)
        try:
            subject.use(subject.make(), CountingContext())
        except BaseException as error:  # a plugin may raise anything
            errors["use"] = error_line(error)
    return {"heavy": heavy, "seconds": seconds, "errors": errors}


def _register(module: str, errors: dict[str, str]) -> tuple[list[str], float]:
    begin = time.perf_counter()
    try:
        with restored_process_state() as changes:
            manager = manager_of(importlib.import_module(module))
            for kind in KINDS:
                call_hook(manager, kind)
        if changes:
            errors["register"] = f"it {changes}"
    except BaseException as error:
        errors["register"] = error_line(error)
    return [name for name in HEAVY if name in sys.modules], time.perf_counter() - begin


def _subject(request: Mapping[str, Any]) -> Subject:
    module, _, qualified_name = request["config"].partition(":")
    config = importlib.import_module(module)
    for part in qualified_name.split("."):
        config = getattr(config, part)
    entry = Entry(request["name"], config, request["target"], defaults=request["defaults"])  # type: ignore[arg-type]
    return SUBJECTS[request["kind"]](entry, request["options"])


def _load_and_use(subject: Subject, folder: Path, errors: dict[str, str]) -> None:
    """Load the state, write what the plugin returns with it, and its state after that."""
    from asdkit.run.state_codec import read_state, write_state

    try:
        instance = subject.make()
        instance.load(read_state(folder / "state"))
        outputs: dict[str, StateValue] = {}
        if isinstance(subject, DetectorSubject):
            outputs = {"scores": subject.score(instance, subject.test_clips())}
        elif isinstance(subject, FuserSubject):
            outputs = {"fused": instance.fuse(*subject.scores(6, 12, faulty=6))}
        write_state(folder / "outputs", outputs)
        write_state(folder / "state_after", instance.state())
    except BaseException as error:
        errors["load"] = error_line(error)
