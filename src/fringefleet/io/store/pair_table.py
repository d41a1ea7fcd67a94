"""Table of the misfit of each pair: sums of every tile, and one table when all tiles are done."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from fringefleet.arguments.shapes import Shape
from fringefleet.io.zarr.arrays import array_in
from fringefleet.network.network import date_name

SUMS = "diagnosis/pair_sums"  # (tile_y, tile_x, sum, pair): one chunk per tile
RESIDUAL_RMS, _CYCLE_SHARE, _PAIR_PIXELS = "pair_residual_rms", "pair_cycle_share", "pair_pixel_count"


@dataclass(frozen=True)
class BadPair:
    """Pair and its misfit."""

    name: str  # its two dates
    residual_rms: float  # [rad]
    cycle_share: float  # share of its pixels with a residual beyond pi
    n_pixel: int


def pair_table(network_coordinates: xr.Dataset) -> xr.Dataset:
    """Return the table without values, for the pairs of a stack."""
    n_pair = network_coordinates.sizes["pair"]
    variables = {
        RESIDUAL_RMS: {"units": "rad", "long_name": "root mean square residual of each pair"},
        _CYCLE_SHARE: {
            "units": "1",
            "long_name": "share of the pixels of each pair with a residual beyond pi",
        },
        _PAIR_PIXELS: {"units": "1", "long_name": "number of pixels where the pair is used"},
    }
    dates = {
        name: ("pair", network_coordinates[name].values.astype("datetime64[ns]"))
        for name in ("reference_date", "secondary_date")
    }
    empty = {name: ("pair", np.full(n_pair, np.nan), attrs) for name, attrs in variables.items()}
    return xr.Dataset(empty, coords=dates)


def create_sums(group: zarr.Group, n_tile: tuple[int, ...], shape: Shape) -> None:
    """Create the array for the sums of every tile, (sum, pair)."""
    sums = group.create_array(
        SUMS,
        shape=(*n_tile, *shape),
        chunks=(1, 1, *shape),
        dtype="f8",
        fill_value=0,
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
        dimension_names=("tile_y", "tile_x", "sum", "pair"),
    )
    sums.attrs["long_name"] = (
        "number of pixels, sum of squared residuals [rad2], number of residuals beyond pi"
    )


def fill_table(group: zarr.Group) -> None:
    """Add up the tiles and write the table."""
    sums = array_in(group, SUMS)
    total = np.zeros(sums.shape[2:])
    for row in range(sums.shape[0]):  # one row of tiles at a time, to bound memory
        total += np.asarray(sums[row]).sum(0)
    n_pixel, square, cycles = total
    counted = np.where(n_pixel > 0, n_pixel, np.nan)
    array_in(group, RESIDUAL_RMS)[:] = np.sqrt(square / counted)
    array_in(group, _CYCLE_SHARE)[:] = cycles / counted
    array_in(group, _PAIR_PIXELS)[:] = n_pixel


def worst_pairs(result: xr.Dataset, at_most: int) -> list[BadPair]:
    """Find the pairs of a result with the largest misfit, the worst first; none if not requested.

    Sorted by the share of their pixels with a residual beyond pi, then by their residual.
    """
    if RESIDUAL_RMS not in result:
        return []
    rms, share, n_pixel = (np.asarray(result[name]) for name in (RESIDUAL_RMS, _CYCLE_SHARE, _PAIR_PIXELS))
    order = np.lexsort((-np.nan_to_num(rms), -np.nan_to_num(share)))
    known = [int(pair) for pair in order if np.isfinite(rms[pair])]
    names = _names(result)
    return [
        BadPair(names[pair], float(rms[pair]), float(share[pair]), int(n_pixel[pair]))
        for pair in known[:at_most]
    ]


def _names(result: xr.Dataset) -> list[str]:
    dates: list[NDArray[np.str_]] = [
        result[name].values.astype("datetime64[s]").astype(str)
        for name in ("reference_date", "secondary_date")
    ]
    return [f"{date_name(one)}_{date_name(other)}" for one, other in zip(*dates, strict=True)]
