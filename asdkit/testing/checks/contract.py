"""What a plugin gives, and what it leaves alone."""

from __future__ import annotations

from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.others import AugmenterSubject
from asdkit.testing.subject import CountingContext, Subject, told


@check("detector", "featurizer", "augmenter", "fuser")
def keeps_its_contract(subject: Subject) -> None:
    """Used as a run uses it, it gives arrays of the shapes and dtypes promised, all finite."""
    if subject.construction:
        raise Inapplicable("it cannot be made: see defaults_construct")
    use = subject.first_use
    if use.error is not None:
        raise Failed(f"it raised {told(use.error)}") from use.error
    if fault := subject.fault(use.made):
        raise Failed(fault)


@check("detector", "featurizer", "augmenter", "fuser")
def inputs_are_unchanged(subject: Subject) -> None:
    """Arrays that it is given arrive read-only, and are afterwards what they were."""
    instance = subject.used().instance
    if isinstance(subject, AugmenterSubject) and instance.kind == "window":
        raise Inapplicable("a window augmenter may change its batch in place")
    try:
        subject.use(subject.make(), CountingContext(), read_only=True)
    except Failed:
        raise
    except Exception as error:
        raise Failed(f"it does not work on read-only arrays: {told(error)}") from error
