"""Whether detectors and augmenters accept the numbers that their featurizer computes, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from asdkit.config import Scale
from asdkit.errors import PluginError
from asdkit.interfaces import Featurizer
from asdkit.plugin_calls import plugin_call, title_of
from asdkit.run.jobs import Job
from asdkit.spec import Spec
from asdkit.spec.diagnostics import Diagnostics
from asdkit.spec.messages import leading_key, option_names
from asdkit.spec.positions import quoted
from asdkit.spec.settings import DetectorSettings


def require_scales(spec: Spec, jobs: Sequence[Job]) -> None:
    """Refuse jobs whose detector or augmenters do not accept the scale of the featurizer.

    Raises
    ------
    SpecError
        One line for each.
    PluginError
        If a featurizer has no valid scale.
    """
    faults = Diagnostics(spec.locations)
    scales: dict[str, Scale] = {}
    for job in jobs:
        settings = job.settings
        if settings.featurizer.name not in scales:
            featurizer: Featurizer = job.plugins[1].construct(settings.featurizer.config)
            scales[settings.featurizer.name] = scale_of(featurizer)
        for name in job.detectors:
            for text in scale_problems(settings, scales[settings.featurizer.name]):
                table = spec.table(job.machine, name)
                table.fault(
                    faults, *leading_key(text, [*option_names(type(settings.config)), "featurizer", "augmenters"])
                )
    faults.raise_if_any()


def scale_problems(settings: DetectorSettings, scale: Scale) -> list[str]:
    """Return why a detector or its augmenters do not accept frames of a scale, one sentence each.

    A sentence begins with the option at fault and a colon.
    """
    source = f"{quoted(settings.featurizer.name)} computes {scale} numbers"
    own = settings.config.scale_problem(scale)
    problems = [own if ": " in own else f"featurizer: {source}, but {settings.use} {own}"] if own else []
    return problems + [
        f"augmenters: {source}, but {quoted(augmenter.name)} ({augmenter.use}) {own}"
        for augmenter in settings.augmenters
        if (own := augmenter.config.scale_problem(scale))
    ]


def scale_of(featurizer: Featurizer) -> Scale:
    """Return the scale of a featurizer's numbers.

    Raises
    ------
    PluginError
        If it is none.
    """
    with plugin_call(featurizer, "scale"):
        scale: Scale = featurizer.scale
    if scale not in get_args(Scale):
        raise PluginError(f"{title_of(featurizer)}: scale is {scale!r}; expected {', '.join(get_args(Scale))}")
    return scale
