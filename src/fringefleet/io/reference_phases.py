"""Phases at the reference point as coordinates of a stack, so that a part without the point still has them.

The coordinate of ``unwrapped_phase`` is ``reference_phase`` (pair) [rad], that of another observation
``reference_`` and its name. It is as lazy as the observations: one pixel, read when it is needed.
"""

from contextlib import suppress

import xarray as xr

from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import MissingMetadataError, ReferencePointError, StackFormatError
from fringefleet.io.grid import index_at
from fringefleet.io.mintpy.metadata import names_point, number_attribute, stated_point
from fringefleet.observation.quantity import is_observation
from fringefleet.option_words import option

_GIVE = "give --reference-point Y X"
_OUTSIDE = -1  # of a part that does not tell how far its rows or columns are apart


def reference_coordinate(observation: str) -> str:
    """Name the coordinate that has what pairs observe at the reference point.

    Examples
    --------
    >>> [reference_coordinate(name) for name in ("unwrapped_phase", "unwrapped_phase_bridging")]
    ['reference_phase', 'reference_phase_bridging']
    >>> reference_coordinate("range_offset")
    'reference_range_offset'
    """
    return f"reference_{observation.removeprefix('unwrapped_')}"


def is_inside(stack: xr.Dataset, point: Pixel) -> bool:
    """Return whether a row and a column are those of a pixel."""
    return 0 <= point[0] < stack.sizes["y"] and 0 <= point[1] < stack.sizes["x"]


def with_reference_phases(stack: xr.Dataset) -> xr.Dataset:
    """Add what each observation is at the reference point, unread, where the stack names one that is in it.

    A stack that was stored without that pixel keeps the coordinates that it has.
    """
    with suppress(MissingMetadataError, ReferencePointError):
        row, column = point_from_attributes(stack)
        if is_inside(stack, (row, column)):
            return stack.assign_coords(
                {
                    reference_coordinate(name): stack[name].variable.isel(y=row, x=column)
                    for name in map(str, stack.data_vars)
                    if is_observation(name)
                }
            )
    return stack


def without_reference_phases(stack: xr.Dataset) -> xr.Dataset:
    """Leave out these coordinates."""
    return stack.drop_vars(_coordinates(stack))


def as_stored(stack: xr.Dataset) -> xr.Dataset:
    """Leave out these coordinates where the stack has the pixel itself, from which they are made anew."""
    with suppress(MissingMetadataError, ReferencePointError):
        if not is_inside(stack, point_from_attributes(stack)):
            return stack
    return without_reference_phases(stack)


def has_reference_phases(stack: xr.Dataset) -> bool:
    """Whether a stack has such a coordinate."""
    return bool(_coordinates(stack))


def _coordinates(stack: xr.Dataset) -> list[str]:
    names = (reference_coordinate(name) for name in map(str, stack.data_vars) if is_observation(name))
    return [name for name in names if name in stack.coords]


def point_from_attributes(stack: xr.Dataset) -> Pixel:
    """Find the reference point that the attributes name; outside of a part that has its phases.

    Raises
    ------
    MissingMetadataError
        They name none.
    ReferencePointError
        It cannot be understood, or is outside.
    """
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
        "the stack names no reference point (it has no attributes REF_Y and REF_X); choose one: "
        f"{option('reference', 'auto')} takes the centre of the largest coherent area; "
        "--reference-point Y X and --reference-lalo LAT LON name it."
    )


def _index_of(stack: xr.Dataset, axis: str) -> int:
    wanted = number_attribute(stack.attrs, f"reference_point_{axis}")
    values = stack[axis].values
    index = index_at(values, wanted)
    if index is not None:
        return index
    if has_reference_phases(stack):
        return _number_outside(float(values[0]), float(values[-1]), len(values), wanted)
    raise ReferencePointError(
        f"the reference point at {axis} = {wanted} is not in this scene, whose {len(values)} "
        f"pixels go from {axis} = {values[0]} to {values[-1]}; give --reference-point Y X."
    )


def _number_outside(first: float, last: float, n: int, wanted: float) -> int:
    """Count on to a row or column that is not there; between two that are, to none.

    Examples
    --------
    >>> _number_outside(10.0, 14.0, 5, 7.0), _number_outside(10.0, 14.0, 5, 11.5)
    (-3, -1)
    """
    if n == 1 or first == last:
        return _OUTSIDE
    number = round((wanted - first) / (last - first) * (n - 1))
    return _OUTSIDE if 0 <= number < n else number
