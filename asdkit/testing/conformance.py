"""Run the checks on a plugin, as a function or as cases of pytest."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from asdkit.config import AugmenterConfig, DetectorConfig
from asdkit.errors import UsageError
from asdkit.interfaces import Entry
from asdkit.plugins import Kind, discover
from asdkit.process_state import restored_process_state
from asdkit.stop_signals import is_of_user
from asdkit.testing.checks import checks_of
from asdkit.testing.contract import Check, Failed, Inapplicable
from asdkit.testing.location import location
from asdkit.testing.subject import Subject
from asdkit.testing.subjects import SUBJECTS
from asdkit.text import error_line, suggestion_or_choices

if TYPE_CHECKING:
    import pytest

_METHODS: dict[str, Kind] = {"fill": "featurizer", "fuse": "fuser", "machines": "layout"}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    check
        Its name, as in ``checks`` and ``expected_failures``.
    status
        ``"passed"``, ``"failed"``, ``"expected"`` (an expected failure) or ``"skipped"`` (it does not apply).
    about
        What it demands.
    message
        What is wrong and what to do; why the failure was expected; why the check does not apply.
    seconds
        Its duration.
    where
        For a failure, the line of the plugin that raised, or defines what failed: ``"file.py:12 (score)"``.
    clips
        How many clips, waves or windows it used, such as ``"18 fitted, 96 scored"``.
    """

    check: str
    status: Literal["passed", "failed", "expected", "skipped"]
    about: str
    message: str = ""
    seconds: float = 0.0
    where: str = ""
    clips: str = ""


