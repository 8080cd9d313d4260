"""Classical detectors: simple statistics of clips or windows, and how far they lie from normal ones."""

from asdkit.api import Entry, hookimpl
from asdkit_statistics.config import GmmConfig, KnnConfig, MahalanobisConfig

_WHOLE_CLIPS = {"frames": "clip"}


@hookimpl
def asdkit_detectors() -> list[Entry]:
    """Register ``knn``, ``mahalanobis`` and ``gmm``."""
    return [
        Entry(
            "knn",
            KnnConfig,
            "asdkit_statistics.knn:Knn",
            summary="Distance of a clip's log-mel statistics to the nearest training clips'.",
            defaults=_WHOLE_CLIPS,
        ),
        Entry(
            "mahalanobis",
            MahalanobisConfig,
            "asdkit_statistics.mahalanobis:Mahalanobis",
            summary="Mahalanobis distance of a clip's log-mel statistics, Ledoit-Wolf shrinkage.",
            defaults=_WHOLE_CLIPS,
        ),
        Entry(
            "gmm",
            GmmConfig,
            "asdkit_statistics.gmm:Gmm",
            summary="Negative log-likelihood of a clip's log-mel statistics by a Gaussian mixture.",
            defaults=_WHOLE_CLIPS,
        ),
    ]
