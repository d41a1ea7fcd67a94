"""Pixels of a result as the rows of a table: place, maps, and a column for each date of a series."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from fringefleet.errors import InputError
from fringefleet.io.grid import is_numbered
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.scene import crs_of
from fringefleet.io.writers.selected import Selected, date_names_of

Table = dict[str, NDArray[Any]]
_ROWS = 50_000  # at once
_DEGREES = ("longitude", "latitude")


@dataclass(frozen=True)
class PixelTable:
    """Pixels that have a value in one of the variables, as rows.

    Where there are numbers with a fraction among the variables, such a number counts as a value; a code alone
    does not.
    """

    selected: Selected
    names: tuple[str, ...]

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each column that has one, by its name."""
        found = {}
        for name in self.names:
            unit = str(self.selected.result[name].attrs.get("units", "1"))
            found.update(dict.fromkeys(self._columns_of(name), unit))
        return {name: unit for name, unit in found.items() if unit != "1"}

    def pieces(self, progress: Progress) -> Iterator[tuple[Table, Table]]:
        """Give columns by name, some thousand rows at once: those of the place, and of the variables.

        Raises
        ------
        InputError
            No pixel has a value.
        """
        n_row = 0
        places = _places(self.selected.result)
        for place, tile in self.selected.tiles(self.names, progress, whole_series=True):
            columns: Table = {}
            for name, data in tile.items():
                values = data.transpose(..., "y", "x").values
                rows = values.reshape(-1, math.prod(values.shape[-2:]))
                columns.update(zip(self._columns_of(str(name)), rows, strict=True))
            rows_kept = np.flatnonzero(self._has_value(tile))
            for start in range(0, len(rows_kept), _ROWS):
                chosen = rows_kept[start : start + _ROWS]
                n_row += len(chosen)
                yield places(place, chosen), {name: values[chosen] for name, values in columns.items()}
        if not n_row:
            raise InputError(
                f"found no pixel with a value of {', '.join(self.names)}. Choose other variables or dates."
            )

    def _columns_of(self, name: str) -> list[str]:
        if "date" not in self.selected.result[name].dims:
            return [name]
        return [f"{name}_{date}" for date in date_names_of(self.selected.result)]

    def _has_value(self, tile: xr.Dataset) -> NDArray[np.bool_]:
        """Return which pixels of a tile have a value, (pixel)."""
        fractions = [data for data in tile.values() if data.dtype.kind == "f"]
        found = np.zeros(tile.sizes["y"] * tile.sizes["x"], bool)
        for data in fractions or tile.values():
            values = data.transpose(..., "y", "x").values
            no_data = self.selected.no_data(str(data.name))
            known = np.isfinite(values) if fractions else values != (-1 if no_data is None else no_data)
            found |= known.reshape(-1, found.size).any(0)
        return found


def _places(result: xr.Dataset) -> Callable[[Mapping[str, slice], NDArray[np.intp]], Table]:
    """Give a function that makes the columns of the place of pixels, by the place of their tile."""
    y, x = (result[dim].values if dim in result.coords else np.arange(result.sizes[dim]) for dim in "yx")
    names, to_degrees = _names_of_place(result)

    def columns(place: Mapping[str, slice], pixels: NDArray[np.intp]) -> Table:
        rows, row_columns = y[place["y"]], x[place["x"]]
        i, j = np.divmod(pixels, len(row_columns))
        found = dict(zip(names, (row_columns[j], rows[i]), strict=True))
        if to_degrees is not None:
            degrees = to_degrees.transform(row_columns[j], rows[i])
            found |= dict(zip(_DEGREES, degrees, strict=True))
        return found

    return columns


def _names_of_place(result: xr.Dataset) -> tuple[Sequence[str], Transformer | None]:
    """Name the columns of x and y, and find what makes degrees of them, where they are none."""
    if any(is_numbered(result, dim) for dim in "yx"):
        return ("column", "row"), None
    crs = crs_of(result)
    if crs is None or crs.is_geographic:
        is_degrees = crs is not None or str(result["y"].attrs.get("units", "")).startswith("degree")
        return (_DEGREES if is_degrees else ("x", "y")), None
    return ("x", "y"), Transformer.from_crs(crs, 4326, always_xy=True)
