"""Reference point: its position in a stack, and the observation of every pair there."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import MissingMetadataError, ReferencePointError, StackFormatError
from fringefleet.io.grid import index_at
from fringefleet.io.mintpy.metadata import names_point, number_attribute, stated_point
from fringefleet.io.stack import stack_network
from fringefleet.observation.quantity import PHASE, is_offset

_GIVE = "give --reference-point Y X"


def locate_reference_point(stack: xr.Dataset, point: Pixel | None = None) -> Pixel:
    """Find row and column of the reference point in this Dataset.

    Parameters
    ----------
    stack
        A stack, or a part of one.
    point
        Row and column in this Dataset. None: taken from the attributes; by the coordinates
        ``reference_point_y`` and ``reference_point_x`` where known, so that a subset of a
        stack still finds it.

    Raises
    ------
    MissingMetadataError
        No point is given, and the attributes contain none.
    ReferencePointError
        The point is outside the scene, or the attributes are invalid.
    """
    row, column = _point_from_attributes(stack) if point is None else point
    n_row, n_column = stack.sizes["y"], stack.sizes["x"]
    if not (0 <= row < n_row and 0 <= column < n_column):
        raise ReferencePointError(
            f"the reference point is row {row}, column {column}, outside the scene of {n_row} rows "
            f"and {n_column} columns (counted from 0); give another --reference-point Y X."
        )
    return int(row), int(column)


def read_reference_values(stack: xr.Dataset, point: Pixel, observation: str = PHASE) -> NDArray[np.float32]:
    """Read the observation of every pair at the reference point [rad, or pixel of an offset], shape (pair,).

    Parameters
    ----------
    stack
        Stack, of which one pixel is read.
    point
        Row and column, see :func:`locate_reference_point`.
    observation
        Name of the variable.

    Raises
    ------
    ReferencePointError
        Some pairs have no data there: NaN, infinite or, of a phase, exactly 0.
    """
    values = _read(stack, point, observation)
    missing = _without_data(values, observation)
    if not missing:
        return values
    where = f"at the reference point (row {point[0]}, column {point[1]})"
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


def unreferenced_pairs(stack: xr.Dataset, point: Pixel, observation: str = PHASE) -> list[int]:
    """Find the pairs, by index, that have no data at the reference point: NaN, infinite, or a phase of 0."""
    return _without_data(_read(stack, point, observation), observation)


def _read(stack: xr.Dataset, point: Pixel, observation: str) -> NDArray[np.float32]:
    pixel = stack[observation].isel(y=point[0], x=point[1])
    return np.asarray(pixel.values, dtype=np.float32)


def _without_data(values: NDArray[np.float32], observation: str) -> list[int]:
    is_missing = ~np.isfinite(values)
    if not is_offset(observation):
        is_missing |= values == 0
    missing: list[int] = np.flatnonzero(is_missing).tolist()
    return missing


def _point_from_attributes(stack: xr.Dataset) -> Pixel:
    attrs = stack.attrs
    try:
        if "reference_point_y" in attrs and "reference_point_x" in attrs:
            return _index_of(stack, "y"), _index_of(stack, "x")
        if names_point(attrs):
            row, column = stated_point(attrs)
            return row, column
    except StackFormatError as error:
        raise ReferencePointError(f"{str(error).rstrip('.')}, or {_GIVE}.") from error
    raise MissingMetadataError(
        f"the stack has no attributes REF_Y and REF_X for its reference point; {_GIVE}."
    )


def _index_of(stack: xr.Dataset, axis: str) -> int:
    wanted = number_attribute(stack.attrs, f"reference_point_{axis}")
    values = stack[axis].values
    index = index_at(values, wanted)
    if index is None:
        raise ReferencePointError(
            f"the reference point at {axis} = {wanted} is not in this scene, whose {len(values)} "
            f"pixels range from {axis} = {values[0]} to {values[-1]}; give --reference-point Y X."
        )
    return index
