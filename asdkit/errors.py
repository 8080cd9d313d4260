"""Errors for the user, each class with the exit code of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line (documented in ``docs/design.md``, section 5)."""

    DONE = 0
    PARTIAL = 1
    USAGE = 2
    DATA = 3
    PLUGIN = 4
    ANOMALY = 5
    IN_USE = 6
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class AsdkitError(Exception):
    """An error for the user: what is wrong, and what to do about it.

    Parameters
    ----------
    message
        What is wrong, in the user's words; one line for each fault.
    hint
        What to do about it.
    """

    exit_code = ExitCode.PARTIAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are pickled between processes; the default rebuilds from ``args`` and loses the hint.
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[AsdkitError], message: str, hint: str) -> AsdkitError:
    return kind(message, hint=hint)


class UsageError(AsdkitError):
    """A command with wrong arguments, a spec with faults, or an unknown name."""

    exit_code = ExitCode.USAGE


class SpecError(UsageError):
    """All faults of a spec, one line each (``file:line: table.key: what is wrong; what was expected``)."""

    @classmethod
    def of(cls, problems: Sequence[str]) -> SpecError:
        """Join the lines in `problems` to one error."""
        return cls("\n".join(problems))


class DataError(AsdkitError):
    """Recordings that are missing, bad, or do not match their scores."""

    exit_code = ExitCode.DATA


class BadAudio(DataError):
    """A recording that cannot be used.

    The message is one line, ``path: reason``; tables show `reason` alone.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (BadAudio, (self.path, self.reason))


class PluginError(AsdkitError):
    """A spec or bundle uses a plugin that is broken or incompatible."""

    exit_code = ExitCode.PLUGIN


class NotFitted(AsdkitError):
    """A detector or fuser is used before ``fit`` or ``load``."""

    exit_code = ExitCode.BUG


class RunInUse(AsdkitError):
    """The run folder is in use by another process."""

    exit_code = ExitCode.IN_USE


class Stopped(AsdkitError):
    """Work stopped early on request; finished jobs are saved."""

    exit_code = ExitCode.INTERRUPTED


class AsdkitWarning(UserWarning):
    """Something the user should know about a result; a run lists it beside the results.

    Plugins emit it with ``warnings.warn(message, AsdkitWarning)``.
    """
