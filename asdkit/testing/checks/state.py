"""What was learnt, in another process."""

from __future__ import annotations

from asdkit.errors import PluginError
from asdkit.testing.detecting import DetectorSubject
from asdkit.testing.elsewhere import Elsewhere, importable, use_elsewhere
from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.others import FuserSubject
from asdkit.testing.subject import Subject, same


@check("detector", "fuser")
def state_survives_a_new_process(subject: DetectorSubject | FuserSubject) -> None:
    """Loaded from a file in a new process, it scores the same bit for bit, and has the same state."""
    use = subject.used()
    there = elsewhere(subject)
    if "load" in there.errors:
        raise Failed(f"in a new process, load or a score after it raised {there.errors['load']}")
    difference = same(dict(use.made), dict(there.made))
    if difference:
        raise Failed(f"loaded in a new process, it scores otherwise: {difference}")
    difference = same(dict(use.instance.state()), dict(there.state))
    if difference:
        raise Failed(f"loaded in a new process, its state is another: {difference}")


@check("detector", "featurizer", "augmenter", "fuser")
def runs_without_cuda(subject: Subject) -> None:
    """It works in a new process that sees no GPU."""
    subject.used()
    there = elsewhere(subject)
    if "use" in there.errors:
        raise Failed(f"in a new process without CUDA it raised {there.errors['use']}")


def elsewhere(subject: Subject) -> Elsewhere:
    """What a new process made of the plugin; asked once for both checks."""
    if subject.elsewhere is None:
        if not importable(subject.entry):
            raise Inapplicable("it is no module's: a new process cannot import it")
        state = None
        if isinstance(subject, DetectorSubject | FuserSubject):
            state = subject.used().instance.state()
        try:
            subject.elsewhere = use_elsewhere(subject, state)
        except PluginError as error:
            raise Failed(str(error)) from error
    if "process" in subject.elsewhere.errors:
        raise Failed(f"a new process came to nothing: {subject.elsewhere.errors['process']}")
    return subject.elsewhere
