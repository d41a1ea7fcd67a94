"""Input and output of the inversion of a block: plain values and NumPy arrays."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Integer, UInt8
from numpy.typing import NDArray

from fringefleet.network.network import Network
from fringefleet.observation.units import metres_per_radian


@dataclass(frozen=True)
class Scene:
    """What all blocks of a scene share; plain values, a few kilobytes.

    ``reference_date`` is an index into the dates of ``network``; ``reference_values`` what each pair observes
    at the reference point [rad, or pixel of an offset]; ``wavelength`` [m], NaN where offsets are inverted;
    ``looks`` 0 where the weights need none. For a DEM error, ``baseline``: the perpendicular baseline of each
    date [m], and ``range_sine``: the slant range times the sine of the incidence angle [m], where blocks do
    not bring their own. ``metres_per_pixel``: of an offset, signed; None for a phase. ``medians``: of the
    unmasked observations of each pair, for the masks that spare large offsets.
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


class Series(NamedTuple):
    """The answer for the pixels of a block, by the names of the result's variables; None if not wanted.

    ``pair_sums``: sums over the pixels that have an answer, in the order of
    :data:`fringefleet.products.provenance.PAIR_SUMS`.
    """

    displacement: Float32[np.ndarray, "date y x"]  # [m]
    residual_rms: Float32[np.ndarray, "y x"]  # [rad], or [pixel] of an offset
    pair_count: NDArray[np.uint32]
    n_components: NDArray[np.uint8]
    status: NDArray[np.uint8]
    gap_filled: UInt8[np.ndarray, "date y x"]
    temporal_coherence: Float32[np.ndarray, "y x"] | None = None
    displacement_std: Float32[np.ndarray, "date y x"] | None = None  # [m]
    displacement_cov: Float32[np.ndarray, "date date y x"] | None = None  # [m2]
    closure_rms: Float32[np.ndarray, "y x"] | None = None  # [rad]
    misclosed_count: NDArray[np.uint32] | None = None
    triplet_count: NDArray[np.uint32] | None = None
    dem_error: Float32[np.ndarray, "y x"] | None = None  # [m]
    dem_error_std: Float32[np.ndarray, "y x"] | None = None  # [m]
    pair_sums: Float64[np.ndarray, "3 pair"] | None = None

    def variables(self) -> dict[str, NDArray[Any]]:
        """Give the arrays (..., y, x) by name."""
        named = self._asdict()
        del named["pair_sums"]
        return {name: values for name, values in named.items() if values is not None}
