"""What a plugin leaves alone in the process that it works in."""

from __future__ import annotations

from asdkit.testing.listing import Failed, check
from asdkit.testing.subject import Subject


@check("detector", "featurizer", "augmenter", "fuser")
def generators_and_threads_are_untouched(subject: Subject) -> None:
    """Global random generators and thread settings are afterwards what they were."""
    _, watch = subject.second_use
    if watch.touched:
        raise Failed(f"it changed {', '.join(watch.touched)}; use ctx.rng(name) and ctx.threads, and put back the rest")


@check("detector", "featurizer", "augmenter", "fuser")
def no_file_is_written(subject: Subject) -> None:
    """It writes, makes and removes no file: the core does all writing."""
    _, watch = subject.second_use
    if watch.files:
        raise Failed(f"it wrote {', '.join(dict.fromkeys(watch.files))}")


@check("detector", "featurizer", "augmenter", "fuser")
def nothing_is_printed(subject: Subject) -> None:
    """It prints nothing, to standard output or standard error."""
    _, watch = subject.second_use
    if watch.printed.strip():
        raise Failed(f"it printed {watch.printed.strip().splitlines()[0]!r}; use ctx.progress or AsdkitWarning")
