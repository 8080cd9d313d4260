"""Options of the augmenters (Giri et al. 2020, section 2.2.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from asdkit.api import AugmenterConfig, Field, Scale


class MixConfig(AugmenterConfig):
    """Random convex combinations of windows of two ids, with the proportions as targets."""

    soft_targets: ClassVar[bool] = True

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")

    def scale_problem(self, scale: Scale) -> str:
        """Linear numbers are blended as they are."""
        return 'with domain = "power" accepts only db or power' if (scale, self.domain) == ("linear", "power") else ""

    domain: Literal["log", "power"] = Field("log", description="blend decibels, or powers (both in the report)")
    alpha: float = Field(1.0, gt=0, description="shares are drawn from Beta(alpha, alpha); 1: uniform")


class WarpConfig(AugmenterConfig):
    """Polynomial warping of the window as an image; each variant is a new class for each id."""

    variants: int = Field(1, ge=1, le=100, description="how many new classes of each id")
    degree: int = Field(2, ge=1, le=5, description="degree of the polynomial in time and frequency together")
    range: float = Field(
        0.3, ge=0, le=0.5, description="largest displacement, as a share of the window's length in time and frequency"
    )

    @property
    def variant_names(self) -> tuple[str, ...]:
        """``"0"``, ``"1"`` and so on."""
        return tuple(str(number) for number in range(self.variants))

    @property
    def added_length(self) -> float:
        """None: windows are warped as they are drawn."""
        return 0.0


class ResampleConfig(AugmenterConfig):
    """The wave played faster or slower; each rate is a new class for each id."""

    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")

    rates: list[Annotated[float, Field(ge=0.25, le=4)]] = Field(
        [0.8, 0.9, 1.1, 1.2],
        min_length=1,
        description="factors of speed and so of all frequencies: 1.1 is faster and higher",
    )

    @property
    def variant_names(self) -> tuple[str, ...]:
        """The rates."""
        return tuple(f"{rate:g}" for rate in self.rates)

    @property
    def added_length(self) -> float:
        """A clip played faster is shorter."""
        return sum(1 / rate for rate in self.rates)