def check_plugin(
    entry: Entry,
    *,
    checks: Iterable[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[CheckResult]:
    """Check that a plugin keeps the contract of its kind.

    Parameters
    ----------
    entry
        The plugin, as its hook returns it.
    checks
        Names of the checks to run; default: all checks for plugins of this kind.
    expected_failures
        Name of a check -> the reason why it fails; if the check passes, that is a failure.
    options
        Options for the checks instead of the plugin's defaults, such as a shorter training; for a detector also the
        core's ``frames``, ``hop`` and ``scope``. Networks (`asdkit.api.NetworkConfig`) get a short training anyway.

    Returns
    -------
    results
        One for each check, in the order of all checks.

    Raises
    ------
    UsageError
        If a name is that of no check, an expected failure has no reason, the options are wrong or the plugin refuses
        them, or the entry is of no known kind.
    """
    subject = make_subject(entry, options or {})
    expected = dict(expected_failures or {})
    validate_expected(expected, [subject])
    return [result_of(check, subject, expected.get(check.name)) for check in _selected(checks, [subject])[0]]


def parametrize_with_checks(
    entries: Sequence[Entry],
    *,
    checks: Iterable[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> pytest.MarkDecorator:
    """Make each check of each plugin a case of a test that takes ``check`` and calls it.

    ::

        @parametrize_with_checks(asdkit_detectors())
        def test_the_plugin_keeps_its_contract(check):
            check()

    An expected failure is marked ``xfail(strict=True)``; a check that does not apply is skipped. Parameters are those
    of `check_plugin`, for several plugins.
    """
    import pytest

    subjects = [make_subject(entry, options or {}) for entry in entries]
    expected = dict(expected_failures or {})
    validate_expected(expected, subjects)
    cases = []
    for subject, selected in zip(subjects, _selected(checks, subjects), strict=True):
        for check in selected:
            reason = expected.get(check.name)
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=Failed)] if reason else []
            name = f"{subject.entry.name}-{check.name}"
            cases.append(pytest.param(partial(_run_case, check, subject), marks=marks, id=name))
    return pytest.mark.parametrize("check", cases)


def make_subject(entry: Entry, options: Mapping[str, Any], kind: Kind | None = None) -> Subject:
    """Make the subject that all checks of a plugin share; raises `UsageError` as `check_plugin` does."""
    kind = kind or _kind_of(entry)
    try:
        subject = SUBJECTS[kind](entry, options, _module_of(entry, kind))
        refused = subject.refusal() if options else ""
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"options: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except TypeError as error:  # not serialisable as JSON
        raise UsageError(f"options: expected values that a spec can hold: {error}") from None
    if refused:
        raise UsageError(f"options: {refused}")
    return subject


def _selected(names: Iterable[str] | None, subjects: Sequence[Subject]) -> list[list[Check]]:
    """Checks of each subject: those of these names, or all."""
    by_subject = [checks_of(subject.kind) for subject in subjects]
    if names is None:
        return by_subject
    wanted = set(names)
    _validate_names(sorted(wanted), subjects)
    return [[check for check in checks if check.name in wanted] for checks in by_subject]


def _validate_names(names: Iterable[str], subjects: Sequence[Subject]) -> None:
    """Raise `UsageError` for a name of no check of the subjects' kinds."""
    kinds = list(dict.fromkeys(subject.kind for subject in subjects))
    known = [check.name for kind in kinds for check in checks_of(kind)]
    for name in names:
        if name not in known:
            raise UsageError(
                f"no check of a {' or '.join(kinds)} is called {name!r}{suggestion_or_choices(name, known)}"
            )


def validate_expected(expected: Mapping[str, str], subjects: Sequence[Subject]) -> None:
    """Raise `UsageError` for an expected failure of no check, or without a reason."""
    _validate_names(expected, subjects)
    for name, reason in expected.items():
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(
                f"expected_failures: {name} has no reason", hint="Say why it is right that the plugin fails it."
            )


def _kind_of(entry: Entry) -> Kind:
    if not isinstance(entry, Entry):
        raise UsageError(f"expected an asdkit.api.Entry, as a plugin's hook returns it, not {type(entry).__name__}")
    if not isinstance(entry.config, type):
        raise UsageError(f"config of {entry.name!r} is no class; expected a subclass of asdkit.api.Config")
    if issubclass(entry.config, DetectorConfig):
        return "detector"
    if issubclass(entry.config, AugmenterConfig):
        return "augmenter"
    try:
        target: Any = entry.load()
    except Exception as error:
        raise UsageError(f"the class of {entry.name!r} cannot be imported: {error_line(error)}") from error
    for method, kind in _METHODS.items():
        if callable(getattr(target, method, None)):
            return kind
    raise UsageError(
        f"{entry.name!r} is no plugin that can be checked",
        hint="A detector's config is a DetectorConfig, an augmenter's an AugmenterConfig; a featurizer has a method "
        "fill, a fuser a method fuse, a layout a method machines.",
    )


def _module_of(entry: Entry, kind: Kind) -> str:
    """Return the module that registers a plugin; the module of its config where it is not installed."""
    for plugin in discover().plugins:
        if plugin.kind == kind and plugin.entry is not None and plugin.entry == entry:
            return plugin.module
    return entry.config.__module__


def _run(check: Check, subject: Subject) -> None:
    subject.used = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about results are no fault
        try:
            with restored_process_state():  # a change does not disturb the checks that follow
                check.run(subject)
        except (Failed, Inapplicable):
            raise
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            if isinstance(error, KeyboardInterrupt) and is_of_user():
                raise
            raise Failed(f"it raised {error_line(error)}") from error


def _run_case(check: Check, subject: Subject) -> None:
    import pytest

    __tracebackhide__ = True
    try:
        _run(check, subject)
    except Inapplicable as error:
        pytest.skip(str(error))
    except Failed as error:
        details = ", ".join(filter(None, (location(subject, check, error), _used(subject))))
        raise Failed(f"{error} [{details}]") from error.__cause__


def result_of(check: Check, subject: Subject, expected: str | None) -> CheckResult:
    """Run a check; `expected` is the reason why it should fail."""
    begin = time.perf_counter()
    where = ""
    status: Literal["passed", "failed", "expected", "skipped"] = "passed"
    message = ""
    try:
        _run(check, subject)
    except Inapplicable as error:
        status, message = "skipped", str(error)
    except Failed as error:
        status, message, where = "failed", str(error), location(subject, check, error)
        if expected is not None:
            status, message = "expected", f"{expected} ({error})"
    else:
        if expected is not None:
            status = "failed"
            message = f"expected to fail ({expected}), but it passes; remove it from expected_failures"
    seconds = time.perf_counter() - begin
    return CheckResult(check.name, status, check.about, message, seconds, where, _used(subject))


def _used(subject: Subject) -> str:
    return ", ".join(f"{n} {what.removesuffix('s') if n == 1 else what}" for what, n in subject.used.items())
