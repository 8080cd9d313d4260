"""Options of ``id-classifier``."""

from typing import ClassVar, Literal, NamedTuple

from asdkit.api import Cost, Field, JobOutline, JobSize, NetworkConfig, Scale


class _Backbone(NamedTuple):
    """Size of a backbone without its head; `activations` and `operations` are those of a bin of the window."""

    weights: int
    features: int
    activations: int
    operations: int
    speed: float  # operations a second, in those of a product of matrices


# From torch's counters of operations and of tensors kept for the gradient; a test counts again. Filters of single
# channels, most of MobileNetV2, move memory and multiply little.
_BACKBONES = {
    "mobilenet-v2": _Backbone(687_392, 1280, 215, 3_677, 0.35),
    "resnet-50": _Backbone(23_501_760, 2048, 425, 159_776, 1.0),
}
_DIRECTIONS = 64  # of distances
PROBE = 3
"""Part of the epochs that the network is trained for which is judged on clips left out (``score = "layers"``)."""


class IdClassifierConfig(NetworkConfig):
    """The classifiers of Giri et al. 2020, section 2.2.

    Windows have 32 frames by default, chosen on the tuning recordings (docs/results.md); the report's have 64.
    """

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")

    backbone: Literal["mobilenet-v2", "resnet-50"] = Field(
        "mobilenet-v2", description="MobileNetV2 of width 0.5 (the report's Table 2) or ResNet-50, one input channel"
    )
    loss: Literal["cross-entropy", "arcface"] = Field(
        "cross-entropy", description="soft targets: KL divergence; arcface: additive angular margin (Deng et al. 2019)"
    )
    margin: float = Field(0.5, ge=0, lt=3.15, description="arcface: angle added to the target's, radians (0.5: paper)")
    scale: float = Field(30.0, gt=0, description="arcface: norm of the features (30: STgram-MFN; the paper has 64)")
    score: Literal["layers", "negative-softmax", "negative-log", "mahalanobis"] = Field(
        "layers",
        description="minus the softmax at the clip's own id (the report), minus its logarithm, or the log of the "
        "Mahalanobis distance of the window's features from those of the id's training windows (Lee et al. 2018); "
        "layers: the mean of that of the first layer and that of the last, which counts less the less the network "
        "tells the ids apart",
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

    def cost(self, size: JobSize) -> Cost:
        """The backbone, a head of all classes, and in scoring what the score compares each class with."""
        backbone, bins = _BACKBONES[self.backbone], size.frames * size.bands
        by_distance = self.score in ("mahalanobis", "layers")
        compared = _DIRECTIONS if by_distance else 4 * size.classes
        cost = self.network_cost(
            size,
            weights={"backbone": backbone.weights, "augmenters": backbone.features * size.classes},
            activations=backbone.activations * bins + 4 * size.classes,
            operations=backbone.operations / backbone.speed * bins + 2 * backbone.features * size.classes,
        )
        scoring = 4.0 * min(self.batch_size, size.scored) * size.classes * compared
        exact = 8.0 * backbone.features * (3 * backbone.features + 2 * size.classes)  # covariance in double precision
        more = scoring + (exact if by_distance else 0)
        memory = {**cost.memory, "augmenters": cost.memory["augmenters"] + more}
        trained = cost.operations * (1 + 1 / PROBE if self.score == "layers" else 1)
        return Cost(memory, trained + 2.0 * size.scored * size.classes * compared)
