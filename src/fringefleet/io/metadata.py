"""The few attributes that an inversion needs, in our names and types, from MintPy's strings."""

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import h5py
import numpy as np
import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.io.dates import date_format
from fringefleet.units import check_wavelength

logger = logging.getLogger(__name__)

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
_SOME_TIME = datetime(2001, 12, 31, 23, 58, 59)
_LOOKS_INSTEAD = "give --looks N, or choose --weight-func coh or no"
LOOKS_PER_INDEPENDENT_LOOK = 1.94  # MintPy's ratio where only ALOOKS and RLOOKS are known


def derived_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Make ``wavelength`` [m], ``looks`` and ``reference_point`` from MintPy's attributes.

    ``reference_point`` is (row, column). Each is left out where its source is missing or cannot be
    understood: whether it is needed depends on the inversion, which says so then
    (:func:`required_wavelength`, :func:`required_looks`,
    :func:`~fringefleet.io.reference.locate_reference_point`).

    Examples
    --------
    >>> derived_attributes({"WAVELENGTH": "0.0555", "ALOOKS": "8", "RLOOKS": "2", "REF_Y": "4"})
    {'wavelength': 0.0555, 'looks': 8}
    """
    derived: dict[str, Any] = {}
    for name, read in (("wavelength", _wavelength), ("looks", _looks), ("reference_point", _point)):
        with suppress(StackFormatError):
            value = read(attrs)
            derived |= {} if value is None else {name: value}
    return derived


def _wavelength(attrs: Mapping[str, Any]) -> float | None:
    return positive_attribute(attrs, "WAVELENGTH") if "WAVELENGTH" in attrs else None


def _looks(attrs: Mapping[str, Any]) -> int | None:
    if "NCORRLOOKS" in attrs:
        return max(1, round(positive_attribute(attrs, "NCORRLOOKS")))
    if "ALOOKS" in attrs and "RLOOKS" in attrs:
        looks = positive_attribute(attrs, "ALOOKS") * positive_attribute(attrs, "RLOOKS")
        return max(1, round(looks / LOOKS_PER_INDEPENDENT_LOOK))
    return None


def _point(attrs: Mapping[str, Any]) -> list[int] | None:
    return stated_point(attrs) if "REF_Y" in attrs and "REF_X" in attrs else None


def names_point(attrs: Mapping[Any, Any]) -> bool:
    """Whether attributes name a reference point, be it one that cannot be understood."""
    return "reference_point" in attrs or ("REF_Y" in attrs and "REF_X" in attrs)


def stated_point(attrs: Mapping[Any, Any]) -> list[int]:
    """Read row and column of the reference point, as ``reference_point`` or as ``REF_Y`` and ``REF_X`` say.

    Parameters
    ----------
    attrs
        Attributes that :func:`names_point` is true of.

    Raises
    ------
    StackFormatError
        They are no whole numbers.
    """
    if "reference_point" in attrs:
        point = plain_attributes({"": attrs["reference_point"]})[""]
        if not isinstance(point, list | tuple) or len(point) != 2:
            raise StackFormatError(
                f"found the attribute reference_point = {_shown(point)}; a row and a column are needed. "
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
            f"found the attribute {name} = {_shown(attrs[name])}; rows and columns are whole numbers, "
            "counted from 0. Correct it."
        )
    return round(value)


def _shown(value: object) -> str:
    """Show what an attribute is, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def required_wavelength(stack: xr.Dataset) -> float:
    """Look up the radar wavelength [m].

    Raises
    ------
    MissingMetadataError
        The stack does not say.
    StackFormatError
        It says something that is no wavelength.
    """
    attrs = stack.attrs
    name = "wavelength" if "wavelength" in attrs else "WAVELENGTH"
    if name in attrs:
        wavelength = _read_or(positive_attribute, attrs, name, "give --wavelength METRES")
        check_wavelength(wavelength, f"the attribute {name}", error=StackFormatError)
        return wavelength
    raise MissingMetadataError(
        "the stack has no attribute WAVELENGTH, which turns phase into displacement; "
        "add it to the stack or give --wavelength METRES."
    )


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
        return -positive_attribute(attrs, "RANGE_PIXEL_SIZE") / positive_attribute(attrs, "RLOOKS")
    _require(attrs, offset, "AZIMUTH_PIXEL_SIZE", "ALOOKS")
    size = positive_attribute(attrs, "AZIMUTH_PIXEL_SIZE") / positive_attribute(attrs, "ALOOKS")
    if processor == "gamma":
        return size
    _require(attrs, offset, "HEIGHT")
    radius = positive_attribute(attrs, "EARTH_RADIUS") if "EARTH_RADIUS" in attrs else MEAN_EARTH_RADIUS
    return size * radius / (radius + positive_attribute(attrs, "HEIGHT"))


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
    StackFormatError
        It says something that is no number above 0.
    """
    attrs = stack.attrs
    if "looks" in attrs:
        looks = max(1, round(_read_or(positive_attribute, attrs, "looks", _LOOKS_INSTEAD)))
        _warn_of_other_ratio(attrs, looks)
        return looks
    for name in ("NCORRLOOKS", "ALOOKS", "RLOOKS"):
        if name in attrs:  # as there are no looks, one of them cannot be understood, or is alone
            _read_or(positive_attribute, attrs, name, _LOOKS_INSTEAD)
    raise MissingMetadataError(
        "the stack has neither the attribute NCORRLOOKS nor both of ALOOKS and RLOOKS, from "
        "which the weights are made; add them to the stack, give --looks N, or choose a weight "
        "function that needs none (--weight-func coh or no)."
    )


def _warn_of_other_ratio(attrs: Mapping[Any, Any], looks: int) -> None:
    """Say where MintPy's ratio, which is that of Sentinel-1's IW mode, is taken for another platform."""
    platform = str(attrs.get("PLATFORM", "")).strip()
    is_other = platform != "" and not platform.lower().startswith(("sen", "s1"))
    if is_other and "NCORRLOOKS" not in attrs and _looks(attrs) == looks:
        logger.warning(
            "the %d independent looks are MintPy's rule, ALOOKS x RLOOKS / %s, whose ratio is that of "
            "Sentinel-1, for a stack of %s; give --looks N where you know better",
            looks,
            LOOKS_PER_INDEPENDENT_LOOK,
            platform,
        )


def _read_or(
    read: Callable[[Mapping[str, Any], str], float], attrs: Mapping[Any, Any], name: str, instead: str
) -> float:
    """Read an attribute; where it cannot be understood, say what replaces it, too."""
    try:
        return read(attrs, name)
    except StackFormatError as error:
        raise StackFormatError(f"{str(error).rstrip('.')}, or {instead}.") from error


def usable_attributes(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Copy attributes without those of our names that cannot be understood, which a result must not inherit.

    Examples
    --------
    >>> usable_attributes({"looks": "many", "wavelength": 0.0555, "reference_point": [3.2, 2.7], "EPSG": "?"})
    {'wavelength': 0.0555, 'EPSG': '?'}
    """
    kept = dict(attrs)
    checks: dict[tuple[str, ...], Callable[[str], object]] = {
        ("wavelength",): lambda name: positive_attribute(attrs, name),
        ("looks",): lambda name: positive_attribute(attrs, name),
        ("reference_point",): lambda _: stated_point(attrs),
        ("reference_point_y", "reference_point_x"): lambda name: number_attribute(attrs, name),
        ("date_format",): lambda name: _check_date_format(attrs[name]),
    }
    for names, check in checks.items():
        there = [name for name in names if name in attrs]
        try:
            for name in there:
                check(name)
        except StackFormatError:
            kept = {name: value for name, value in kept.items() if name not in names}
    return kept


def _check_date_format(text: object) -> None:
    """Refuse what is no format of a date that is read back."""
    try:
        is_one = date_format(_SOME_TIME.strftime(str(text))) == text
    except ValueError:
        is_one = False
    if not is_one:
        raise StackFormatError(f"found the attribute date_format = {_shown(text)}; such as %Y%m%d is needed.")


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
        The attribute is no finite number, or is not there.
    """
    if name not in attrs:
        raise StackFormatError(f"found no {name}; a number is needed. Add it.")
    try:
        value = float(attrs[name])
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise StackFormatError(
            f"found the attribute {name} = {_shown(attrs[name])}; a number is needed. Correct it."
        )
    return value


def positive_attribute(attrs: Mapping[str, Any], name: str) -> float:
    """Read a finite number above 0.

    Raises
    ------
    StackFormatError
        The attribute is none.
    """
    value = number_attribute(attrs, name)
    if value <= 0:
        raise StackFormatError(
            f"found the attribute {name} = {_shown(attrs[name])}; a positive number is needed. Correct it."
        )
    return value
