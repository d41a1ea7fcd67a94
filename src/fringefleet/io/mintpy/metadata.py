"""Attributes that an inversion needs, in our names and types, from MintPy's strings."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import h5py
import numpy as np

from fringefleet.errors import StackFormatError

# Reserved by HDF5 and CF; MintPy ignores them, and they would be taken for ours.
_BOOKKEEPING = frozenset(
    [
        "DIMENSION_LIST",
        "REFERENCE_LIST",
        "CLASS",
        "NAME",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
        "_NCProperties",
        "scale_factor",
        "add_offset",
        "_FillValue",
        "missing_value",
        "coordinates",
    ]
)
LOOKS_PER_INDEPENDENT_LOOK = 1.94  # MintPy's ratio where only ALOOKS and RLOOKS are known


def derived_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Derive ``wavelength`` [m], ``looks`` and ``reference_point`` from MintPy's attributes.

    ``reference_point`` is (row, column). Each is omitted where its source is missing or invalid: whether
    it is needed depends on the inversion, which then reports it
    (:func:`~fringefleet.io.checks.required.required_wavelength`,
    :func:`~fringefleet.io.checks.required.required_looks`,
    :func:`~fringefleet.io.reference.locate_reference_point`).

    Examples
    --------
    >>> derived_attributes({"WAVELENGTH": "0.0555", "ALOOKS": "8", "RLOOKS": "2", "REF_Y": "4"})
    {'wavelength': 0.0555, 'looks': 8}
    """
    derived: dict[str, Any] = {}
    for name, read in (("wavelength", _wavelength), ("looks", derived_looks), ("reference_point", _point)):
        with suppress(StackFormatError):
            value = read(attrs)
            derived |= {} if value is None else {name: value}
    return derived


def _wavelength(attrs: Mapping[str, Any]) -> float | None:
    return positive_attribute(attrs, "WAVELENGTH") if "WAVELENGTH" in attrs else None


def derived_looks(attrs: Mapping[Any, Any]) -> int | None:
    """Return the number of independent looks by MintPy's rule; None where the attributes lack it.

    Raises
    ------
    StackFormatError
        An attribute is not a number above 0.
    """
    if "NCORRLOOKS" in attrs:
        return max(1, round(positive_attribute(attrs, "NCORRLOOKS")))
    if "ALOOKS" in attrs and "RLOOKS" in attrs:
        looks = positive_attribute(attrs, "ALOOKS") * positive_attribute(attrs, "RLOOKS")
        return max(1, round(looks / LOOKS_PER_INDEPENDENT_LOOK))
    return None


def _point(attrs: Mapping[str, Any]) -> list[int] | None:
    return stated_point(attrs) if "REF_Y" in attrs and "REF_X" in attrs else None


def names_point(attrs: Mapping[Any, Any]) -> bool:
    """Return whether attributes define a reference point, even an invalid one."""
    return "reference_point" in attrs or ("REF_Y" in attrs and "REF_X" in attrs)


def stated_point(attrs: Mapping[Any, Any]) -> list[int]:
    """Read row and column of the reference point from ``reference_point``, or from ``REF_Y`` and ``REF_X``.

    Parameters
    ----------
    attrs
        Attributes for which :func:`names_point` is true.

    Raises
    ------
    StackFormatError
        They are not whole numbers.
    """
    if "reference_point" in attrs:
        point = plain_attributes({"": attrs["reference_point"]})[""]
        if not isinstance(point, list | tuple) or len(point) != 2:
            raise StackFormatError(
                f"found the attribute reference_point = {shown_value(point)}; a row and a column are needed. "
                "Correct it."
            )
        named = {f"reference_point[{index}]": value for index, value in enumerate(point)}
    else:
        named = {name: attrs[name] for name in ("REF_Y", "REF_X")}
    return [_whole(named, name) for name in named]


def _whole(attrs: Mapping[str, Any], name: str) -> int:
    value = number_attribute(attrs, name)
    if value != round(value):
        raise StackFormatError(
            f"found the attribute {name} = {shown_value(attrs[name])}; rows and columns are whole numbers, "
            "counted from 0. Correct it."
        )
    return round(value)


def shown_value(value: object) -> str:
    """Return the value of an attribute for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return HDF5 attributes as values that JSON can represent, so that they survive any file format."""
    return {str(name): _plain(value) for name, value in attrs.items() if name not in _BOOKKEEPING}


def _plain(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def number_attribute(attrs: Mapping[str, Any], name: str) -> float:
    """Read a finite number; MintPy's attributes are text.

    Raises
    ------
    StackFormatError
        The attribute is not a finite number, or is missing.
    """
    if name not in attrs:
        raise StackFormatError(f"found no {name}; a number is needed. Add it.")
    try:
        value = math.nan if isinstance(attrs[name], bool) else float(attrs[name])
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise StackFormatError(
            f"found the attribute {name} = {shown_value(attrs[name])}; a number is needed. Correct it."
        )
    return value


def positive_attribute(attrs: Mapping[str, Any], name: str) -> float:
    """Read a finite number above 0.

    Raises
    ------
    StackFormatError
        The attribute is not.
    """
    value = number_attribute(attrs, name)
    if value <= 0:
        raise StackFormatError(
            f"found the attribute {name} = {shown_value(attrs[name])}; a positive number is needed. "
            "Correct it."
        )
    return value
