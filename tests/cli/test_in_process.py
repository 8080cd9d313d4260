"""The in-process runner gives what the real process gives, and restores the state of the test process."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings

import pytest

from tests.helpers.packages import install

WARNING_PLUGIN = """
import warnings
from asdkit.api import DetectorConfig, Entry, hookimpl

class Config(DetectorConfig):
    pass

@hookimpl
def asdkit_detectors():
    warnings.warn("shown once", UserWarning)
    warnings.warn("for developers", DeprecationWarning)
    return [Entry("warns", Config, "plug_warns:Detector")]
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "spec.toml"], 0),
        (["plugins", "mix"], 0),
        (["run", "--help"], 0),
        ([], 2),
        (["rnu"], 2),
        (["check", "spec.toml", "--set", "seed=-1"], 2),
        (["check", "spec.toml", "--set", 'data.root="nowhere"'], 3),
    ],
    ids=["success", "plugin", "help", "no-command", "unknown-command", "spec-error", "data-error"],
)
def test_output_and_exit_code_are_the_real_ones(arguments, code, spec, asdkit, asdkit_command):
    real, here = asdkit_command(*arguments), asdkit(*arguments)
    assert real.returncode == code, real.stderr
    assert (here.returncode, here.stdout, here.stderr) == (real.returncode, real.stdout, real.stderr)


def test_warnings_are_printed_as_by_the_real_process(tmp_path, asdkit, asdkit_command):
    install(tmp_path / "site", "asdkit-warns", {"plug_warns.py": WARNING_PLUGIN}, {"warns": "plug_warns"})
    real = asdkit_command("plugins", "warns")
    for _ in range(2):
        here = asdkit("plugins", "warns")
        assert here.stderr == real.stderr == "warning: shown once\n"
        assert here.stdout == real.stdout


def test_state_of_the_process_is_restored(spec, asdkit):
    names = ("SIGINT", "SIGTERM")

    def state():
        loggers = [logging.getLogger(name) for name in (None, "distributed")]
        return (
            os.getcwd(),
            dict(os.environ),
            [*sys.path],
            [*sys.argv],
            (sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]),
            [signal.getsignal(getattr(signal, name)) for name in names],
            (warnings.filters[:], warnings.showwarning),
            [(logger.level, logger.handlers[:]) for logger in loggers],
            {name for name in sys.modules if name.startswith("asdkit_mean_spectrum")},
        )

    before = state()
    assert asdkit("run", spec, "--machine", "fan", EXTRA="1").returncode == 0
    assert state() == before


def test_an_edited_plugin_is_loaded_again(tmp_path, asdkit):
    source = WARNING_PLUGIN.replace("shown once", "{}")
    install(tmp_path / "site", "asdkit-warns", {"plug_warns.py": source.format("aaa")}, {"warns": "plug_warns"})
    assert asdkit("plugins", "warns").stderr == "warning: aaa\n"
    (tmp_path / "site" / "plug_warns.py").write_text(source.format("bbb"))
    assert asdkit("plugins", "warns").stderr == "warning: bbb\n"


def test_output_of_workers_is_captured_and_they_end(spec, asdkit, capfd):
    ran = asdkit("run", spec, "--machine", "fan", "--set", "compute.workers=2")
    assert ran.returncode == 0, ran.stderr
    assert capfd.readouterr() == ("", "")
    from joblib.externals.loky import reusable_executor

    executor = reusable_executor._executor
    assert executor is None or not executor._processes


def test_standard_input_reaches_the_command(spec, asdkit, asdkit_command):
    ran = asdkit("score", "nothing.asdkit", "-", stdin="a.wav\n")
    assert ran.returncode == asdkit_command("score", "nothing.asdkit", "-").returncode != 0


@pytest.mark.parametrize(
    ("command", "given", "hint"),
    [
        (("listen", "b"), "--no-latch", ""),
        (("evaluate", "x"), "--unpooled", ""),
        (("score", "b", "x"), "--fail-on-normal", ""),
        (("score", "b", "x"), "--fail-on-anomly", "--fail-on-anomaly"),
    ],
)
def test_an_unknown_option_does_not_get_its_contrary_as_a_hint(command, given, hint, asdkit):
    result = asdkit(*command, given)
    assert result.returncode == 2
    assert f"No such option: {given}" in result.stderr
    assert hint in result.stderr
    assert ("ossible option" in result.stderr or "Did you mean" in result.stderr) == bool(hint)
