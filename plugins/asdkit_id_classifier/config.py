"""Options of ``id-classifier``."""

from typing import Literal

from asdkit.api import Field, JobOutline, NetworkConfig


class IdClassifierConfig(NetworkConfig):
    """The classifiers of Giri et al. 2020, section 2.2.

    Windows have 32 frames by default, chosen on the tuning recordings (docs/results.md); the report's have 64.
    """

    backbone: Literal["mobilenet-v2", "resnet-50"] = Field(
        "mobilenet-v2", description="MobileNetV2 of width 0.5 (the report's Table 2) or ResNet-50, one input channel"
    )
    loss: Literal["cross-entropy", "arcface"] = Field(
        "cross-entropy", description="soft targets: KL divergence; arcface: additive angular margin (Deng et al. 2019)"
    )
    margin: float = Field(0.5, ge=0, lt=3.15, description="arcface: angle added to the target's, radians (0.5: paper)")
    scale: float = Field(30.0, gt=0, description="arcface: norm of the features (30: STgram-MFN; the paper has 64)")
    score: Literal["negative-softmax", "negative-log", "mahalanobis"] = Field(
        "negative-softmax",
        description="minus the softmax at the clip's own id (the report), minus its logarithm, or the log of the "
        "Mahalanobis distance of the window's features from those of the id's training windows (Lee et al. 2018)",
    )
    epochs: int = Field(15, ge=1, description="passes over the training clips")
    windows_per_clip: int = Field(8, ge=1, description="windows drawn at random from each clip in an epoch")
    least_batches: int = Field(40, ge=1, description="batches that an epoch has at least, of small sets too")
    batch_size: int = Field(64, ge=2, description="windows in a step, at most")
    learning_rate: float = Field(2e-3, gt=0, description="peak rate of AdamW")
    weight_decay: float = Field(1e-2, ge=0, description="decoupled weight decay of AdamW")

    def problems(self, job: JobOutline) -> list[str]:
        """There must be something to tell apart, and ArcFace needs one class a window."""
        found = super().problems(job)
        if job.classes is not None and job.classes < 2:
            found.append(
                "augmenters: with one id there is nothing to tell apart; add an augmenter that makes new classes, "
                'such as warp or resample, or set scope to "machine" where there are several ids'
            )
        if self.loss == "arcface" and any(augmenter.soft_targets for augmenter in job.augmenters):
            found.append('loss: "arcface" needs one class a window, but an augmenter blends classes; drop it')
        return found
