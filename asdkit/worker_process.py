"""Processes that work for this one: forked, so that a plugin that ends its process does not end the command.

Only the command line forks, on Linux, before torch is imported and while no other thread runs: threads, locks and CUDA
do not survive a fork. A fork takes 10 ms, a new interpreter with its imports a second.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from asdkit.errors import AsdkitError, AsdkitWarning
from asdkit.plugin_calls import announced_calls, os_exit_raises
from asdkit.process_state import end_left_processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.1
_CALL_BYTES = 4096  # of the name of a call
_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
_MAX_RESTARTS = 20
_allowed = False


class WorkerDied(Exception):
    """The process of a `Worker` ended before its answer was complete.

    Attributes
    ----------
    call
        The call of a plugin in which it ended; empty if none was at work.
    how
        ``ended by SIGSEGV``.
    killed
        Whether it was killed by SIGKILL, as the kernel does where memory is short.
    """

    def __init__(self, call: str, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        self.call, self.killed = call, code == -signal.SIGKILL
        how = f"ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        self.how = f"{how} (out of memory?)" if self.killed else how
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"the process {self.how}" + (f" during {self.call}" if self.call else "")


class Worker:
    """A forked process that answers requests.

    It ends with this process, and ignores SIGINT and SIGTERM, which this process handles. What it writes to standard
    output goes to standard error. Requests and answers are pickled.

    Parameters
    ----------
    answer
        Called in the process with each request; its answers are sent as it yields them.
    """

    def __init__(self, answer: Callable[[Any], Iterator[Any]]) -> None:
        from multiprocessing import Pipe

        self._call = mmap.mmap(-1, _CALL_BYTES)  # shared
        theirs_in, self._requests = Pipe(duplex=False)
        self._answers, theirs_out = Pipe(duplex=False)
        driver = os.getpid()
        self._process = _fork()
        if not self._process:
            self._requests.close()
            self._answers.close()
            _serve(answer, theirs_in, theirs_out, self._call, driver)
        theirs_in.close()
        theirs_out.close()
        self._ended = os.pidfd_open(self._process)

    def request(self, question: Any) -> Iterator[Any]:
        """Send a request; yield the answers as they come.

        Raises
        ------
        WorkerDied
            If the process ends; the worker is closed.
        BaseException
            What `answer` raised.

        Warns
        -----
        AsdkitWarning
            If Ctrl-C ends the wait during a call of a plugin.
        """
        with suppress(BrokenPipeError):
            self._requests.send(question)
        while True:
            try:
                kind, value = self._receive()
            except KeyboardInterrupt:
                if call := _read_call(self._call):
                    warnings.warn(f"stopped during {call}", AsdkitWarning, stacklevel=2)  # it may hang
                raise
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value

    @property
    def ended(self) -> bool:
        """Whether the process ended and was waited for."""
        return not self._process

    def close(self) -> None:
        """End the process: at once if it is at work, or does not end by itself."""
        if self.ended:
            return
        self._requests.close()
        poll = select.poll()
        poll.register(self._ended)
        if _read_call(self._call) or not poll.poll(1000):
            os.kill(self._process, signal.SIGKILL)
        self._wait()

    def _wait(self) -> int:
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        os.close(self._ended)
        self._requests.close()
        self._answers.close()
        return status

    def _receive(self) -> Any:
        poll = select.poll()
        for descriptor in (self._answers.fileno(), self._ended):
            poll.register(descriptor, select.POLLIN)
        poll.poll()
        if self._answers.poll():
            with suppress(EOFError, ConnectionResetError):
                return self._answers.recv()
        raise WorkerDied(_read_call(self._call), self._wait())


@contextmanager
def forks_allowed() -> Iterator[None]:
    """Let `can_fork` return True in the body: the main thread of a command, whose process is as asdkit started it."""
    global _allowed
    before, _allowed = _allowed, True
    try:
        yield
    finally:
        _allowed = before


def can_fork() -> bool:
    """Whether a `Worker` can be started now."""
    if not _allowed or "torch" in sys.modules or threading.active_count() > 1 or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel
        return False
    return True


def run_restarted(body: Callable[[], None], report: Callable[[str], object]) -> None:
    """Run a body that can be repeated in a forked process, and again where a plugin ended that one.

    The forked process goes on as the command: it gets the signals of the terminal and exits with the command's code.
    This one waits, passes on signals that were sent to it alone, and exits with the same code. Where it cannot fork,
    it runs the body itself.

    Parameters
    ----------
    body
        Continues what a process that ended before it left undone.
    report
        Called with a line for each process that a plugin ended.
    """
    if not can_fork():
        body()
        return
    call, driver = mmap.mmap(-1, _CALL_BYTES), os.getpid()
    waited = {signal.SIGCHLD, *_PASSED_ON}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    for left in reversed(range(_MAX_RESTARTS + 1)):
        process = _fork()
        if not process:
            end_with(driver)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, waited)
            with announced_calls(lambda name: _write_call(call, name)), os_exit_raises():
                body()
            return
        status = _wait_and_pass_on(process, waited)
        death = WorkerDied(_read_call(call), status)
        if not os.WIFSIGNALED(status):
            if death.call:  # a second Ctrl-C ends it at once: the call may hang
                report(f"stopped during {death.call}")
            sys.exit(os.waitstatus_to_exitcode(status))
        if not death.call or not left:
            report(f"{death}; finished work is kept")
            sys.exit(128 + os.WTERMSIG(status))
        report(f"{death}; going on")
        _write_call(call, "")


def _wait_and_pass_on(process: int, waited: set[signal.Signals]) -> int:
    """Wait for a process; return its status. The terminal sends a signal to both processes by itself."""
    while True:
        info = signal.sigwaitinfo(waited)
        if info.si_signo != signal.SIGCHLD:
            if info.si_code <= 0:  # sent by a process
                os.kill(process, info.si_signo)
            continue
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status


def end_with(driver: int) -> None:
    """End this process when the process `driver` ends, however that ends.

    On Linux the kernel does it at once. On other systems, and if the driver is dead already, a thread does it.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_POLL_S)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-driver", daemon=True).start()


def _fork() -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, such as those of OpenBLAS
        return os.fork()


def _serve(
    answer: Callable[[Any], Iterator[Any]], requests: Connection, answers: Connection, call: mmap.mmap, driver: int
) -> NoReturn:
    """Answer requests until no more can come; the new process never returns from here."""
    real_exit = os._exit
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.dup2(2, 1)
        end_with(driver)
        with announced_calls(lambda name: _write_call(call, name)), os_exit_raises(), suppress(EOFError, OSError):
            while True:
                question = requests.recv()
                try:
                    for value in answer(question):
                        answers.send(("value", value))
                    answers.send(("end", None))
                except BaseException as error:
                    answers.send(("error", _portable(error)))
    finally:
        end_left_processes()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        real_exit(0)


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be pickled, with its traceback if it is a bug."""
    text = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    except Exception:
        error = RuntimeError(text)
    if not isinstance(error, AsdkitError):
        error.add_note(text)
    return error


def _write_call(call: mmap.mmap, name: str) -> None:
    data = name.encode(errors="backslashreplace")[: _CALL_BYTES - 1]
    call[: len(data) + 1] = data + b"\0"


def _read_call(call: mmap.mmap) -> str:
    return call[:].partition(b"\0")[0].decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
