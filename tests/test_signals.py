"""Stop requests from Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from asdkit.stop_signals import stop_on_signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_for_a_stop(number, code):
    calls = []
    before = signal.getsignal(number)
    with stop_on_signals(lambda: calls.append(number)) as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
    assert (calls, stop.exit_code) == ([number], code)
    assert signal.getsignal(number) is before


def test_the_second_signal_exits_at_once():
    code = """if True:
        import os, signal
        from asdkit.stop_signals import stop_on_signals
        try:
            with stop_on_signals(farewell="stopped"):
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGINT)
        finally:
            print("not at once")
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "stopped\n")


def test_other_threads_leave_signals_alone():
    before = signal.getsignal(signal.SIGINT)
    during = []

    def work() -> None:
        with stop_on_signals():
            during.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]
