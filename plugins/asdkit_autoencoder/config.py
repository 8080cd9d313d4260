"""Options of ``autoencoder``."""

from typing import ClassVar, Literal

from asdkit.api import Cost, Field, JobOutline, JobSize, NetworkConfig, Scale


class AutoencoderConfig(NetworkConfig):
    """Sizes are those of the baseline of DCASE 2020 Task 2 (Koizumi et al. 2020)."""

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")

    target: Literal["all", "middle"] = Field(
        "all",
        description="frames to predict: all of them, or the middle one from the others (IDNN, Suefusa et al. 2020)",
    )
    hidden: int = Field(128, ge=1, description="units of each hidden layer")
    bottleneck: int = Field(8, ge=1, description="units of the narrowest layer")

    def problems(self, job: JobOutline) -> list[str]:
        """The middle frame must exist, and others beside it."""
        found = super().problems(job)
        if self.target == "middle" and isinstance(job.frames, int) and (job.frames < 3 or job.frames % 2 == 0):
            found.append(f'target: "middle" needs an odd number of frames from 3 on, not {job.frames}')
        return found

    def cost(self, size: JobSize) -> Cost:
        """Ten layers, eight of them of ``hidden`` units; each keeps its products, normalised and cut at 0."""
        middle = self.target == "middle"
        inside = (size.frames - middle) * size.bands
        outside = size.bands if middle else inside
        weights = {
            "hidden": (inside + outside + 6 * self.hidden) * self.hidden,
            "bottleneck": 2 * self.hidden * self.bottleneck,
        }
        activations = inside + 2 * outside + 3 * (8 * self.hidden + self.bottleneck)
        return self.network_cost(size, weights=weights, activations=activations, operations=2 * sum(weights.values()))
