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
    """What all blocks of a scene share; plain values, a few kilobytes.

    ``reference_date`` is an index into the dates of ``network``; ``reference_values`` what each pair observes
    at the reference point [rad, or pixel of an offset]; ``wavelength`` [m], NaN where offsets are inverted;
    ``looks`` 0 where the weights need none. For a DEM error, ``baseline``: the perpendicular baseline of each
    date [m], and ``range_sine``: the slant range times the sine of the incidence angle [m], where blocks do
    not bring their own. ``metres_per_pixel``: of an offset, signed; None for a phase. ``medians``: of the
    unmasked observations of each pair, for the masks that spare large offsets. ``seconds_of_day``: of all
    acquisitions, where the dates have no time.
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
        """Displacement [m] of one unit of the observation, signed."""
        if self.metres_per_pixel is not None:
            return self.metres_per_pixel
        return metres_per_radian(self.wavelength)


class Block(NamedTuple):
    """The observations of some pixels; what is not needed is None."""

    observed: Float32[np.ndarray, "pair y x"]  # [rad], or [pixel] of an offset
    coherence: Float[np.ndarray, "pair y x"] | None = None
    mask_values: Integer[np.ndarray, "pair y x"] | Float[np.ndarray, "pair y x"] | None = None
    water_mask: Bool[np.ndarray, "y x"] | None = None  # True: invert
    range_sine: Float[np.ndarray, "y x"] | None = None  # [m]
    observed_std: Float[np.ndarray, "pair y x"] | None = None  # [pixel]
    reference_point: tuple[int, int] | None = None  # row and column in the block, if it is inside


class FlatBlock(NamedTuple):
    """The arrays of a block as (pair, pixel), its maps as (1, pixel)."""

    observed: NDArray[np.float32]
    coherence: NDArray[Any] | None
    mask_values: NDArray[Any] | None
    water_mask: NDArray[np.bool_] | None
    range_sine: NDArray[Any] | None
    observed_std: NDArray[Any] | None


@dataclass(frozen=True)
class BlockResult:
    """Variables of the result for the pixels of a block; each is an attribute, too.

    Attributes
    ----------
    variables
        Arrays (..., y, x) by name; their dtypes, dimensions and units are those of
        :mod:`fringefleet.products.registry`.
    pair_sums
        Sums over the pixels that have an answer, in the order of
        :data:`fringefleet.products.pair_sums.PAIR_SUMS`; None if they are not wanted.
    """

    variables: Mapping[str, NDArray[Any]]
    pair_sums: Float64[np.ndarray, "3 pair"] | None = None

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Give a variable."""
        found: Mapping[str, NDArray[Any]] = self.__dict__.get("variables", {})
        if name not in found:
            raise AttributeError(f"found no variable {name} in a block of {', '.join(found) or 'nothing'}")
        return found[name]
