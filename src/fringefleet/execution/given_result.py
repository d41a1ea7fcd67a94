"""Results as functions take them: a Dataset, or the path of a store."""

from pathlib import Path

import xarray as xr

from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.arguments.shapes import Shape
from fringefleet.execution import graph
from fringefleet.io.chunking import fit_tile
from fringefleet.io.describe import check_finished
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.result_kind import SERIES, check_series

_LARGEST_TILE = 512 * 512  # [pixel], where nothing says how the result is stored


def series_of(result: xr.Dataset | Path | str, purpose: str) -> xr.Dataset:
    """Take a result with series; one that is given by its path is opened lazily, in the chunks it has.

    Parameters
    ----------
    result
        A Dataset, or the path of a store.
    purpose
        Whatever needs the series, for the message.

    Raises
    ------
    InputError
        One of its children: there is no such result, it is not finished, or it has no series.
    """
    check_kind("result", result, xr.Dataset, *PATH)
    if isinstance(result, xr.Dataset):
        check_series(result, purpose)
        return result
    path = Path(result)
    found = open_result(path)
    check_series(found, purpose)
    check_finished(path)
    return graph.chunk(found, tile_of(found))


def tile_of(result: xr.Dataset) -> Shape:
    """Take the chunks of the series of a result, as they are stored or as Dask has them."""
    series = result[SERIES]
    shape = (series.sizes["y"], series.sizes["x"])
    if series.chunks:
        return max(series.chunksizes["y"]), max(series.chunksizes["x"])
    stored = series.encoding.get("preferred_chunks")
    if stored:
        return min(stored["y"], shape[0]), min(stored["x"], shape[1])
    return fit_tile(shape, None, _LARGEST_TILE)
