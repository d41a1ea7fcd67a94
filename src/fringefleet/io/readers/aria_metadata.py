"""Attributes of a GUNW product under MintPy's names, from the product itself or from ARIA-tools.

Looks, heading and orbit are in no product. Those of Sentinel-1's products are always the same, and are used
where the product proves that it is one: by its mission or, where none is named, by its wavelength. For others
- ALOS-2, NISAR - the looks have to be given, unless the product states them.

References
----------
MintPy: ``prep_aria.extract_metadata``, whose constants these are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import optional
from fringefleet.io.mintpy.metadata import number_attribute
from fringefleet.io.readers.radar import stated_looks, stated_radar
from fringefleet.io.readers.sentinel1 import AZIMUTH_PIXEL_SIZE, RANGE_PIXEL_SIZE

ALOOKS, RLOOKS = 7, 19
_RESOLUTION = (22.7, 3.1)  # [m], azimuth and range, of the middle swath
EARTH_RADIUS, HEIGHT = 6337286.638938101, 693000.0  # [m]
_HEADINGS = {"ASCENDING": -12.0, "DESCENDING": -168.0}  # [degree]
_INDEPENDENT_LOOKS = (
    ALOOKS * RLOOKS * AZIMUTH_PIXEL_SIZE * RANGE_PIXEL_SIZE / (_RESOLUTION[0] * _RESOLUTION[1])
)
_OF_SENTINEL1 = {
    "ALOOKS": ALOOKS,
    "RLOOKS": RLOOKS,
    "NCORRLOOKS": _INDEPENDENT_LOOKS,
    "EARTH_RADIUS": EARTH_RADIUS,
    "HEIGHT": HEIGHT,
}
_NUMBERS = {"slantRangeStart": "STARTING_RANGE", "incidenceAngle": "CENTER_INCIDENCE_ANGLE"}


def product_attributes(said: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return the attributes of a product.

    Parameters
    ----------
    said
        ``wavelength`` [m], ``slantRangeStart`` [m], ``slantRangeSpacing`` [m], ``orbitDirection``,
        ``incidenceAngle`` [degree] and ``utcTime`` (HH:MM:SS), as far as known; the mission and the
        looks by any key; and ``lookSide``, R or L. Invalid values are ignored with a warning.
    where
        Product, for a message.

    Raises
    ------
    StackFormatError
        It names two radars.
    """
    radar = stated_radar(said, where)
    attrs: dict[str, Any] = {"PROCESSOR": "isce"}
    attrs |= _OF_SENTINEL1 if radar.is_sentinel1 else {}
    attrs |= {name: value for name, value in radar.attributes().items() if name != "beam_mode"}
    attrs |= stated_looks(said, where)
    if "lookSide" in said:
        attrs["ANTENNA_SIDE"] = -1 if said["lookSide"] == "R" else 1
    for theirs, ours in _NUMBERS.items():
        if theirs in said:
            with optional(theirs, where):
                attrs[ours] = number_attribute(said, theirs)
    if "slantRangeSpacing" in said and "RLOOKS" in attrs:
        with optional("slantRangeSpacing", where):
            attrs["RANGE_PIXEL_SIZE"] = number_attribute(said, "slantRangeSpacing") * attrs["RLOOKS"]
    direction = str(said.get("orbitDirection", "")).upper()
    if direction in _HEADINGS:
        attrs["ORBIT_DIRECTION"] = direction
        attrs |= {"HEADING": _HEADINGS[direction]} if radar.is_sentinel1 else {}
    if "utcTime" in said:
        with optional("the time of day", where):
            attrs["CENTER_LINE_UTC"] = _seconds(str(said["utcTime"]))
    return attrs


def _seconds(clock: str) -> float:
    """Return the seconds of the day."""
    try:
        time = datetime.strptime(clock, "%H:%M:%S.%f" if "." in clock else "%H:%M:%S")
    except ValueError as error:
        raise StackFormatError(f"found the time {clock!r}; HH:MM:SS is needed. Correct it.") from error
    return time.hour * 3600.0 + time.minute * 60.0 + time.second + time.microsecond / 1e6
