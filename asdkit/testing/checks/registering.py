"""Registering a plugin."""

from __future__ import annotations

from asdkit.testing.checks.state import elsewhere
from asdkit.testing.elsewhere import importable, register_elsewhere
from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.subject import Subject


@check("detector", "featurizer", "augmenter", "fuser")
def registering_is_light(subject: Subject) -> None:
    """Importing the hook module and calling its hooks imports no torch, numba, cv2 or sklearn."""
    if not importable(subject.entry):
        raise Inapplicable("it is no module's: only an installed plugin is registered")
    try:
        found = elsewhere(subject)
    except (Failed, Inapplicable):  # it cannot be used; it may be registered all the same
        found = register_elsewhere(subject.module)
    if "register" in found.errors:
        raise Failed(f"importing {subject.module} failed: {found.errors['register']}")
    if found.heavy:
        raise Failed(
            f"importing {subject.module} imports {', '.join(found.heavy)} ({found.seconds:.1f} s), for every command "
            "of all who have it installed; name the class by a string, "
            'Entry(..., "package.module:Class"), and import in that module'
        )
