"""Negative log-likelihood of Gaussian mixtures, a mixture for each bin."""

from __future__ import annotations

import math
from typing import Any

import torch

LOG_VARIANCE_FLOOR = math.log(1e-4)
"""Least log-variance, in standardised units: a deviation of 0.01 of a band's own."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def mixture_nll(parameters: torch.Tensor, shift: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood, averaged over bins.

    Component ``c`` of a bin has weight ``softmax(logits)_c``, mean ``mean_c + shift`` and variance
    ``exp(max(log_variance_c, LOG_VARIANCE_FLOOR))``. All of it is computed in float32.

    Parameters
    ----------
    parameters
        [float32 or bfloat16, ``[rows, 3, components, bins]``] Logits, means, log-variances.
    shift
        [float32, ``[rows, bins]``] Added to all means of a bin.
    target
        [float32, ``[rows, bins]``] Standardised values; the density is one of standardised units.

    Returns
    -------
    nll
        [float32, ``[rows]``] Nats a bin.
    """
    nll: torch.Tensor = _MixtureNll.apply(parameters, shift, target)  # type: ignore[no-untyped-call]
    return nll


class _MixtureNll(torch.autograd.Function):
    """Forward and gradient at once: the gradient, of the size of the parameters, is all that is kept."""

    @staticmethod
    def forward(ctx: Any, parameters: torch.Tensor, shift: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits, means, log_variances = parameters.float().unbind(1)
        floored = log_variances.clamp(min=LOG_VARIANCE_FLOOR)
        precision = torch.exp(-floored)
        off = (target - shift)[:, None] - means
        square = off * off * precision
        weights = torch.log_softmax(logits, 1)
        joint = weights - 0.5 * (floored + square)
        total = torch.logsumexp(joint, 1)
        if any(ctx.needs_input_grad):
            share = torch.exp(joint - total[:, None])
            by_mean = -share * off * precision
            by_variance = 0.5 * share * (1 - square)
            # Below the floor only a step upwards can change anything.
            by_variance = torch.where(log_variances < LOG_VARIANCE_FLOOR, by_variance.clamp(max=0), by_variance)
            gradient = torch.stack([torch.exp(weights) - share, by_mean, by_variance], 1)
            ctx.save_for_backward(gradient.to(parameters.dtype), by_mean.sum(1))
        return _HALF_LOG_TWO_PI - total.mean(1)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        by_parameters, by_shift = ctx.saved_tensors
        upstream = upstream / by_shift.shape[1]
        return (
            by_parameters * upstream[:, None, None, None].to(by_parameters.dtype),
            by_shift * upstream[:, None],
            None,
        )
