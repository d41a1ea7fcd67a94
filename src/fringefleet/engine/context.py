"""Input and output of the inversion of a block: plain values and NumPy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Integer
from numpy.typing import NDArray

from fringefleet.network.network import Network, with_time_of_day
from fringefleet.observation.units import metres_per_radian


@dataclass(frozen=True)
class InversionContext:
    """Context shared by all blocks of a scene; plain values, a few kilobytes.

    Attributes
    ----------
    network
        Dates and pairs.
    reference_date
        Index into the dates of ``network``.
    reference_values
        Observation of each pair at the reference point [rad, or pixel of an offset].
    wavelength
        Radar wavelength [m]; NaN where offsets are inverted.
    looks
        Number of looks; 0 where the weights need none.
    baseline
        For a DEM error: perpendicular baseline of each date [m].
    range_sine
        For a DEM error: slant range times the sine of the incidence angle [m], where blocks have none of
        their own.
    metres_per_pixel
        Metres per pixel of an offset, signed; None for a phase.
    medians
        Median of the unmasked observations of each pair, for masks that spare large offsets.
    seconds_of_day
        Time of all acquisitions, where the dates have none [s].
    """

    network: Network
    reference_date: int
    reference_values: tuple[float, ...]
    wavelength: float
    looks: int
    baseline: tuple[float, ...] = ()
    range_sine: float = np.nan
    metres_per_pixel: float | None = None
    medians: tuple[float, ...] = ()
    seconds_of_day: int = 0

    @property
    def moments(self) -> tuple[str, ...]:
        """Dates of the network, ISO, with the time of day as far as it is known."""
        return with_time_of_day(self.network.dates, self.seconds_of_day)

    @property
    def metres_per_unit(self) -> float:
        """Displacement per unit of the observation [m], signed."""
        if self.metres_per_pixel is not None:
            return self.metres_per_pixel
        return metres_per_radian(self.wavelength)


class Block(NamedTuple):
    """Observations of some pixels; arrays that are not needed are None."""

    observed: Float32[np.ndarray, "pair y x"]  # [rad], or [pixel] of an offset
    coherence: Float[np.ndarray, "pair y x"] | None = None
    mask_values: Integer[np.ndarray, "pair y x"] | Float[np.ndarray, "pair y x"] | None = None
    water_mask: Bool[np.ndarray, "y x"] | None = None  # True: invert
    range_sine: Float[np.ndarray, "y x"] | None = None  # [m]
    observed_std: Float[np.ndarray, "pair y x"] | None = None  # [pixel]
    reference_point: tuple[int, int] | None = None  # row and column in the block, if it is inside


class FlatBlock(NamedTuple):
    """Arrays of a block as (pair, pixel), its maps as (1, pixel)."""

    observed: NDArray[np.float32]
    coherence: NDArray[Any] | None
    mask_values: NDArray[Any] | None
    water_mask: NDArray[np.bool_] | None
    range_sine: NDArray[Any] | None
    observed_std: NDArray[Any] | None

    def some(self, pixels: Any) -> "FlatBlock":
        """Return some of the pixels, by a slice or by their numbers."""
        return FlatBlock._make(None if values is None else values[:, pixels] for values in self)


@dataclass(frozen=True)
class BlockResult:
    """Variables of the result for the pixels of a block, also accessible as attributes.

    Attributes
    ----------
    variables
        Arrays (..., y, x) by name; their dtypes, dimensions and units are those of
        :mod:`fringefleet.products.registry`.
    pair_sums
        Sums over the pixels with an estimate, in the order of
        :data:`fringefleet.products.pair_sums.PAIR_SUMS`; None if not requested.
    """

    variables: Mapping[str, NDArray[Any]]
    pair_sums: Float64[np.ndarray, "3 pair"] | None = None

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Return a variable."""
        found: Mapping[str, NDArray[Any]] = self.__dict__.get("variables", {})
        if name not in found:
            raise AttributeError(f"found no variable {name} in a block of {', '.join(found) or 'nothing'}")
        return found[name]
