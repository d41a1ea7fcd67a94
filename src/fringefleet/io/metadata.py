"""The few attributes that an inversion needs, in our names and types, from MintPy's strings."""

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError

# What HDF5 and CF keep for themselves; MintPy does not look at it, and it would be taken for ours.
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
    """Make ``wavelength`` [m], ``looks`` and ``reference_point`` from MintPy's attributes.

    ``reference_point`` is (row, column). Each is left out where its source is missing: whether
    it is needed depends on the inversion.

    Raises
    ------
    StackFormatError
        An attribute is there and is no number, or the wavelength is not positive.

    Examples
    --------
    >>> derived_attributes({"WAVELENGTH": "0.0555", "ALOOKS": "8", "RLOOKS": "2", "REF_Y": "4"})
    {'wavelength': 0.0555, 'looks': 8}
    """
    derived: dict[str, Any] = {}
    if "WAVELENGTH" in attrs:
        derived["wavelength"] = _positive(attrs, "WAVELENGTH")
    if "NCORRLOOKS" in attrs:
        derived["looks"] = max(1, round(_positive(attrs, "NCORRLOOKS")))
    elif "ALOOKS" in attrs and "RLOOKS" in attrs:
        looks = _positive(attrs, "ALOOKS") * _positive(attrs, "RLOOKS")
        derived["looks"] = max(1, round(looks / LOOKS_PER_INDEPENDENT_LOOK))
    if "REF_Y" in attrs and "REF_X" in attrs:
        derived["reference_point"] = [int(number_attribute(attrs, name)) for name in ("REF_Y", "REF_X")]
    return derived


def required_wavelength(stack: xr.Dataset) -> float:
    """Look up the radar wavelength [m].

    Raises
    ------
    MissingMetadataError
        The stack does not say.
    """
    if "wavelength" not in stack.attrs:
        raise MissingMetadataError(
            "the stack has no attribute WAVELENGTH, which turns phase into displacement; "
            "add it to the stack or give --wavelength METRES."
        )
    return float(stack.attrs["wavelength"])


def required_looks(stack: xr.Dataset) -> int:
    """Look up the number of independent looks of the coherence.

    Raises
    ------
    MissingMetadataError
        The stack does not say.
    """
    if "looks" not in stack.attrs:
        raise MissingMetadataError(
            "the stack has neither the attribute NCORRLOOKS nor both of ALOOKS and RLOOKS, from "
            "which the weights are made; add them to the stack, give --looks N, or choose a weight "
            "function that needs none (--weight-func coh or no)."
        )
    return int(stack.attrs["looks"])


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Copy HDF5 attributes as values that JSON can hold, so that they survive any file format."""
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
        The attribute is no finite number.
    """
    try:
        value = float(attrs[name])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise StackFormatError(
            f"found the attribute {name} = {attrs[name]!r}; a number is needed. Correct it."
        )
    return value


def _positive(attrs: Mapping[str, Any], name: str) -> float:
    value = number_attribute(attrs, name)
    if value <= 0:
        raise StackFormatError(
            f"found the attribute {name} = {attrs[name]!r}; a positive number is needed. Correct it."
        )
    return value
