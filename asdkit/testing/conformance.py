"""What a check is, and the list of all checks.

Running the checks on a plugin.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from asdkit.config import AugmenterConfig, DetectorConfig
from asdkit.errors import UsageError
from asdkit.interfaces import Entry
from asdkit.plugins import Kind, discover
from asdkit.testing.contract import Check, Failed, Inapplicable, checks_of
from asdkit.testing.subject import Subject, told
from asdkit.testing.subjects import SUBJECTS
from asdkit.text import nearest

if TYPE_CHECKING:
    import pytest

    from asdkit.plugins import Kind


_METHOD: dict[str, Kind] = {"fill": "featurizer", "fuse": "fuser"}


@dataclass(frozen=True)
class CheckResult:
    """How one check ended.

    Attributes
    ----------
    check
        Its name, as ``expected_failures`` has it.
    status
        ``"passed"``, ``"failed"``, ``"expected"`` (failed, as was said) or ``"skipped"`` (it does not apply).
    about
        What it demands.
    message
        What is wrong and what to do; why it was expected; why it does not apply.
    seconds
        What it took.
    """

    check: str
    status: Literal["passed", "failed", "expected", "skipped"]
    about: str
    message: str = ""
    seconds: float = 0.0


def check_plugin(
    entry: Entry, *, expected_failures: Mapping[str, str] | None = None, options: Mapping[str, Any] | None = None
) -> list[CheckResult]:
    """Check that a plugin keeps the contract of its kind.

    Parameters
    ----------
    entry
        The plugin, as its hook gives it.
    expected_failures
        Check -> the reason why it fails; that it passes after all is a failure.
    options
        Options for the checks instead of the plugin's defaults, such as a shorter training; for a detector also the
        core's ``frames``, ``hop`` and ``scope``. Networks (`asdkit.api.NetworkConfig`) get a short training anyway.

    Returns
    -------
    results
        One of each check for plugins of this kind.

    Raises
    ------
    UsageError
        If an expected failure names no check or has no reason, the options are wrong or refused by the plugin, or
        this is no entry of a kind that can be told.
    """
    subject = make_subject(entry, options or {})
    expected = dict(expected_failures or {})
    _judge_expected(expected, [subject])
    return [_result(each, subject, expected.get(each.name)) for each in checks_of(subject.kind)]


def _judge_expected(expected: Mapping[str, str], subjects: Sequence[Subject]) -> None:
    """Refuse failures that are expected of no check, or for no reason."""
    known = [each.name for kind in dict.fromkeys(subject.kind for subject in subjects) for each in checks_of(kind)]
    for name, reason in expected.items():
        if name not in known:
            kinds = " or ".join(dict.fromkeys(subject.kind for subject in subjects))
            raise UsageError(f"no check of a {kinds} is called {name!r}{nearest(name, known)}")
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(
                f"expected_failures: {name} has no reason", hint="Say why the plugin fails it and rightly does."
            )


def parametrize_with_checks(
    entries: Sequence[Entry],
    *,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> pytest.MarkDecorator:
    """Make each check of each plugin a case of a test that takes ``check`` and calls it.

    ::

        @parametrize_with_checks(asdkit_detectors())
        def test_the_plugin_keeps_its_contract(check):
            check()

    An expected failure is marked ``xfail(strict=True)``; a check that does not apply is skipped.
    """
    import pytest

    subjects = [make_subject(entry, options or {}) for entry in entries]
    expected = dict(expected_failures or {})
    _judge_expected(expected, subjects)
    cases = []
    for subject in subjects:
        for each in checks_of(subject.kind):
            reason = expected.get(each.name)
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=Failed)] if reason else []
            name = f"{subject.entry.name}-{each.name}"
            cases.append(pytest.param(partial(_case, each, subject), marks=marks, id=name))
    return pytest.mark.parametrize("check", cases)


def _case(each: Check, subject: Subject) -> None:
    import pytest

    __tracebackhide__ = True
    try:
        _run(each, subject)
    except Inapplicable as error:
        pytest.skip(str(error))


def make_subject(entry: Entry, options: Mapping[str, Any]) -> Subject:
    """Make the subject that all checks of a plugin share."""
    kind = _kind_of(entry)
    try:
        subject = SUBJECTS[kind](entry, options, _module_of(entry, kind))
        refused = subject.refusal() if options else ""
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"options: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except TypeError as error:  # no JSON
        raise UsageError(f"options: expected what a spec can hold: {error}") from None
    if refused:
        raise UsageError(f"options: {refused}")
    return subject


def _kind_of(entry: Entry) -> Kind:
    if not isinstance(entry, Entry):
        raise UsageError(f"expected an asdkit.api.Entry, as a plugin's hook gives it, not {type(entry).__name__}")
    if not isinstance(entry.config, type):
        raise UsageError(f"config of {entry.name!r} is no class; expected a subclass of asdkit.api.Config")
    if issubclass(entry.config, DetectorConfig):
        return "detector"
    if issubclass(entry.config, AugmenterConfig):
        return "augmenter"
    try:
        target: Any = entry.load()
    except Exception as error:
        raise UsageError(f"the class of {entry.name!r} cannot be imported: {told(error)}") from error
    for method, kind in _METHOD.items():
        if callable(getattr(target, method, None)):
            return kind
    raise UsageError(
        f"{entry.name!r} is no plugin that can be checked",
        hint="A detector's config is a DetectorConfig, an augmenter's an AugmenterConfig; a featurizer has a method "
        "fill, a fuser a method fuse.",
    )


def _module_of(entry: Entry, kind: Kind) -> str:
    """Find the module that registers a plugin; of one that is not installed, the module of its options."""
    for plugin in discover().plugins:
        if plugin.kind == kind and plugin.entry is not None and plugin.entry.config is entry.config:
            return plugin.module
    return entry.config.__module__


def _run(each: Check, subject: Subject) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a plugin tells of its result is no fault
        try:
            each.run(subject)
        except (Failed, Inapplicable):
            raise
        except Exception as error:
            raise Failed(f"it raised {told(error)}") from error


def _result(each: Check, subject: Subject, expected: str | None) -> CheckResult:
    begin = time.perf_counter()
    make: Callable[..., CheckResult] = partial(CheckResult, about=each.about)
    try:
        _run(each, subject)
    except Inapplicable as error:
        return make(each.name, "skipped", message=str(error), seconds=time.perf_counter() - begin)
    except Failed as error:
        status: Literal["failed", "expected"] = "failed" if expected is None else "expected"
        message = str(error) if expected is None else f"{expected} ({error})"
        return make(each.name, status, message=message, seconds=time.perf_counter() - begin)
    seconds = time.perf_counter() - begin
    if expected is not None:
        message = f"expected to fail ({expected}), but it passes; no longer expect it"
        return make(each.name, "failed", message=message, seconds=seconds)
    return make(each.name, "passed", seconds=seconds)
