"""Reference point: its position in a stack, and the observation of every pair there."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import ReferencePointError
from fringefleet.io.reference_phases import (
    has_reference_phases,
    is_inside,
    point_from_attributes,
    reference_coordinate,
)
from fringefleet.io.stack import stack_network
from fringefleet.observation.quantity import PHASE, is_offset
from fringefleet.option_words import option


def locate_reference_point(stack: xr.Dataset, point: Pixel | None = None) -> Pixel:
    """Find row and column of the reference point in this Dataset.

    Parameters
    ----------
    stack
        A stack, or a part of one.
    point
        Row and column in this Dataset. None: taken from the attributes; by the coordinates
        ``reference_point_y`` and ``reference_point_x`` where known, so that a subset of a stack still finds
        it. They may be outside of a subset that has the phases of the point.

    Raises
    ------
    MissingMetadataError
        No point is given, and the attributes contain none.
    ReferencePointError
        The point is outside the scene, or the attributes are invalid.
    """
    row, column = point_from_attributes(stack) if point is None else point
    n_row, n_column = stack.sizes["y"], stack.sizes["x"]
    is_known = point is None and has_reference_phases(stack)
    if not (is_known or is_inside(stack, (row, column))):
        raise ReferencePointError(
            f"the reference point is row {row}, column {column}, outside the scene of {n_row} rows "
            f"and {n_column} columns (counted from 0); give another --reference-point Y X."
        )
    return int(row), int(column)


def read_reference_values(
    stack: xr.Dataset, point: Pixel, observation: str = PHASE, window: int = 1
) -> NDArray[np.float32]:
    """Read the observation of every pair at the reference point [rad, or pixel of an offset], shape (pair,).

    Parameters
    ----------
    stack
        Stack, of which one pixel is read.
    point
        Row and column, see :func:`locate_reference_point`.
    observation
        Name of the variable.
    window
        Rows and columns around the point, an odd number, of whose valid values the mean is taken, as far as
        they are in the scene.

    Raises
    ------
    ReferencePointError
        Some pairs have no data there: NaN, infinite or, of a phase, exactly 0.
    """
    values = _read(stack, point, observation, window)
    missing = _without_data(values, observation)
    if not missing:
        return values
    where = f"{_around(window)} the reference point (row {point[0]}, column {point[1]})"
    if not values.any():
        raise ReferencePointError(
            f"the phase {where} is 0 in all {len(values)} pairs: the stack seems to be referenced "
            "already, or the point has no data. Give --skip-reference to use the stack as "
            "referenced, or another --reference-point Y X."
        )
    kinds = "NaN or infinite" if is_offset(observation) else "NaN, infinite or 0"
    raise ReferencePointError(
        f"found no data ({kinds}) {where} in {len(missing)} of {len(values)} pairs: "
        f"{stack_network(stack).pair_names(missing)}. Give another --reference-point Y X, or "
        "--drop-unreferenced to omit these pairs."
    )


def unreferenced_pairs(
    stack: xr.Dataset, point: Pixel, observation: str = PHASE, window: int = 1
) -> list[int]:
    """Find the pairs, by index, that have no data at the reference point: NaN, infinite, or a phase of 0."""
    return _without_data(_read(stack, point, observation, window), observation)


def _around(window: int) -> str:
    return "at" if window == 1 else f"in {window} x {window} pixels around"


def _read(stack: xr.Dataset, point: Pixel, observation: str, window: int) -> NDArray[np.float32]:
    """Read what pairs observe; NaN where that is nothing in a window."""
    if window > 1:
        return _mean_around(stack, point, observation, window)
    if is_inside(stack, point):
        pixel = stack[observation].isel(y=point[0], x=point[1])
    else:
        pixel = stack[reference_coordinate(observation)]
    return np.asarray(pixel.values, dtype=np.float32)


def _mean_around(stack: xr.Dataset, point: Pixel, observation: str, window: int) -> NDArray[np.float32]:
    if not is_inside(stack, point):
        raise ReferencePointError(
            f"found {option('reference_window', window)} for a part of a scene without the reference point, "
            "of which it has the phases of that pixel alone. Invert the scene with rows and columns that are "
            "selected, or take 1."
        )
    around = {
        dim: slice(max(0, at - window // 2), at + window // 2 + 1)
        for dim, at in zip(("y", "x"), point, strict=True)
    }
    values = stack[observation].isel(around).values.astype(np.float64)
    has_data = ~is_missing(values, observation)
    n = has_data.sum((1, 2))
    total = np.where(has_data, values, 0).sum((1, 2))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan).astype(np.float32)


def _without_data(values: NDArray[np.float32], observation: str) -> list[int]:
    missing: list[int] = np.flatnonzero(is_missing(values, observation)).tolist()
    return missing


def is_missing(values: NDArray[Any], observation: str) -> NDArray[np.bool_]:
    """Return where values of an observation are no data: NaN, infinite, or a phase of 0."""
    missing: NDArray[np.bool_] = ~np.isfinite(values)
    return missing if is_offset(observation) else missing | (values == 0)
