"""Attributes of a stack that an inversion needs, with messages if they are missing or invalid.

An attribute is examined only where it is needed, so that an invalid one matters only if no option replaces
it.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.io.dates import date_format
from fringefleet.io.mintpy.metadata import (
    LOOKS_PER_INDEPENDENT_LOOK,
    derived_looks,
    number_attribute,
    positive_attribute,
    shown_value,
    stated_point,
)
from fringefleet.observation.units import check_wavelength

logger = logging.getLogger(__name__)

_MEAN_EARTH_RADIUS = 6371008.8  # [m]
_SOME_TIME = datetime(2001, 12, 31, 23, 58, 59)
_LOOKS_INSTEAD = "give --looks N, or choose --weight-func coh or no"


def required_wavelength(stack: xr.Dataset) -> float:
    """Return the radar wavelength [m] of a stack.

    Raises
    ------
    MissingMetadataError
        The stack does not contain it.
    StackFormatError
        Its value is not the wavelength of an imaging radar.
    """
    attrs = stack.attrs
    name = "wavelength" if "wavelength" in attrs else "WAVELENGTH"
    if name in attrs:
        wavelength = _read_or(positive_attribute, attrs, name, "give --wavelength METRES")
        advice = "Correct it, or give --wavelength METRES."
        check_wavelength(wavelength, f"the attribute {name}", advice=advice, error=StackFormatError)
        return wavelength
    raise MissingMetadataError(
        "the stack has no attribute WAVELENGTH, which converts phase to displacement; "
        "add it to the stack or give --wavelength METRES."
    )


def required_pixel_size(stack: xr.Dataset, offset: str) -> float:
    """Compute the displacement per pixel of an offset [m], with its sign.

    Parameters
    ----------
    stack
        Stack with MintPy's attributes ``PROCESSOR`` and, for ``range_offset``, ``RANGE_PIXEL_SIZE`` [m] and
        ``RLOOKS``; for ``azimuth_offset``, ``AZIMUTH_PIXEL_SIZE`` [m], ``ALOOKS`` and, unless the processor
        is ``gamma``, ``HEIGHT`` [m] of the orbit (and ``EARTH_RADIUS`` [m]).
    offset
        ``range_offset`` or ``azimuth_offset``.

    Raises
    ------
    MissingMetadataError
        An attribute is missing; the message names it and its purpose.
    StackFormatError
        An attribute is not a positive number.

    Notes
    -----
    Offsets are in pixels of the radar before multilooking. A larger slant range is a motion away from the
    satellite, so the sign of a range offset is changed. ``cosicorr`` gives metres, which are unchanged. The
    azimuth pixel size along the orbit is projected to the ground. MintPy:
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
    radius = positive_attribute(attrs, "EARTH_RADIUS") if "EARTH_RADIUS" in attrs else _MEAN_EARTH_RADIUS
    return size * radius / (radius + positive_attribute(attrs, "HEIGHT"))


def _require(attrs: Mapping[Any, Any], offset: str, *names: str) -> None:
    missing = [name for name in names if name not in attrs]
    if missing:
        raise MissingMetadataError(
            f"the stack has no attribute {', '.join(missing)}, which converts a {offset} from pixels to "
            "metres; add it to the stack (PROCESSOR is isce, roipac or gamma, or cosicorr if offsets are in "
            "metres)."
        )


def required_looks(stack: xr.Dataset) -> int:
    """Return the number of independent looks of the coherence.

    Raises
    ------
    MissingMetadataError
        The stack does not contain it.
    StackFormatError
        Its value is not a number above 0.
    """
    attrs = stack.attrs
    if "looks" in attrs:
        looks = max(1, round(_read_or(positive_attribute, attrs, "looks", _LOOKS_INSTEAD)))
        _warn_of_other_ratio(attrs, looks)
        return looks
    for name in ("NCORRLOOKS", "ALOOKS", "RLOOKS"):
        if name in attrs:  # as there are no looks, one of them is invalid, or is alone
            _read_or(positive_attribute, attrs, name, _LOOKS_INSTEAD)
    raise MissingMetadataError(
        "the stack has neither the attribute NCORRLOOKS nor both of ALOOKS and RLOOKS, from "
        "which the weights are made; add them to the stack, give --looks N, or choose a weight "
        "function that needs none (--weight-func coh or no)."
    )


def _warn_of_other_ratio(attrs: Mapping[Any, Any], looks: int) -> None:
    """Warn where MintPy's ratio, which is that of Sentinel-1's IW mode, is applied to another platform."""
    platform = str(attrs.get("PLATFORM", "")).strip()
    is_other = platform != "" and not platform.lower().startswith(("sen", "s1"))
    derived = None
    with suppress(StackFormatError):
        derived = derived_looks(attrs)
    if is_other and "NCORRLOOKS" not in attrs and derived == looks:
        logger.warning(
            "the %d independent looks follow MintPy's rule, ALOOKS x RLOOKS / %s, whose ratio is that of "
            "Sentinel-1, for a stack of %s; give --looks N if you know better",
            looks,
            LOOKS_PER_INDEPENDENT_LOOK,
            platform,
        )


def _read_or(
    read: Callable[[Mapping[str, Any], str], float], attrs: Mapping[Any, Any], name: str, instead: str
) -> float:
    """Read an attribute; if it is invalid, the error also names what replaces it."""
    try:
        return read(attrs, name)
    except StackFormatError as error:
        raise StackFormatError(f"{str(error).rstrip('.')}, or {instead}.") from error


def usable_attributes(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes without invalid ones of our names, which a result must not inherit.

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
    """Reject a date format that cannot be read back."""
    try:
        is_one = date_format(_SOME_TIME.strftime(str(text))) == text
    except ValueError:
        is_one = False
    if not is_one:
        raise StackFormatError(f"found the attribute date_format = {shown_value(text)}; give %Y%m%d, say.")
