"""Unit and CRS of a grid: one classifier for all formats that are read and written.

The statements of a source - a CRS, the unit of an axis, or nothing - have to be consistent with each other
and with the numbers: a latitude of 4,100,000 is impossible, and so is a pixel of a millimetre. Where they
are not, unit and CRS are treated as unknown, with a warning; nothing is made up. The coordinates keep their
numbers, and the attributes of the source are unchanged, because the inversion needs no position.

Spelling varies: MintPy takes anything that begins with ``deg`` for degrees (``deg`` of GAMMA, ``degree`` of
NISAR, ``degrees``, ROI_PAC's ``degres``), CF has ``degrees_north`` and others; a metre is ``m``, ``meter``,
``meters``, ``metre``. A file of MintPy or ROI_PAC without a unit is in degrees.

References
----------
MintPy: ``prep_gamma``, ``prep_nisar``, ``readfile.read_gdal_vrt``, ``tropo_pyaps3.get_bounding_box``. CF
conventions 1.11, 4.1 and 4.2: units of latitude and longitude.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pyproj import CRS

from fringefleet.arguments.shapes import Shape

DEGREES, METRES, KILOMETRES, _FEET, NUMBERS = "degrees", "m", "km", "feet", "1"
_SPELLINGS = {
    METRES: ("m", "meter", "meters", "metre", "metres"),
    KILOMETRES: ("km", "kilometer", "kilometers", "kilometre", "kilometres"),
    _FEET: ("ft", "foot", "feet", "us survey foot", "us_survey_foot", "us-ft", "ftus"),
    NUMBERS: ("1", "pixel", "pixels"),
    DEGREES: ("°", "decimal degrees", "decimal_degrees"),
}
_UNIT_OF = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_NOTHING = ("", "none", "null", "nan", "unknown")
_LIMITS = {"latitude": 90.0, "longitude": 540.0}  # [degree]; continued across the date line
_LARGEST_DEGREES = 1.0  # [degree] of a pixel of unknown unit; larger ones are in another unit
_SMALLEST_METRES = 0.01  # [m] of a pixel; smaller ones are in another unit


@dataclass(frozen=True)
class Raster:
    """Grid in numbers without unit: outer corner of the first pixel, signed steps, rows, columns."""

    corner: tuple[float, float]  # y, x
    step: tuple[float, float]
    shape: Shape

    def not_geographic(self) -> list[str]:
        """List the numbers that cannot be latitude or longitude; empty if all can."""
        found = []
        for axis, (name, limit), first, step, size in zip(
            "yx", _LIMITS.items(), self.corner, self.step, self.shape, strict=True
        ):
            low, high = sorted((first, first + step * size))
            if not max(abs(low), abs(high)) <= limit + abs(step):
                found.append(f"{axis} from {low:.10g} to {high:.10g} is not a {name}")
        return found


@dataclass(frozen=True)
class Georeference:
    """Unit and CRS of a grid, as far as known.

    Attributes
    ----------
    unit
        ``degrees``, ``m``, ``km`` or ``feet``, or an unknown unit as spelled; None where not known.
    crs
        CRS, or None.
    doubt
        Contradiction that makes both unknown, if any.
    """

    unit: str | None = None
    crs: CRS | None = None
    doubt: str = ""


def attribute_text(value: object) -> str:
    """Read an attribute that should be text; bytes, or either in an array, are accepted.

    Examples
    --------
    >>> [attribute_text(value) for value in (" m ", b"m", ["m"], None)]
    ['m', 'm', 'm', '']
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return "" if value is None else str(value).strip()


def axis_unit(said: object) -> str | None:
    """Normalise the unit of an axis; an unknown one is returned as spelled.

    Examples
    --------
    >>> [axis_unit(text) for text in ("deg", "degres", "Degree_North", "metre", " ", "furlong")]
    ['degrees', 'degrees', 'degrees', 'm', None, 'furlong']
    """
    text = attribute_text(said)
    plain = text.lower().strip("[]()")
    if plain in _NOTHING:
        return None
    return DEGREES if plain.startswith("deg") else _UNIT_OF.get(plain, text)


