"""Metadata files of ISCE2's topsStack: ``reference/IW*.xml``, sizes, baselines.

All under MintPy's names, as in its ``prep_isce``, as far as the files exist.

References
----------
ISCE2: ``Sensor/TOPS/BurstSLC.py`` and ``Orbit/Orbit.py`` (names, which the files have in lower case and
without blanks), ``topsStack/computeBaseline.py`` (baselines: secondary relative to reference date, a number
for each swath). MintPy: ``isce_utils.extract_tops_metadata``, ``extract_multilook_number``,
``read_baseline_timeseries``.
"""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import optional
from fringefleet.io.files.folder import find_files
from fringefleet.io.files.text_file import parse_xml, read_text_file
from fringefleet.io.mintpy.metadata import number_attribute
from fringefleet.io.readers.radar import stated_radar
from fringefleet.io.readers.sentinel1 import heading_attributes

_PAIR = re.compile(r"(\d{8})_(\d{8})")
_BASELINE = re.compile(r"^Bperp \(average\):(.*)$", re.MULTILINE)
# ISCE's names of numbers that are copied unchanged.
_NUMBERS = {
    "startingrange": "STARTING_RANGE",
    "rangepixelsize": "RANGE_PIXEL_SIZE",
    "pulserepetitionfrequency": "PRF",
    "tracknumber": "relative_orbit",
}
_RADAR = ("mission", "spacecraftname", "radarwavelength", "radarfrequency")
_WORDS = {"passdirection": "ORBIT_DIRECTION", "polarization": "POLARIZATION"}
_AXES = (6378137.0, 6356752.314245)  # [m], WGS 84


def tops_attributes(folder: Path) -> dict[str, Any]:
    """Read the first swath of the reference date, and the looks.

    Parameters
    ----------
    folder
        Work directory of topsStack, with ``reference/`` and ``merged/geom_reference/``. Without
        ``reference/IW*.xml`` little is known except the processor: not even the platform, which the mission
        named there proves, or else the wavelength.

    Raises
    ------
    StackFormatError
        The metadata name two radars.
    """
    attrs: dict[str, Any] = {"PROCESSOR": "isce"}
    geometry = folder / "merged" / "geom_reference"
    looks = None
    with optional("the number of looks", geometry):
        looks = _looks(geometry)
    attrs |= {} if looks is None else {"ALOOKS": looks[0], "RLOOKS": looks[1]}
    path = next(iter(find_files(folder / "reference", "IW*.xml")), None)
    root = None
    if path is not None:
        with optional("the metadata of the reference date", path):
            root = _parse(path)
    if path is None or root is None:
        return attrs
    said = {name: _property(root, name) for name in _RADAR}
    attrs |= stated_radar({name: text for name, text in said.items() if text}, path).attributes()
    attrs |= _swath(root, path)
    with optional("orbit and pixel size", path):
        attrs |= _orbit(root)
    if looks is not None:  # sizes of single-look pixels become those of the images
        for name, number in zip(("AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE"), looks, strict=True):
            attrs |= {name: attrs[name] * number} if name in attrs else {}
    return attrs


def tops_baselines(folder: Path) -> dict[str, float]:
    """Read the perpendicular baseline [m] of every date relative to a common date.

    Parameters
    ----------
    folder
        ``baselines/``, with ``20200101_20200113/20200101_20200113.txt`` and so on, of one common first
            date; files with another one, left by another run, are ignored.

        A file that cannot be read, or has no baseline, is ignored with a warning.
    """
    files = {path: _PAIR.fullmatch(path.stem) for path in find_files(folder, "*/*.txt")}
    dates = {path: (match[1], match[2]) for path, match in files.items() if match}
    if not dates:
        return {}
    common = Counter(first for first, _ in dates.values()).most_common(1)[0][0]
    found = {common: 0.0}
    for path, (first, second) in dates.items():
        if first == common:
            with optional("the baseline of a date", path):
                found[second] = _read_baseline(path)
    return found


def _read_baseline(path: Path) -> float:
    try:
        numbers = [float(text) for text in _BASELINE.findall(read_text_file(path))]
    except ValueError as error:
        raise StackFormatError(
            f"the file {path} cannot be read ({error}). Create it again, or remove it."
        ) from error
    if not numbers:
        raise StackFormatError(
            f"found no line 'Bperp (average): ...' in {path}. Create it again, or remove it."
        )
    return sum(numbers) / len(numbers)


def _parse(path: Path) -> ET.Element:
    return parse_xml(read_text_file(path), str(path))


