"""State of the process that a plugin changes is restored, and the plugin is named; pools of libraries are no change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asdkit import process_state
from asdkit.errors import AsdkitWarning, PluginError
from asdkit.plugin_calls import guarded, os_exit_raises, plugin_call, watched
from asdkit.process_state import end_left_processes, left_threads, restored_process_state
from asdkit.stop_signals import stop_on_signals

TITLE = "detector 'odd' of asdkit-odd 1.0"


def test_changed_settings_are_restored_and_named(tmp_path):
    torch = pytest.importorskip("torch")
    before = os.getcwd(), sys.getrecursionlimit(), np.geterr(), signal.getsignal(signal.SIGTERM), dict(os.environ)
    filters = list(warnings.filters)
    with restored_process_state() as changes:
        os.chdir(tmp_path)
        os.umask(0o123)
        sys.setrecursionlimit(before[1] + 7)
        np.seterr(all="raise")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ["ODD"] = "1"
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        warnings.simplefilter("ignore")
    after = os.getcwd(), sys.getrecursionlimit(), np.geterr(), signal.getsignal(signal.SIGTERM), dict(os.environ)
    assert after == before
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert list(warnings.filters) == filters
    assert changes.restored == [
        "the working folder",
        "the umask",
        "the recursion limit",
        "the environment (ODD)",
        "the handlers of signals (SIGTERM)",
        "the warning filters",
        "NumPy's error handling",
        "torch's default dtype",
        "torch's grad mode",
    ]
    assert changes.left == []


def test_a_working_folder_that_is_gone_is_left_for_the_one_before(tmp_path):
    before = os.getcwd()
    with restored_process_state() as changes:
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
    assert os.getcwd() == before
    assert changes.restored == ["the working folder"]


def test_a_closed_standard_stream_is_open_again():
    with restored_process_state() as changes:
        os.close(1)
    os.fstat(1)
    assert changes.restored == ["standard output"]


def test_what_is_left_behind_is_listed_and_processes_end(tmp_path, monkeypatch):
    monkeypatch.setattr(process_state, "_connects_at_any_time", lambda: False)  # other tests may have started Dask
    (tmp_path / "kept").touch()
    end = threading.Event()

    def work() -> None:
        end.wait(60)

    with restored_process_state() as changes, open(tmp_path / "kept") as file:
        kept, pipe = os.dup(file.fileno()), os.pipe()
        threading.Thread(target=work).start()
        child = subprocess.Popen(["sleep", "60"])
    try:
        assert changes.left == [
            "a running thread (work)",
            "a child process",
            f"the open file {tmp_path / 'kept'}",
            "an open pipe or socket",
        ]
        assert left_threads()
        end_left_processes()
        assert child.wait(5) == -signal.SIGKILL
    finally:
        end.set()
        for number in (kept, *pipe):
            os.close(number)


def test_connections_of_dask_are_not_those_of_a_plugin():
    def work() -> None:
        end.wait(60)

    work.__module__, end = "distributed.utils", threading.Event()
    loop = threading.Thread(target=work)
    loop.start()
    with restored_process_state() as changes:
        pipe = os.pipe()
    end.set()
    loop.join()
    for number in pipe:
        os.close(number)
    assert not changes


def test_pools_of_libraries_and_threads_that_end_are_no_change():
    with ThreadPoolExecutor(2) as pool:
        with restored_process_state() as changes:
            pool.submit(int).result()
            threading.Thread(target=int).start()
        assert not changes


def test_the_plugins_called_are_named_and_no_other():
    class Bad:
        def vary(self) -> None:
            os.environ["ODD"] = "1"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AsdkitWarning)
        with guarded("detector 'good' of asdkit 1.0", "fit"):
            pass
        with guarded(TITLE, "score"):
            os.environ["ODD"] = "1"
        with watched("featurizer 'f' of asdkit 1.0", "feature extraction"), plugin_call(Bad(), "vary"):
            Bad().vary()
    assert [str(one.message).replace(f"{__name__}.{Bad.__qualname__}", "Bad") for one in caught] == [
        f"{TITLE} changed the environment (ODD) of the process (restored) in score",
        "featurizer 'f' of asdkit 1.0 or plugin class Bad changed the environment (ODD) of the process (restored) in "
        "feature extraction",
    ]


@pytest.mark.parametrize(
    "error", [SystemExit(0), GeneratorExit(), StopIteration(), ExceptionGroup("e", [ValueError()])]
)
def test_any_exception_names_the_plugin(error):
    with pytest.raises(PluginError, match=r"'odd' of asdkit-odd 1\.0: fit failed: "), guarded(TITLE, "fit"):
        raise error


@pytest.fixture
def default_interrupts():
    """Let Ctrl-C raise KeyboardInterrupt; a background job of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_interrupts")
def test_a_plugins_keyboard_interrupt_is_an_error_where_ctrl_c_is_handled():
    with stop_on_signals(), pytest.raises(PluginError, match="KeyboardInterrupt"), guarded(TITLE, "fit"):
        raise KeyboardInterrupt
    with (
        pytest.warns(AsdkitWarning, match="^stopped during fit of detector 'odd'"),
        pytest.raises(KeyboardInterrupt),
        guarded(TITLE, "fit"),
    ):
        raise KeyboardInterrupt  # it may be the user's


def test_os_exit_within_a_plugin_is_an_error():
    with os_exit_raises(), pytest.raises(PluginError, match=r"os\._exit\(0\)"), guarded(TITLE, "fit"):
        os._exit(0)


def test_memory_errors_name_the_plugin():
    with pytest.raises(MemoryError, match=r"'odd' of asdkit-odd 1\.0: fit: not enough memory"), guarded(TITLE, "fit"):
        raise MemoryError
