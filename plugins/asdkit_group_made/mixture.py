"""Negative log-likelihood of Gaussian mixtures, a mixture for each bin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

LOG_VARIANCE_FLOOR = math.log(1e-4)
"""Least log-variance, in standardised units: a deviation of 0.01 of a band's own."""

OUTLIER_DENSITY = 1 / 20
"""Of values that may be anything, in standardised units: the same within 10 deviations; beyond, it falls no further."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def mixture_nll(
    parameters: torch.Tensor, offset: torch.Tensor, target: torch.Tensor, outliers: float = 0.0
) -> torch.Tensor:
    """Negative log-likelihood, averaged over bins.

    Component ``c`` of a bin has weight ``softmax(logits)_c``, mean ``mean_c + offset`` and variance
    ``exp(max(log_variance_c, LOG_VARIANCE_FLOOR))``. All of it is computed in float32.

    Parameters
    ----------
    parameters
        [float32 or bfloat16, ``[rows, 3, components, bins]``] Logits, means, log-variances.
    offset
        [float32, ``[rows, bins]``] Added to all means of a bin.
    target
        [float32, ``[rows, bins]``] Standardised values; the density is one of standardised units.
    outliers
        Share of values that may be anything: the density ``p`` of a bin becomes ``(1 - outliers) p + outliers / 20``.
        Such a likelihood has no gradient.

    Returns
    -------
    nll
        [float32, ``[rows]``] Nats a bin.
    """
    if torch.compiler.is_compiling():  # into a graph: of torch's own operations
        return by_torch(parameters, offset, target, False, outliers)[0]
    if outliers:
        return _way(parameters)(parameters, offset, target, False, outliers)[0]
    nll: torch.Tensor = _MixtureNll.apply(parameters, offset, target)  # type: ignore[no-untyped-call]
    return nll


class _MixtureNll(torch.autograd.Function):
    """Value and gradient at once: the gradient, of the size of the parameters, is all that is kept."""

    @staticmethod
    def forward(ctx: Any, parameters: torch.Tensor, offset: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nll, gradient, by_offset = _way(parameters)(parameters, offset, target, any(ctx.needs_input_grad), 0.0)
        ctx.save_for_backward(gradient, by_offset)
        return nll

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        gradient, by_offset = ctx.saved_tensors
        upstream = upstream / by_offset.shape[1]
        # In place: torch refuses a second pass backward through what was changed.
        gradient.mul_(upstream[:, None, None, None].to(gradient.dtype))
        return gradient, by_offset.mul_(upstream[:, None]), None


Likelihood = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Negative log-likelihood a bin of each row; gradient of its sum over bins by parameters and by offset."""


def _way(parameters: torch.Tensor) -> Callable[..., Likelihood]:
    return on_cpu if parameters.device.type == "cpu" else by_torch


def on_cpu(
    parameters: torch.Tensor, offset: torch.Tensor, target: torch.Tensor, wanted: bool, outliers: float = 0.0
) -> Likelihood:
    """Compute by the compiled kernel."""
    from asdkit_group_made.kernel import likelihood

    half = parameters.dtype == torch.bfloat16
    kind = torch.uint16 if half else torch.uint32
    parameters = parameters.contiguous()
    gradient = torch.empty_like(parameters) if wanted else parameters[:0]
    nll, by_offset = torch.empty(len(target)), torch.empty_like(target)
    likelihood(
        parameters.detach().view(kind).numpy(),
        16 if half else 0,
        offset.detach().contiguous().numpy(),
        target.detach().contiguous().numpy(),
        LOG_VARIANCE_FLOOR,
        outliers,
        OUTLIER_DENSITY,
        nll.numpy(),
        gradient.detach().view(kind).numpy(),
        by_offset.numpy(),
    )
    return nll, gradient, by_offset


def by_torch(
    parameters: torch.Tensor, offset: torch.Tensor, target: torch.Tensor, wanted: bool, outliers: float = 0.0
) -> Likelihood:
    """Compute by torch's own operations, on any device."""
    logits, means, log_variances = parameters.float().unbind(1)
    floored = log_variances.clamp(min=LOG_VARIANCE_FLOOR)
    precision = torch.exp(-floored)
    away = (target - offset)[:, None] - means
    square = away * away * precision
    weights = torch.log_softmax(logits, 1)
    joint = weights - 0.5 * (floored + square)
    total = torch.logsumexp(joint, 1)
    own = _HALF_LOG_TWO_PI - total
    if outliers:
        allowing = -torch.log((1 - outliers) * torch.exp(-own) + outliers * OUTLIER_DENSITY)
        own = torch.where(own.isfinite(), allowing, own)  # else a frame is not finite, and no score may hide it
    nll = own.mean(1)
    if not wanted:
        return nll, parameters[:0], offset[:0]
    share = torch.exp(joint - total[:, None])
    by_mean = -share * away * precision
    by_variance = 0.5 * share * (1 - square)
    # Below the floor only a step upwards can change anything.
    by_variance = torch.where(log_variances < LOG_VARIANCE_FLOOR, by_variance.clamp(max=0), by_variance)
    gradient = torch.stack([torch.exp(weights) - share, by_mean, by_variance], 1)
    return nll, gradient.to(parameters.dtype), by_mean.sum(1)
