"""Options of ``autoencoder``."""

from typing import Literal

from asdkit.api import Field, JobOutline, NetworkConfig


class AutoencoderConfig(NetworkConfig):
    """Sizes are those of the baseline of DCASE 2020 Task 2 (Koizumi et al. 2020)."""

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
