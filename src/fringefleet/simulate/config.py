"""Description of a simulated scene: size, dates, pairs, coordinates and their metadata."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.declaration import documented
from fringefleet.arguments.shapes import Pixel, Shape
from fringefleet.simulate.options import SceneOptions

WAVELENGTH = 0.05546576  # [m], Sentinel-1
_FIRST_DATE = np.datetime64("2018-01-06", "s")
_REVISIT_DAYS = 12
_ANNUAL_DAYS = 365
_PIXEL_DEGREES = 0.000625
PIXEL_METRES = (69.3, 65.6)  # north, east: _PIXEL_DEGREES at latitude 19.4
_NORTH_WEST = (19.80, -99.60)  # outer corner of the first pixel, latitude and longitude [degree]
LOOKS_AZIMUTH, LOOKS_RANGE = 5, 15
LOOKS = round(LOOKS_AZIMUTH * LOOKS_RANGE / 1.94)  # independent looks: 1.94 samples per resolution cell
INCIDENCE_DEGREES, HEADING_DEGREES = 39.0, -12.0
EARTH_RADIUS, SATELLITE_HEIGHT = 6371008.8, 693000.0  # [m]
_ORBIT_RADIUS = EARTH_RADIUS + SATELLITE_HEIGHT
_LOOK_DEGREES = np.degrees(np.arcsin(EARTH_RADIUS / _ORBIT_RADIUS * np.sin(np.radians(INCIDENCE_DEGREES))))
# By the law of sines; [m], the same at all pixels.
RANGE_SINE = float(_ORBIT_RADIUS * np.sin(np.radians(INCIDENCE_DEGREES - _LOOK_DEGREES)))
_RANGE_PIXEL_METRES = 2.329562 * LOOKS_RANGE
_TILE_BYTES = 16 * 1024**2  # of the phase of all pairs in one tile
_TILE_STEP = 32


@documented
class Scene(SceneOptions):
    """Parameters of a simulated scene; the same scene always yields the same stack.

    Raises
    ------
    OptionError
        A value is not possible for a scene.

    Examples
    --------
    >>> Scene(n_date=20, shape=(96, 128), missing=0.05).n_date
    20
    """

    @cached_property
    def dates(self) -> NDArray[np.datetime64]:
        """Acquisition dates, shape (date,)."""
        return _FIRST_DATE + self.days.astype("timedelta64[D]")

    @property
    def days(self) -> NDArray[np.int64]:
        """Days since the first date, shape (date,)."""
        return _REVISIT_DAYS * np.arange(self.n_date)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs as indices (reference, secondary) into the dates, in ascending order."""
        steps = set(range(1, self.neighbours + 1))
        if self.annual:
            steps.add(round(_ANNUAL_DAYS / _REVISIT_DAYS))
        return tuple(
            (i, i + step) for i in range(self.n_date) for step in sorted(steps) if i + step < self.n_date
        )

    @property
    def reference_point(self) -> Pixel:
        """Row and column of the reference point: in a corner, where the ground hardly moves."""
        return int(0.88 * self.shape[0]), int(0.10 * self.shape[1])

    @property
    def latitude(self) -> NDArray[np.float64]:
        """Centres of the rows [degree], from north to south."""
        return _NORTH_WEST[0] - _PIXEL_DEGREES * (np.arange(self.shape[0], dtype=np.float64) + 0.5)

    @property
    def longitude(self) -> NDArray[np.float64]:
        """Centres of the columns [degree]."""
        return _NORTH_WEST[1] + _PIXEL_DEGREES * (np.arange(self.shape[1], dtype=np.float64) + 0.5)

    @property
    def tile(self) -> Shape:
        """Rows and columns of a tile, of which all pairs take about 16 MiB."""
        side = (_TILE_BYTES / (4 * len(self.pairs))) ** 0.5
        side = max(_TILE_STEP, _TILE_STEP * round(side / _TILE_STEP))
        return min(side, self.shape[0]), min(side, self.shape[1])


def mintpy_attributes(scene: Scene) -> dict[str, str]:
    """Return metadata under MintPy's names, so that an export of the stack resembles a real one."""
    row, column = scene.reference_point
    first, last = scene.dates[[0, -1]].astype("datetime64[D]").astype(str)
    middle_range = RANGE_SINE / np.sin(np.radians(INCIDENCE_DEGREES))
    values: dict[str, object] = {
        "FILE_TYPE": "ifgramStack",
        "PROCESSOR": "simulation",
        "PLATFORM": "Sen",
        "ORBIT_DIRECTION": "ASCENDING",
        "ANTENNA_SIDE": -1,
        "HEADING": HEADING_DEGREES,
        "CENTER_INCIDENCE_ANGLE": INCIDENCE_DEGREES,
        "WAVELENGTH": WAVELENGTH,
        "EARTH_RADIUS": EARTH_RADIUS,
        "HEIGHT": SATELLITE_HEIGHT,
        "STARTING_RANGE": middle_range - _RANGE_PIXEL_METRES * (scene.shape[1] - 1) / 2,
        "RANGE_PIXEL_SIZE": _RANGE_PIXEL_METRES,
        "AZIMUTH_PIXEL_SIZE": 13.94 * LOOKS_AZIMUTH,
        "ALOOKS": LOOKS_AZIMUTH,
        "RLOOKS": LOOKS_RANGE,
        "NCORRLOOKS": LOOKS,
        "START_DATE": first.replace("-", ""),
        "END_DATE": last.replace("-", ""),
        "LENGTH": scene.shape[0],
        "WIDTH": scene.shape[1],
        "REF_Y": row,
        "REF_X": column,
        "REF_LAT": scene.latitude[row],
        "REF_LON": scene.longitude[column],
        "Y_FIRST": _NORTH_WEST[0],
        "X_FIRST": _NORTH_WEST[1],
        "Y_STEP": -_PIXEL_DEGREES,
        "X_STEP": _PIXEL_DEGREES,
        "Y_UNIT": "degrees",
        "X_UNIT": "degrees",
        "EPSG": 4326,
        "UNIT": "radian",
    }
    return {name: str(value) for name, value in values.items()}
