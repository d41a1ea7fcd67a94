"""Misfit of each pair to the series: sums of every tile, and one table when all tiles are done."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from fringefleet.arguments.shapes import Shape
from fringefleet.io.zarr.arrays import array_in
from fringefleet.network.network import date_name

SUMS = "diagnosis/pair_sums"  # (tile_y, tile_x, sum, pair): a chunk of its own for each tile
RESIDUAL_RMS, _CYCLE_SHARE, _PAIR_PIXELS = "pair_residual_rms", "pair_cycle_share", "pair_pixel_count"


@dataclass(frozen=True)
class BadPair:
    """A pair and how badly it is explained."""

    name: str  # its two dates
    residual_rms: float  # [rad]
    cycle_share: float  # of its pixels whose residual is beyond pi
    n_pixel: int


def pair_table(network_coordinates: xr.Dataset) -> xr.Dataset:
    """Make the table without numbers, for the pairs of a stack."""
    n_pair = network_coordinates.sizes["pair"]
    variables = {
        RESIDUAL_RMS: {"units": "rad", "long_name": "root mean square of the residual of each pair"},
        _CYCLE_SHARE: {
            "units": "1",
            "long_name": "share of the pixels of each pair that are off by more than pi",
        },
        _PAIR_PIXELS: {"units": "1", "long_name": "pixels where the pair is used"},
    }
    dates = {
        name: ("pair", network_coordinates[name].values.astype("datetime64[ns]"))
        for name in ("reference_date", "secondary_date")
    }
    empty = {name: ("pair", np.full(n_pair, np.nan), attrs) for name, attrs in variables.items()}
    return xr.Dataset(empty, coords=dates)


def create_sums(group: zarr.Group, n_tile: tuple[int, ...], shape: Shape) -> None:
    """Make room for the sums of every tile, (sum, pair)."""
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
    """Add the tiles up and write the table."""
    sums = array_in(group, SUMS)
    total = np.zeros(sums.shape[2:])
    for row in range(sums.shape[0]):  # a row of tiles at a time: bounded memory
        total += np.asarray(sums[row]).sum(0)
    n_pixel, square, cycles = total
    counted = np.where(n_pixel > 0, n_pixel, np.nan)
    array_in(group, RESIDUAL_RMS)[:] = np.sqrt(square / counted)
    array_in(group, _CYCLE_SHARE)[:] = cycles / counted
    array_in(group, _PAIR_PIXELS)[:] = n_pixel


def worst_pairs(result: xr.Dataset, at_most: int) -> list[BadPair]:
    """Find the pairs of a result that are explained worst, the worst first; none if nobody asked for them.

    In order of the share of their pixels that are off by more than pi, then of their residual.
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
