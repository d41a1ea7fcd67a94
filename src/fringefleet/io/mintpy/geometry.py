r"""Slant range and incidence angle, which convert the estimate of a DEM error to metres.

The phase depends on height through :math:`R \sin\theta`, the slant range times the sine of the incidence
angle. MintPy's ``geometryRadar.h5`` or ``geometryGeo.h5`` contains both at every pixel, or one of them. What
is missing is derived from the attributes, for the middle of the scene and a spherical Earth:

.. math:: (r + h)^2 = r^2 + R^2 + 2 r R \cos\theta

with the radius of the Earth :math:`r` (``EARTH_RADIUS``) and the height of the satellite :math:`h`
(``HEIGHT``). An angle in the attributes takes precedence, and the range follows from it. MintPy's
``dem_error`` always takes the range from ``STARTING_RANGE`` and the number of columns, and the angle from
that, which is valid in radar geometry only: on a geocoded subset of a scene the columns are not those of the
radar, and the error of the angle may be as large as the swath is wide.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError, MissingMetadataError, StackFormatError
from fringefleet.io.hdf5.variables import is_hdf5, open_hdf5
from fringefleet.io.lazy.no_data import read_decoded
from fringefleet.io.mintpy.metadata import number_attribute, plain_attributes
from fringefleet.io.quantities import ANGLE, LENGTH, declared_unit, in_unit

_ANGLES = ("CENTER_INCIDENCE_ANGLE", "INCIDENCE_ANGLE", "incidenceAngle")  # [degree]
_SPHERE = ("EARTH_RADIUS", "HEIGHT")  # [m]
_SMALLEST = {  # and the unit; a smaller value is something else
    **dict.fromkeys(("slantRangeDistance", "STARTING_RANGE"), (5e3, "metres", "kilometres")),
    "EARTH_RADIUS": (6.3e6, "metres", "kilometres"),
    "HEIGHT": (1e3, "metres", "kilometres"),
}
COLUMNS = ("STARTING_RANGE", "RANGE_PIXEL_SIZE", "WIDTH")  # [m], [m], 1

Numbers = NDArray[np.float64]


def read_geometry(path: str | Path, shape: Shape) -> NDArray[np.float32]:
    """Read the slant range times the sine of the incidence angle of every pixel [m], shape (y, x).

    Parameters
    ----------
    path
        MintPy's geometry file, with ``slantRangeDistance`` [m], ``incidenceAngle`` [degree] or both; what is
        missing comes from the file's attributes.
    shape
        Rows and columns of the stack.

    Returns
    -------
    ndarray
        NaN where the range or the angle is unknown: NaN, infinite, zero, negative, or 90 degrees and more.

    Raises
    ------
    InputError
        The file does not exist.
    StackFormatError
        It is not an HDF5 file, has neither dataset or one that does not match the stack, has no valid
        pixel, or an attribute that is not a positive number.
    MissingMetadataError
        One of the datasets is missing, and the attributes do not replace it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"found no geometry file at {path}; give the path of MintPy's geometryRadar.h5.")
    if not is_hdf5(path):
        raise StackFormatError(f"the geometry file {path} is not HDF5; give MintPy's geometryRadar.h5.")
    with open_hdf5(path) as file:
        attrs = plain_attributes(file.attrs)
        distance = _read_positive(file, "slantRangeDistance", shape)
        angle = _read_positive(file, "incidenceAngle", shape)
        if angle is not None and not np.isnan(angle).all():
            _check_degrees(float(np.nanmax(angle)), f"incidenceAngle in {path} is")
        names = ", ".join(file) or "none"
    if distance is None and angle is None:
        raise StackFormatError(
            f"the geometry file {path} has the datasets {names}; it needs slantRangeDistance or "
            "incidenceAngle. Give another file, or none to use the middle of the scene."
        )
    product = np.broadcast_to(_range_times_sine(attrs, distance, angle), shape)
    if np.isnan(product).all():
        raise StackFormatError(
            f"the geometry file {path} has a valid slant range and incidence angle at none of its "
            f"{shape[0]} x {shape[1]} pixels; positive numbers in metres and degrees are needed. "
            "Give another file, or none to use the middle of the scene."
        )
    return product.astype(np.float32)


def geometry_from_attributes(attrs: Mapping[str, Any]) -> float:
    """Compute the slant range times the sine of the incidence angle in the middle of a scene [m].

    Parameters
    ----------
    attrs
        MintPy's attributes: ``EARTH_RADIUS`` and ``HEIGHT`` with an incidence angle or with the range of the
        columns (``STARTING_RANGE``, ``RANGE_PIXEL_SIZE``, ``WIDTH``); or the angle and the range.

    Raises
    ------
    MissingMetadataError
        They are incomplete.
    StackFormatError
        One of them is not a positive number, or they do not form a triangle.

    Examples
    --------
    >>> sphere = {"EARTH_RADIUS": "6371000", "HEIGHT": "700000"}
    >>> round(geometry_from_attributes(sphere | {"INCIDENCE_ANGLE": "39"}))
    549531
    """
    product = float(_range_times_sine(attrs, None, None))
    if np.isnan(product):
        stated = ", ".join(f"{name} = {attrs[name]}" for name in _ANGLES + _SPHERE + COLUMNS if name in attrs)
        raise StackFormatError(
            f"found the attributes {stated}, which do not form a triangle of satellite, pixel and Earth's "
            "centre; "
            "correct them, or give MintPy's geometry file."
        )
    return product


