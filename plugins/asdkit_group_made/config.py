"""Options of ``group-made``."""

from __future__ import annotations

from typing import Annotated, Literal

from asdkit.api import Field, JobOutline, NetworkConfig

Group = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Order = Literal["middle", "causal", "reverse"] | Annotated[list[Group], Field(min_length=1)]


class GroupMadeConfig(NetworkConfig):
    """Group MADE of Giri et al. 2020; what the report leaves open is this project's."""

    order: Order = Field(
        "middle",
        description='groups of frames, each given those before it: "middle" (the middle frame given the others), '
        '"causal", "reverse", or by hand, such as [[0, 1, 3, 4], [2]]',
    )
    likelihood: Literal["conditional", "joint"] | None = Field(
        None,
        description='what is scored and trained: the last group given the rest ("conditional", the default for '
        '"middle"), or all groups ("joint", the default for the others)',
    )
    components: int = Field(10, ge=1, le=1000, description="Gaussians a bin (10: the report; 1: a Gaussian head)")
    hidden: list[Annotated[int, Field(ge=1)]] = Field(
        [128, 128, 128], min_length=1, description="units of the hidden layers, all groups together"
    )
    centre: Literal["machine", "id"] = Field(
        "id", description="what a band is taken about: its mean over the training frames of the machine, or of the id"
    )
    outliers: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share of bins that may be anything when scoring, so that none adds more than "
        "-log(outliers / 20) nats (0: the report's likelihood)",
    )
    epochs: int = Field(15, ge=1, description="passes over the training clips")
    least_batches: int = Field(12, ge=1, description="batches that an epoch has at least, of small sets too")

    @property
    def terms(self) -> Literal["conditional", "joint"]:
        """The likelihood to use, stated or by default."""
        return self.likelihood or ("conditional" if self.order == "middle" else "joint")

    def groups(self, frames: int) -> list[list[int]]:
        """Frames of each group, in order."""
        if self.order == "middle":
            middle = frames // 2
            return [[frame for frame in range(frames) if frame != middle], [middle]]
        if self.order == "causal":
            return [[frame] for frame in range(frames)]
        if self.order == "reverse":
            return [[frame] for frame in reversed(range(frames))]
        return [list(group) for group in self.order]

    def problems(self, job: JobOutline) -> list[str]:
        """The order must fit the frames."""
        found = super().problems(job)
        if not isinstance(job.frames, int):
            return found
        if self.order == "middle" and (job.frames < 3 or job.frames % 2 == 0):
            found.append(f'order: "middle" needs an odd number of frames from 3 on, not {job.frames}')
            return found
        groups = self.groups(job.frames)
        if sorted(frame for group in groups for frame in group) != list(range(job.frames)):
            found.append(f"order: must name each of the frames 0 to {job.frames - 1} once, not {groups}")
        elif len(groups) < 2 and self.terms == "conditional":
            found.append('likelihood: "conditional" needs at least two groups; use "joint"')
        elif len(groups) > 2 and min(self.hidden) < len(groups) - 1 and self.terms == "joint":
            found.append(f"hidden: {len(groups)} groups need layers of at least {len(groups) - 1} units")
        return found