def crs_unit(crs: CRS) -> str | None:
    """Return the unit of the axes of a CRS; None if it has none.

    Examples
    --------
    >>> crs_unit(CRS.from_epsg(4326)), crs_unit(CRS.from_epsg(32614)), crs_unit(CRS.from_epsg(2229))
    ('degrees', 'm', 'feet')
    """
    return axis_unit(crs.axis_info[0].unit_name) if crs.axis_info else None


def georeference(
    raster: Raster,
    said: Iterable[object] = (),
    crs: CRS | None = None,
    *,
    unsaid: Literal["degrees"] | None = None,
) -> Georeference:
    """Determine the unit and the CRS of a grid.

    Parameters
    ----------
    raster
        Corner, steps and shape.
    said
        Units of the axes as spelled; None or an empty text where missing.
    crs
        CRS, if given.
    unsaid
        Unit where neither gives one, if the numbers allow it: degrees in MintPy's and ROI_PAC's files.

    Returns
    -------
    Georeference
        Degrees without a CRS are those of WGS 84.

    Examples
    --------
    >>> mexico = Raster((19.8, -99.6), (-0.001, 0.001), (9, 9))
    >>> georeference(mexico, ["deg", "deg"]).crs.to_epsg(), georeference(mexico).unit
    (4326, None)
    >>> georeference(mexico, ["m", "m"]).doubt
    'they are in metres, but a pixel of 0.001 m is too small for a radar'
    """
    units = {unit for text in said if (unit := axis_unit(text)) not in (None, NUMBERS)}
    if crs is not None and (of_crs := crs_unit(crs)) is not None:
        units.add(of_crs)
    if len(units) > 1:
        return Georeference(doubt=f"they are in {' and in '.join(sorted(units))} at the same time")
    unit = next(iter(units), None)
    if (
        unit is None
        and unsaid
        and not raster.not_geographic()
        and max(map(abs, raster.step)) <= _LARGEST_DEGREES
    ):
        unit = unsaid
    if doubt := _doubt(raster, unit):
        return Georeference(doubt=doubt)
    return Georeference(unit, CRS.from_epsg(4326) if unit == DEGREES and crs is None else crs)


def _doubt(raster: Raster, unit: str | None) -> str:
    """Describe which numbers are impossible in this unit."""
    if unit == DEGREES and (wrong := raster.not_geographic()):
        return f"they are in degrees, but {', '.join(wrong)}"
    smallest = min(map(abs, raster.step))
    if unit == METRES and smallest < _SMALLEST_METRES:
        return f"they are in metres, but a pixel of {smallest:.4g} m is too small for a radar"
    return ""


def axis_attributes(place: Georeference, axis: str) -> dict[str, str]:
    """Return CF attributes of the coordinate ``y`` or ``x``, without an unknown unit or standard name."""
    crs = place.crs
    if place.unit == DEGREES:
        name, unit = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}[axis]
        return {"standard_name": name, "long_name": name, "units": unit}
    known = {} if place.unit is None else {"units": place.unit}
    if crs is None or not crs.is_projected:
        return {"long_name": f"{axis} coordinate"} | known
    if place.unit == _FEET:
        known = {"units": crs.axis_info[0].unit_name.replace(" ", "_")}
    name = f"projection_{axis}_coordinate"
    return {"standard_name": name, "long_name": name.replace("_", " ")} | known


def place_attributes(place: Georeference) -> dict[str, Any]:
    """Return unit and CRS as attributes with MintPy's names, in the spelling of most of its files."""
    unit = {DEGREES: "degrees", METRES: "meters"}.get(place.unit or "", place.unit)
    codes = {} if place.crs is None else {"EPSG": place.crs.to_epsg(), "UTM_ZONE": place.crs.utm_zone}
    found = {"Y_UNIT": unit, "X_UNIT": unit} | codes
    return {name: value for name, value in found.items() if value is not None}
