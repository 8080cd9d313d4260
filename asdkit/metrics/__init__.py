"""How well scores separate normal from anomalous clips, and how sure that is. The only place test labels reach."""

from asdkit.metrics.bootstrap import RESAMPLES, Bootstrap, difference, interval_of, is_shaky, resample
from asdkit.metrics.evaluation import POOLED, Decisions, Labelled, evaluate, judge, pool_ids
from asdkit.metrics.intervals import Interval, delong
from asdkit.metrics.roc import MAX_FPR, auc, pauc, roc_curve
from asdkit.metrics.rules import DCASE2020, DCASE2021, DCASE2022, IdResult, Mean, ScoringRule, means, rank, rule_for

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
    "Labelled",
    "Mean",
    "ScoringRule",
    "auc",
    "delong",
    "difference",
    "evaluate",
    "interval_of",
    "is_shaky",
    "judge",
    "means",
    "pauc",
    "pool_ids",
    "rank",
    "resample",
    "roc_curve",
    "rule_for",
]
