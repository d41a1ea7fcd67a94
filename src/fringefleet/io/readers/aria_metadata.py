"""Attributes of a GUNW product by MintPy's names, whether it says so itself or ARIA-tools does.

References
----------
MintPy: ``prep_aria.extract_metadata``, whose constants these are: all products have the same looks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.metadata import number_attribute
from fringefleet.io.readers.sentinel1 import AZIMUTH_PIXEL_SIZE, RANGE_PIXEL_SIZE

ALOOKS, RLOOKS = 7, 19
RESOLUTION = (22.7, 3.1)  # [m], azimuth and range, of the middle swath
EARTH_RADIUS, HEIGHT = 6337286.638938101, 693000.0  # [m]
HEADINGS = {"ASCENDING": -12.0, "DESCENDING": -168.0}  # [degree]
INDEPENDENT_LOOKS = ALOOKS * RLOOKS * AZIMUTH_PIXEL_SIZE * RANGE_PIXEL_SIZE / (RESOLUTION[0] * RESOLUTION[1])


def product_attributes(said: Mapping[str, Any]) -> dict[str, Any]:
    """Name what a product says.

    Parameters
    ----------
    said
        ``wavelength`` [m], ``slantRangeStart`` [m], ``slantRangeSpacing`` [m], ``orbitDirection``,
        ``incidenceAngle`` [degree] and ``utcTime`` (HH:MM:SS), as far as they are known.

    Raises
    ------
    StackFormatError
        A number or the time cannot be read.
    """
    attrs: dict[str, Any] = {
        "PROCESSOR": "isce",
        "PLATFORM": "Sen",
        "ANTENNA_SIDE": -1,
        "ALOOKS": ALOOKS,
        "RLOOKS": RLOOKS,
        "NCORRLOOKS": INDEPENDENT_LOOKS,
        "EARTH_RADIUS": EARTH_RADIUS,
        "HEIGHT": HEIGHT,
    }
    names = {
        "wavelength": "WAVELENGTH",
        "slantRangeStart": "STARTING_RANGE",
        "incidenceAngle": "CENTER_INCIDENCE_ANGLE",
    }
    attrs |= {ours: number_attribute(said, theirs) for theirs, ours in names.items() if theirs in said}
    if "slantRangeSpacing" in said:
        attrs["RANGE_PIXEL_SIZE"] = number_attribute(said, "slantRangeSpacing") * RLOOKS
    direction = str(said.get("orbitDirection", "")).upper()
    if direction in HEADINGS:
        attrs |= {"ORBIT_DIRECTION": direction, "HEADING": HEADINGS[direction]}
    if "utcTime" in said:
        attrs["CENTER_LINE_UTC"] = _seconds(str(said["utcTime"]))
    return attrs


def _seconds(clock: str) -> float:
    """Seconds of the day."""
    try:
        time = datetime.strptime(clock, "%H:%M:%S.%f" if "." in clock else "%H:%M:%S")
    except ValueError as error:
        raise StackFormatError(f"found the time {clock!r}; HH:MM:SS is needed. Correct it.") from error
    return time.hour * 3600.0 + time.minute * 60.0 + time.second + time.microsecond / 1e6
