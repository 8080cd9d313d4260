"""Classical detectors: statistics of clips or windows, and their distance from those of healthy ones."""

from asdkit.api import Entry, hookimpl
from asdkit_statistics.config import GmmConfig, KnnConfig, MahalanobisConfig, PcaConfig

_WHOLE_CLIPS = {"frames": "clip"}


@hookimpl
def asdkit_detectors() -> list[Entry]:
    """Register ``knn``, ``mahalanobis``, ``pca`` and ``gmm``."""
    return [
        Entry(
            "knn",
            KnnConfig,
            "asdkit_statistics.knn:Knn",
            summary="Distance of a clip's statistics to the nearest training clips'.",
            defaults=_WHOLE_CLIPS,
            api_version=2,
        ),
        Entry(
            "mahalanobis",
            MahalanobisConfig,
            "asdkit_statistics.mahalanobis:Mahalanobis",
            summary="Mahalanobis distance of a clip's statistics, Ledoit-Wolf shrinkage.",
            defaults=_WHOLE_CLIPS,
            api_version=2,
        ),
        Entry(
            "pca",
            PcaConfig,
            "asdkit_statistics.pca:Pca",
            summary="Distance of a clip's statistics from the training clips' principal components.",
            defaults=_WHOLE_CLIPS,
            api_version=2,
        ),
        Entry(
            "gmm",
            GmmConfig,
            "asdkit_statistics.gmm:Gmm",
            summary="Negative log-likelihood of a clip's statistics by a Gaussian mixture.",
            defaults=_WHOLE_CLIPS,
            api_version=2,
        ),
    ]
