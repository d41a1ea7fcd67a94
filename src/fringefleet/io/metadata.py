"""The few attributes that an inversion needs, in our names and types, from MintPy's strings."""

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.units import check_wavelength

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
MEAN_EARTH_RADIUS = 6371008.8  # [m]
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
    StackFormatError
        What it says is no wavelength of a radar.
    """
    if "wavelength" not in stack.attrs:
        raise MissingMetadataError(
            "the stack has no attribute WAVELENGTH, which turns phase into displacement; "
            "add it to the stack or give --wavelength METRES."
        )
    wavelength = number_attribute(stack.attrs, "wavelength")
    advice = "Correct it in the stack (MintPy: WAVELENGTH), or give --wavelength METRES."
    check_wavelength(wavelength, "the wavelength of the stack", advice=advice, error=StackFormatError)
    return wavelength


def required_pixel_size(stack: xr.Dataset, offset: str) -> float:
    """Work out how many metres of displacement a pixel of an offset is, with its sign.

    Parameters
    ----------
    stack
        With MintPy's attributes ``PROCESSOR`` and, for ``range_offset``, ``RANGE_PIXEL_SIZE`` [m] and
        ``RLOOKS``; for ``azimuth_offset``, ``AZIMUTH_PIXEL_SIZE`` [m], ``ALOOKS`` and, unless the processor
        is ``gamma``, ``HEIGHT`` [m] of the orbit (and ``EARTH_RADIUS`` [m]).
    offset
        ``range_offset`` or ``azimuth_offset``.

    Raises
    ------
    MissingMetadataError
        An attribute is missing; the message says which and what for.
    StackFormatError
        An attribute is no positive number.

    Notes
    -----
    Offsets count pixels of the radar before multilooking. A larger slant range is a motion away from the
    satellite, so the sign of a range offset is turned. ``cosicorr`` gives metres, which stay as they are. The
    azimuth pixel size of an orbit is projected to the ground. MintPy:
    ``ifgram_inversion.run_ifgram_inversion_patch``, ``utils0.azimuth_ground_resolution``.

    Examples
    --------
    >>> attrs = {"PROCESSOR": "isce", "RANGE_PIXEL_SIZE": "9.2", "RLOOKS": "4"}
    >>> required_pixel_size(xr.Dataset(attrs=attrs), "range_offset")
    -2.3
    """
    attrs = stack.attrs
    _require(attrs, offset, "PROCESSOR")
    processor = str(attrs["PROCESSOR"]).lower()
    if processor == "cosicorr":
        return 1.0
    if offset == "range_offset":
        _require(attrs, offset, "RANGE_PIXEL_SIZE", "RLOOKS")
        return -_positive(attrs, "RANGE_PIXEL_SIZE") / _positive(attrs, "RLOOKS")
    _require(attrs, offset, "AZIMUTH_PIXEL_SIZE", "ALOOKS")
    size = _positive(attrs, "AZIMUTH_PIXEL_SIZE") / _positive(attrs, "ALOOKS")
    if processor == "gamma":
        return size
    _require(attrs, offset, "HEIGHT")
    radius = _positive(attrs, "EARTH_RADIUS") if "EARTH_RADIUS" in attrs else MEAN_EARTH_RADIUS
    return size * radius / (radius + _positive(attrs, "HEIGHT"))


def _require(attrs: Mapping[Any, Any], offset: str, *names: str) -> None:
    missing = [name for name in names if name not in attrs]
    if missing:
        raise MissingMetadataError(
            f"the stack has no attribute {', '.join(missing)}, which turns a {offset} from pixels into "
            "metres; add it to the stack (PROCESSOR is isce, roipac or gamma, or cosicorr if offsets are in "
            "metres)."
        )


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
