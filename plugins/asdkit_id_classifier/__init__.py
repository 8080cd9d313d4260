"""Which machine id made this sound: its networks, trained on nothing but normal recordings."""

from asdkit.api import Entry, hookimpl
from asdkit_id_classifier.config import IdClassifierConfig


@hookimpl
def asdkit_detectors() -> list[Entry]:
    """Register the detector ``id-classifier``."""
    return [
        Entry(
            "id-classifier",
            IdClassifierConfig,
            "asdkit_id_classifier.detector:IdClassifier",
            summary="Self-supervised classification of ids: MobileNetV2 or ResNet-50, cross-entropy or ArcFace.",
            defaults={"frames": 32, "hop": 8},
            api_version=2,
        )
    ]
