"""What can go wrong, each kind with the exit code that it ends a command with."""

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
    """An error meant for the person: what is wrong, and what to do about it.

    Parameters
    ----------
    message
        What is wrong, in the user's words. Several faults found at once are one line each.
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
        # The default rebuilds from ``args`` and so loses the hint; errors cross process borders.
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[AsdkitError], message: str, hint: str) -> AsdkitError:
    return kind(message, hint=hint)


class UsageError(AsdkitError):
    """A command that cannot be understood, a spec with faults, or a name that nothing has."""

    exit_code = ExitCode.USAGE


class SpecError(UsageError):
    """Faults of a spec, all of them, one line each (``file:line: table.key: what; expected``)."""

    @classmethod
    def of(cls, problems: Sequence[str]) -> SpecError:
        """Make one error of all `problems`."""
        return cls("\n".join(problems))


class DataError(AsdkitError):
    """Recordings that are missing, bad, or do not match their scores."""

    exit_code = ExitCode.DATA


class BadAudio(DataError):
    """A recording that cannot be used.

    The message is ``path: reason``, one line; `reason` alone is kept for tables.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (BadAudio, (self.path, self.reason))


class PluginError(AsdkitError):
    """A plugin that is broken or incompatible, and used."""

    exit_code = ExitCode.PLUGIN


class NotFitted(AsdkitError):
    """A detector or fuser was asked for scores before ``fit`` or ``load``."""

    exit_code = ExitCode.BUG


class RunInUse(AsdkitError):
    """The run folder is in use by another process."""

    exit_code = ExitCode.IN_USE


class Stopped(AsdkitError):
    """Work ended early because it was asked to; what was finished is saved."""

    exit_code = ExitCode.INTERRUPTED


class AsdkitWarning(UserWarning):
    """Something the person should know of a result; a run lists it beside the results.

    Plugins say such things with ``warnings.warn(message, AsdkitWarning)``.
    """
