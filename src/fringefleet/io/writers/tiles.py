"""Tiles of a result for writers: each read or computed once, with progress and a count of the statuses."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.writers.base import Progress, no_progress
from fringefleet.products.answers import named_counts
from fringefleet.status import Status

_DEFAULT_TILE = 512  # pixels per side, where the storage of the result is unknown


class TileChange(NamedTuple):
    """A change of every tile: ``make`` makes it, of a tile that has the maps of ``also`` besides."""

    make: Callable[[xr.Dataset], xr.Dataset]
    also: Sequence[str] = ()


NO_CHANGE = TileChange(lambda tile: tile)


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
    change
        Applied to every tile before it is used.
    whole_series
        Whether a tile has all dates, however they are stored.
    """

    def __init__(
        self,
        result: xr.Dataset,
        names: Sequence[str],
        progress: Progress = no_progress,
        *,
        change: TileChange = NO_CHANGE,
        whole_series: bool = False,
    ) -> None:
        self._result, self._names, self._progress = result, list(names), progress
        self._change = change
        self._counts = np.zeros(len(Status), np.int64)
        largest = max(self._names, key=lambda name: result[name].ndim)
        cuts = [_cuts(result[largest], dim) for dim in ("y", "x", "date")]
        if whole_series:
            cuts[2] = [slice(0, cuts[2][-1].stop)]
        self.places = [
            {"y": y, "x": x, "date": date, "date2": slice(None)} for y, x, date in itertools.product(*cuts)
        ]

    @property
    def n_byte(self) -> int:
        """Bytes of the largest tile, which is the first."""
        sides = {dim: place.stop for dim, place in self.places[0].items() if place.stop is not None}
        variables = [self._result[name] for name in self._names]
        return sum(
            data.dtype.itemsize * math.prod(sides.get(str(dim), size) for dim, size in data.sizes.items())
            for data in variables
        )

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[tuple[dict[str, slice], xr.Dataset]]:
        """Yield the position of a tile, by dimension, and its variables, in memory.

        Raises
        ------
        StackFormatError
            Its status is invalid.
        """
        result = self._result
        for n_done, place in enumerate(self.places, start=1):
            is_first = place["date"].start == 0
            names = [name for name in self._names if "date" in result[name].dims or is_first]
            status = ["status"] if "status" in result and is_first else []
            plain = result[list(dict.fromkeys([*names, *status, *self._change.also]))]
            tile = plain.reset_coords(drop=True).isel(place, missing_dims="ignore").compute()
            if status:
                self._count(tile["status"])
            yield place, self._change.make(tile)[names]
            self._progress(n_done, len(self))

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
