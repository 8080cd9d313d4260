"""A detector that does to the process, or returns, what a plugin should not; installed as a package by its tests.

The environment variable ``ROGUE`` names the kind; ``ROGUE_AT`` the method, ``fit`` or ``score``, where the kind can be
in either. In ``score`` it acts on long recordings only.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import warnings

import numpy as np

from asdkit.api import AsdkitWarning, Entry, hookimpl
from tests.mutants.sound import Detector, SoundConfig

KIND, AT = os.environ.get("ROGUE", ""), os.environ.get("ROGUE_AT", "fit")
LONG = 100  # frames
kept: list[object] = []


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def throw(error):
    raise error


def recurse():
    return recurse()


def torch():
    import torch

    return torch


def remove_folder():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


def fork(seconds):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns where threads run
        child = os.fork()
    if child == 0 and seconds:
        time.sleep(seconds)
        os._exit(0)


def start_thread(daemon):
    threading.Thread(target=time.sleep, args=(600,), daemon=daemon).start()


def fail_on_warnings():
    warnings.simplefilter("error")


ACTIONS = {
    "raise": lambda: throw(ValueError("no good")),
    "raise without words": lambda: throw(Wordless()),
    "raise a group": lambda: throw(ExceptionGroup("several", [ValueError("one"), TypeError("two")])),
    "raise a warning": lambda: throw(AsdkitWarning("as an error")),
    "SystemExit(0)": lambda: sys.exit(0),
    "SystemExit(3)": lambda: sys.exit(3),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "GeneratorExit": lambda: throw(GeneratorExit()),
    "StopIteration": lambda: throw(StopIteration()),
    "MemoryError": lambda: np.ones((1 << 40, 64)),
    "RecursionError": recurse,
    "os._exit(0)": lambda: os._exit(0),
    "os.abort": os.abort,
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "sleep": lambda: time.sleep(600),
    "default dtype": lambda: torch().set_default_dtype(torch().float64),
    "grad mode": lambda: torch().set_grad_enabled(False),
    "signal handler": lambda: signal.signal(signal.SIGTERM, lambda *_: None),
    "working folder": lambda: os.chdir(tempfile.gettempdir()),
    "working folder removed": remove_folder,
    "umask": lambda: os.umask(0),
    "environment": lambda: os.environ.update(ROGUE_WAS_HERE="1"),
    "recursion limit": lambda: sys.setrecursionlimit(4321),
    "floating-point errors": lambda: np.seterr(all="ignore"),
    "warning filters": fail_on_warnings,
    "thread": lambda: start_thread(daemon=False),
    "daemon thread": lambda: start_thread(daemon=True),
    "open file": lambda: kept.append(open(__file__)),
    "open pipe": lambda: kept.append(os.pipe()),
    "fork": lambda: fork(600),
    "fork that returns": lambda: fork(0),
    "print": lambda: [print("rogue prints" * 80) for _ in range(2000)],
    "close stdout": lambda: os.close(1),
    "close stderr": lambda: os.close(2),
    "close sys.stdout": lambda: sys.stdout.close(),
    "seed": lambda: np.random.seed(0),
}
SCORES = {
    "wrong shape": lambda scores: scores[:-1],
    "wrong dtype": lambda scores: scores.astype(np.float64),
    "no array": lambda scores: scores.tolist(),
    "NaN": lambda scores: scores * np.float32("nan"),
    "infinite": lambda scores: scores + np.float32("inf"),
}
OTHERS = ("raise at import", "raise in constructor", "working folder at import", "NaN state", "inputs in place")
KINDS = (*ACTIONS, *SCORES, *OTHERS)

if KIND == "raise at import":
    raise ImportError("no such library")
if KIND == "working folder at import":
    os.chdir(tempfile.gettempdir())


class Config(SoundConfig):
    pass


class Rogue(Detector):
    def __init__(self, config):
        if KIND == "raise in constructor":
            raise ValueError("no good")
        super().__init__(config)

    def fit(self, training, ctx):
        if AT == "fit" and KIND in ACTIONS:
            ACTIONS[KIND]()
        super().fit(training, ctx)

    def score(self, features, windows, ids, ctx):
        acts = AT == "fit" or int(np.diff(features.offsets).max()) > LONG
        if AT == "score" and acts and KIND in ACTIONS:
            ACTIONS[KIND]()
        scores = super().score(features, windows, ids, ctx)
        if acts and KIND == "inputs in place":
            features.frames[:] = 0
        return SCORES[KIND](scores) if acts and KIND in SCORES else scores

    def state(self):
        return {**super().state(), **({"scale": float("nan")} if KIND == "NaN state" else {})}


@hookimpl
def asdkit_detectors():
    return [Entry("rogue", Config, Rogue, summary="Misbehaves.", defaults={"frames": 5})]
