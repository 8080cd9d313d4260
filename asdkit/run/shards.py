"""A plan split without a scheduler: which jobs are a shard's, and what a shard leaves for merging."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdkit.errors import UsageError

if TYPE_CHECKING:
    from asdkit.run.plan import Job


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `of` parts of a plan."""

    index: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"2/4"``.

        Raises
        ------
        UsageError
            If it is anything else.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"no shard {text!r}; expected k/n with k from 1 to n, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @property
    def record(self) -> str:
        """Where in a run folder it says what it did."""
        return f"shards/{self.index}-of-{self.of}.json"

    def picks(self, jobs: Sequence[Job]) -> list[Job]:
        """Its share of a plan: the same on every host, equal in number, detectors and machines mixed.

        Jobs are dealt out in the order of a digest of machine and detectors, for costs follow the detector. Times of
        change, which a copy of the recordings may not keep, play no part.
        """
        dealt = sorted(jobs, key=lambda job: hashlib.sha256(job.title.encode("utf-8", "surrogateescape")).digest())
        mine = {job.key for job in dealt[self.index - 1 :: self.of]}
        return [job for job in jobs if job.key in mine]
