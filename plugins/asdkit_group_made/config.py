"""Options of ``group-made``."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from asdkit.api import Cost, Field, JobOutline, JobSize, NetworkConfig

_MIXTURE = 150  # operations in the time that a component of a bin takes: exponentials, and the gradient besides

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
    direct: bool = Field(
        False,
        description="linear connections from the frames given to the means as well (MADE's direct connections): for "
        "faults of modulation; a steady fault, which the frames given show too, is then predicted and not found",
    )
    centre: Literal["machine", "id"] = Field(
        "id", description="what a band is taken about: its mean over the training frames of the machine, or of the id"
    )
    level: Literal["keep", "window"] = Field(
        "window", description="whether a window's level counts (its mean over frames and bands, dB), or is subtracted"
    )
    outliers: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of bins that may be anything when scoring, so that none adds more than "
        "-log(outliers / 20) nats (0: the report's likelihood; 0.2: where many healthy recordings have odd bins)",
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
        groups, _, _ = self._shape(job.frames)
        if not isinstance(self.order, str) and not self._names_each_of(job.frames):
            found.append(f"order: must name each of the frames 0 to {job.frames - 1} once, not {self.order}")
        elif groups < 2 and self.terms == "conditional":
            found.append('likelihood: "conditional" needs at least two groups; use "joint"')
        elif groups > 2 and min(self.hidden) < groups - 1 and self.terms == "joint":
            found.append(f"hidden: {groups} groups need layers of at least {groups - 1} units")
        return found

    def cost(self, size: JobSize) -> Cost:
        """Layers of blocks: of several predicted groups, about half of all connections are kept."""
        groups, first, last = self._shape(size.frames)
        predicted = groups - 1 if self.terms == "joint" else 1
        kept = (predicted + 1) / (2 * max(1, predicted))
        known = (size.frames - last) * size.bands if groups > 1 else 0
        given = (size.frames - first if self.terms == "joint" else last) * size.bands if groups > 1 else 0
        scored = given + (first * size.bands if self.terms == "joint" else 0)
        mixture = 3 * self.components
        inside = known * self.hidden[0] + sum(before * after for before, after in pairwise(self.hidden))
        weights = {
            "hidden": kept * (inside + self.hidden[-1] * mixture * given),
            "order": kept * known * given * self.direct + mixture * (scored - given),
        }
        # The mixtures' parameters, in both precisions, and their gradient.
        activations = known + 3 * sum(self.hidden) + 2 * mixture * scored + 4 * scored
        operations = 2 * sum(weights.values()) + _MIXTURE * self.components * scored
        return self.network_cost(size, weights=weights, activations=activations, operations=operations)

    def _names_each_of(self, frames: int) -> bool:
        """Whether an order by hand names each of so many frames once."""
        named = sorted(frame for group in self.order for frame in group)
        return len(named) == frames and named == list(range(frames))

    def _shape(self, frames: int) -> tuple[int, int, int]:
        """Return the number of `groups`, and the frames of the first and of the last, without making them."""
        if self.order == "middle":
            return 2, frames - 1, 1
        if isinstance(self.order, str):
            return frames, 1, 1
        return len(self.order), len(self.order[0]), len(self.order[-1])
