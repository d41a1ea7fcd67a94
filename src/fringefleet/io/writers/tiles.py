"""Tiles of a result for writers: each read or computed once, with progress and a count of the statuses."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.writers.base import Progress
from fringefleet.products.answers import named_counts
from fringefleet.status import Status

_DEFAULT_TILE = 512  # pixels per side, where the storage of the result is unknown


class ResultTiles:
    """Tiles of a result, for a single iteration.

    A tile has as many dates as are stored together; maps are in the first dates of a tile.

    Parameters
    ----------
    result
        Whole or a subset, lazy or not.
    names
        Variables to read.
    progress
        Called after every tile that has been used.
    """

    def __init__(self, result: xr.Dataset, names: Sequence[str], progress: Progress) -> None:
        self._result, self._names, self._progress = result, names, progress
        self._counts = np.zeros(len(Status), np.int64)

    def __iter__(self) -> Iterator[tuple[dict[str, slice], xr.Dataset]]:
        """Yield the position of a tile, by dimension, and its variables, in memory.

        Raises
        ------
        StackFormatError
            Its status is invalid.
        """
        result = self._result
        largest = max(self._names, key=lambda name: result[name].ndim)
        tiles = list(itertools.product(*(_cuts(result[largest], dim) for dim in ("y", "x", "date"))))
        for n_done, (y, x, date) in enumerate(tiles, start=1):
            is_first = date.start == 0
            names = [name for name in self._names if "date" in result[name].dims or is_first]
            has_status = "status" in result and is_first
            plain = result[[*names, *["status"][: has_status and "status" not in names]]]
            place = {"y": y, "x": x, "date": date, "date2": slice(None)}
            tile = plain.reset_coords(drop=True).isel(place, missing_dims="ignore").compute()
            if has_status:
                self._count(tile["status"])
            yield place, tile[names]
            self._progress(n_done, len(tiles))

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of pixels with each status by name, in the tiles so far, if the result contains it."""
        return named_counts(self._counts.tolist())

    def _count(self, status: xr.DataArray) -> None:
        found = np.ravel(status.values)
        if found.max(initial=0) >= len(Status):
            raise StackFormatError(
                f"found a status of {found.max()} in tiles that are done; a chunk of it is missing or "
                "damaged. Repeat the inversion with --overwrite."
            )
        self._counts += np.bincount(found, minlength=len(Status))


def _cuts(variable: xr.DataArray, dim: str) -> list[slice]:
    """Cut a dimension as it is chunked or stored, so that every chunk is read or computed once."""
    if dim not in variable.dims:
        return [slice(0, 1)]
    size = variable.sizes[dim]
    if dim in variable.chunksizes:
        stops = np.cumsum(variable.chunksizes[dim]).tolist()
    else:
        stored = variable.encoding.get("preferred_chunks", {})
        # A tile of a covariance is as many tiles as there are dates: one at a time.
        dates = 1 if "date2" in variable.dims else size
        step = stored.get(dim, dates if dim == "date" else _DEFAULT_TILE)
        stops = [*range(step, size, step), size]
    return [slice(*bounds) for bounds in itertools.pairwise([0, *stops])]
