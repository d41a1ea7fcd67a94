"""What goes into the inversion of a block, and what comes out: plain values and NumPy arrays."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Integer, UInt8
from numpy.typing import NDArray

from fringefleet.network import Network


@dataclass(frozen=True)
class Scene:
    """What all blocks of a scene share; plain values, a few kilobytes.

    ``reference_date`` is an index into the dates of ``network``; ``reference_phase`` the phase of each pair
    at the reference point [rad]; ``wavelength`` [m]; ``looks`` 0 where the weights need none. For a DEM
    error, ``baseline``: the perpendicular baseline of each date [m], and ``range_sine``: the slant range
    times the sine of the incidence angle [m], where blocks do not bring their own.
    """

    network: Network
    reference_date: int
    reference_phase: tuple[float, ...]
    wavelength: float
    looks: int
    baseline: tuple[float, ...] = ()
    range_sine: float = np.nan


class Block(NamedTuple):
    """The observations of some pixels; what is not needed is None."""

    phase: Float32[np.ndarray, "pair y x"]  # [rad]
    coherence: Float[np.ndarray, "pair y x"] | None = None
    connected_component: Integer[np.ndarray, "pair y x"] | Float[np.ndarray, "pair y x"] | None = None
    water_mask: Bool[np.ndarray, "y x"] | None = None  # True: invert
    range_sine: Float[np.ndarray, "y x"] | None = None  # [m]
    reference_point: tuple[int, int] | None = None  # row and column in the block, if it is inside


class FlatBlock(NamedTuple):
    """The arrays of a block as (pair, pixel), its maps as (1, pixel)."""

    phase: NDArray[np.float32]
    coherence: NDArray[Any] | None
    connected_component: NDArray[Any] | None
    water_mask: NDArray[np.bool_] | None
    range_sine: NDArray[Any] | None


class Series(NamedTuple):
    """The answer for the pixels of a block, by the names of the result's variables; None if not wanted.

    ``pair_sums``: sums over the pixels that have an answer, in the order of
    :data:`fringefleet.provenance.PAIR_SUMS`.
    """

    displacement: Float32[np.ndarray, "date y x"]  # [m]
    temporal_coherence: Float32[np.ndarray, "y x"]
    residual_rms: Float32[np.ndarray, "y x"]  # [rad]
    pair_count: NDArray[np.uint32]
    n_components: NDArray[np.uint8]
    status: NDArray[np.uint8]
    bridged: UInt8[np.ndarray, "date y x"]
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