def _property(element: ET.Element, name: str) -> str | None:
    """Find the first property with a name, at any depth."""
    for found in element.iter("property"):
        if found.get("name", "").lower() == name:
            return (found.findtext("value") or "").strip()
    return None


def _swath(root: ET.Element, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, ours in (_NUMBERS | _WORDS).items():
        value = _property(root, name)
        if value is None:
            continue
        with optional(ours, path):
            found[ours] = value.upper() if name in _WORDS else number_attribute({name: value}, name)
    if "relative_orbit" in found:
        found["relative_orbit"] = round(found["relative_orbit"])
    return found


def _orbit(root: ET.Element) -> dict[str, Any]:
    """Return heading, height and azimuth pixel size, from the middle of the orbit."""
    orbit = next((part for part in root.iter("component") if part.get("name", "").lower() == "orbit"), None)
    if orbit is None:
        return {}
    states = [part for part in orbit.iter("component") if part.find("property[@name='velocity']") is not None]
    if not states:
        return {}
    middle = states[len(states) // 2]
    position, velocity = (_vector(_property(middle, name) or "") for name in ("position", "velocity"))
    found = _place(position, velocity)
    interval = _property(root, "azimuthtimeinterval")
    if interval is not None:
        seconds = number_attribute({"azimuthtimeinterval": interval}, "azimuthtimeinterval")
        found["AZIMUTH_PIXEL_SIZE"] = float(np.linalg.norm(velocity)) * seconds
    return found


def _vector(text: str) -> NDArray[np.float64]:
    try:
        values = np.array([float(number) for number in text.strip("[] ").split(",")])
    except ValueError as error:
        raise StackFormatError(f"found the state vector {text!r}; three numbers are needed.") from error
    if values.shape != (3,):
        raise StackFormatError(f"found the state vector {text!r}; three numbers are needed.")
    return values


def _place(position: NDArray[np.float64], velocity: NDArray[np.float64]) -> dict[str, Any]:
    """Return heading, height and the Earth's radius along the track, from an Earth-fixed state [m]."""
    transformer = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
    longitude, latitude, height = transformer.transform(*position.tolist())
    east, north = _horizontal(velocity, math.radians(longitude), math.radians(latitude))
    heading = math.atan2(east, north)
    radius = _radius(math.radians(latitude), heading)
    return {**heading_attributes(math.degrees(heading)), "EARTH_RADIUS": radius, "HEIGHT": height}


def _horizontal(velocity: NDArray[np.float64], longitude: float, latitude: float) -> tuple[float, float]:
    x, y, z = velocity.tolist()
    east = -math.sin(longitude) * x + math.cos(longitude) * y
    outwards = math.cos(longitude) * x + math.sin(longitude) * y
    return east, math.cos(latitude) * z - math.sin(latitude) * outwards


def _radius(latitude: float, heading: float) -> float:
    """Return the radius of curvature of the ellipsoid in a direction [m] (Euler)."""
    a, b = _AXES
    squared = 1 - (b / a) ** 2
    root = math.sqrt(1 - squared * math.sin(latitude) ** 2)
    meridian, vertical = a * (1 - squared) / root**3, a / root
    return 1 / (math.cos(heading) ** 2 / meridian + math.sin(heading) ** 2 / vertical)


def _looks(folder: Path) -> tuple[int, int] | None:
    """Derive the looks in azimuth and range from the sizes of a geometry file in full and multilooked."""
    for name in ("hgt", "lat", "lon", "los"):
        full, few = folder / f"{name}.rdr.full", folder / f"{name}.rdr"
        if (large := _size(full)) and (small := _size(few)):
            looks = large[0] // small[0], large[1] // small[1]
            if min(looks) < 1:
                raise StackFormatError(f"found {full} of {large} and {few} of {small} rows and columns")
            return looks
    return None


def _size(image: Path) -> Shape | None:
    """Return rows and columns of an image from its header; None where there is none."""
    xml, vrt = image.with_name(image.name + ".xml"), image.with_name(image.name + ".vrt")
    if xml.is_file():
        root = _parse(xml)
        said = {name: _property(root, name) for name in ("length", "width")}
    elif vrt.is_file():
        root = _parse(vrt)
        said = {"length": root.get("rasterYSize"), "width": root.get("rasterXSize")}
    else:
        return None
    try:
        return int(said["length"] or ""), int(said["width"] or "")
    except ValueError as error:
        raise StackFormatError(
            f"found no length and width in the header of {image}. Create it again."
        ) from error
