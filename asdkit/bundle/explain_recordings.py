"""Explain recordings one by one: the files, ids and reasons of `asdkit score`, with an explanation of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asdkit.bundle.bundle import Bundle
from asdkit.bundle.explained import Explained
from asdkit.bundle.score_recordings import FileResult, id_from_path, score_files
from asdkit.errors import AsdkitError, PluginError


@dataclass(frozen=True)
class ExplainedFile:
    """An explanation, or the reason why there is none; see `asdkit.bundle.score_recordings.FileResult`."""

    path: str
    explained: Explained | None
    reason: str = ""
    plugin_failed: bool = False


def explain_files(bundle: Bundle, paths: Iterable[str | FileResult], id_: str | None = None) -> Iterator[ExplainedFile]:
    """Explain recordings in order.

    Parameters
    ----------
    bundle
        The system.
    paths
        As `asdkit.bundle.score_recordings.find_recordings` yields them.
    id_
        Id of all recordings; None: the id in each path.
    """
    for path in paths:
        (result,) = score_files(bundle, [path], id_)  # the same checks, and the same reasons
        if result.verdict is None:
            yield ExplainedFile(result.path, None, result.reason, result.plugin_failed)
            continue
        try:
            decoded = bundle.decode(Path(result.path))
            own = id_ or id_from_path(result.path, bundle.ids)
            explained = bundle.explainer.explain(decoded.wave, own, name=result.path, silence=decoded.silence)
        except AsdkitError as error:
            yield ExplainedFile(result.path, None, error.message, isinstance(error, PluginError))
            continue
        yield ExplainedFile(result.path, explained)
