"""AUC, pAUC, official scores and confidence intervals. The only package that test labels reach."""

from asdkit.metrics.bootstrap import RESAMPLES, Bootstrap, difference, is_unreliable, percentile_interval, resample_auc
from asdkit.metrics.evaluation import POOLED, Decisions, LabelledClip, count_decisions, evaluate, pool_ids
from asdkit.metrics.intervals import Interval, delong
from asdkit.metrics.roc import MAX_FPR, auc, pauc, roc_curve
from asdkit.metrics.rules import (
    DCASE2020,
    DCASE2021,
    DCASE2022,
    IdResult,
    Mean,
    ScoringRule,
    means,
    partial_means,
    rank,
    rule_for,
)

__all__ = [
    "DCASE2020",
    "DCASE2021",
    "DCASE2022",
    "MAX_FPR",
    "POOLED",
    "RESAMPLES",
    "Bootstrap",
    "Decisions",
    "IdResult",
    "Interval",
    "LabelledClip",
    "Mean",
    "ScoringRule",
    "auc",
    "count_decisions",
    "delong",
    "difference",
    "evaluate",
    "is_unreliable",
    "means",
    "partial_means",
    "pauc",
    "percentile_interval",
    "pool_ids",
    "rank",
    "resample_auc",
    "roc_curve",
    "rule_for",
]