def incidence_angle(radius: float, height: float, distance: float | Numbers) -> Numbers:
    """Compute the incidence angle on a spherical Earth [degree].

    Parameters
    ----------
    radius, height
        Radius of the Earth and height of the satellite above it [m], positive.
    distance
        Slant range [m], positive.

    Returns
    -------
    ndarray
        NaN where the three do not form a triangle.

    Examples
    --------
    >>> float(incidence_angle(6371e3, 700e3, 700e3)), float(incidence_angle(6371e3, 700e3, 1e3))
    (0.0, nan)
    """
    cosine = (height * (2 * radius + height) - distance**2) / (2 * radius * distance)
    return np.degrees(np.arccos(np.where(np.abs(cosine) <= 1, cosine, np.nan)))


def incidence_attribute(radius: float, height: float, distance: float) -> dict[str, float]:
    """Return the attribute of the angle from :func:`incidence_angle`; empty if there is none."""
    angle = float(incidence_angle(radius, height, distance))
    return {} if np.isnan(angle) else {_ANGLES[0]: angle}


def _range_times_sine(attrs: Mapping[str, Any], distance: Numbers | None, angle: Numbers | None) -> Numbers:
    """Complete range [m] and angle [degree], each a number or an array; NaN where that is impossible."""
    if angle is None and (distance is None or not _has(attrs, _SPHERE)):
        angle = _stated_angle(attrs)
    if distance is None:
        if angle is not None and _has(attrs, _SPHERE):
            distance = _range_at(attrs, angle)
        else:
            distance = _middle_range(attrs)
    if angle is None:
        angle = _angle_at(attrs, distance)
    return np.where((angle > 0) & (angle < 90), distance * np.sin(np.radians(angle)), np.nan)


def _range_at(attrs: Mapping[str, Any], angle: Numbers) -> Numbers:
    radius, height = _positive(attrs, _SPHERE)
    across = radius * np.cos(np.radians(angle))
    return np.sqrt(across**2 + height * (2 * radius + height)) - across


def _angle_at(attrs: Mapping[str, Any], distance: Numbers) -> Numbers:
    radius, height = _positive(attrs, _SPHERE)
    return incidence_angle(radius, height, distance)


def _middle_range(attrs: Mapping[str, Any]) -> Numbers:
    start, step, width = _positive(attrs, COLUMNS)
    return np.array(start + step * (width - 1) / 2)


def _stated_angle(attrs: Mapping[str, Any]) -> Numbers | None:
    name = next((name for name in _ANGLES if name in attrs), None)
    if name is None:
        return None
    angle = number_attribute(attrs, name)
    if angle > 0:
        _check_degrees(angle, f"the attribute {name} is")
    return np.array(angle)


def _check_degrees(largest: float, what: str) -> None:
    """Reject incidence angles that can only be in radians."""
    if largest <= np.pi / 2:
        raise StackFormatError(
            f"{what} at most {largest:.4g}; an incidence angle in degrees is needed, and this looks like "
            "radians. Convert it; a dataset may also declare radian in its attribute UNIT."
        )


def _has(attrs: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(name in attrs for name in names)


def _positive(attrs: Mapping[str, Any], names: tuple[str, ...]) -> list[float]:
    missing = [name for name in names if name not in attrs]
    if missing:
        raise MissingMetadataError(
            f"found no attribute {' and '.join(missing)}, from which the slant range or the incidence angle "
            f"is derived; a DEM error in metres needs {', '.join(_SPHERE)} and either an incidence angle "
            f"({' or '.join(_ANGLES)}) or {', '.join(COLUMNS)}. Add them, or give MintPy's geometry file."
        )
    values = [number_attribute(attrs, name) for name in names]
    wrong = [f"{name} = {attrs[name]!r}" for name, value in zip(names, values, strict=True) if value <= 0]
    if wrong:
        raise StackFormatError(f"found the attribute {wrong[0]}; a positive number is needed. Correct it.")
    for name, value in zip(names, values, strict=True):
        _check_unit(name, value, "in the attributes")
    return values


def _read_positive(file: h5py.File, name: str, shape: Shape) -> Numbers | None:
    """Read a dataset, NaN where it is not a positive number; None if there is none."""
    if not isinstance(file.get(name), h5py.Dataset):
        return None
    dataset = file[name]
    if dataset.shape != shape or dataset.dtype.kind not in "iuf":
        raise StackFormatError(
            f"the dataset {name} of the geometry file {file.filename} has the shape {dataset.shape} and the "
            f"type {dataset.dtype}, the stack the shape {shape}; numbers at the same pixels are needed."
        )
    said = declared_unit(plain_attributes(dataset.attrs))
    quantity = LENGTH if name == "slantRangeDistance" else ANGLE
    values = read_decoded(dataset) * in_unit(quantity, said, f"{name} in {file.filename}")
    known: Numbers = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    _check_unit(name, float(np.nanmax(known, initial=0)), f"of the geometry file {file.filename}")
    return known


def _check_unit(name: str, value: float, where: str) -> None:
    """Reject a positive number that must be in another unit."""
    smallest, unit, other = _SMALLEST.get(name, (0.0, "", ""))
    if 0 < value < smallest:
        raise StackFormatError(
            f"found {name} = {value:.9g} {where}; {unit} are needed, {smallest:g} or more, and not {other}. "
            "Correct it, or omit it."
        )
