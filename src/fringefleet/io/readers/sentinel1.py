"""Constants of Sentinel-1, under MintPy's names.

References
----------
ESA: the radar frequency is 5.405 GHz. MintPy: ``objects.sensor.SEN``, ``prep_hyp3``.
"""

from typing import Any

SPEED_OF_LIGHT = 299_792_458.0  # [m/s]
RADAR_FREQUENCY = 5.405e9  # [Hz]
RANGE_PIXEL_SIZE, AZIMUTH_PIXEL_SIZE = 2.3, 14.1  # [m], single-look
PLATFORM: dict[str, Any] = {
    "PLATFORM": "Sen",
    "ANTENNA_SIDE": -1,
    "WAVELENGTH": SPEED_OF_LIGHT / RADAR_FREQUENCY,
    "beam_mode": "IW",
}


def heading_attributes(heading: float) -> dict[str, Any]:
    """Return heading [degree from north, clockwise], from -360 to 0 as in MintPy, and orbit direction.

    Examples
    --------
    >>> heading_attributes(192.5)
    {'HEADING': -167.5, 'ORBIT_DIRECTION': 'DESCENDING'}
    """
    heading = heading % 360.0 - 360.0
    ascending = heading > -90 or heading < -270
    return {"HEADING": heading, "ORBIT_DIRECTION": "ASCENDING" if ascending else "DESCENDING"}
