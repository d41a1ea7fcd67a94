"""What GMTSAR writes besides the grids: ``*.PRM``, ``baseline_table.dat`` and the configuration.

All by MintPy's names, as its ``prep_gmtsar`` has them, as far as the files are there; the heading is in none.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.folder import find_files
from fringefleet.io.geometry import incidence_attribute
from fringefleet.io.metadata import number_attribute
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.sentinel1 import SPEED_OF_LIGHT
from fringefleet.io.text_file import read_text_file

SAME_AS_LOOKS = 0.3  # of the wavelength of the Gaussian filter; MintPy: prep_gmtsar, from X. Xu
_NUMBERS = {
    "radar_wavelength": "WAVELENGTH",
    "near_range": "STARTING_RANGE",
    "earth_radius": "EARTH_RADIUS",
    "SC_height": "HEIGHT",
    "PRF": "PRF",
}
_PLATFORMS = (
    "Ers",
    "Ers",
    "Rs1",
    "Env",
    "Alos",
    "Tsx",
    "Csk",
    "Csk",
    "Rs2",
    "Sen",
    "Gf3",
    "Lt1",
)  # SC_identity


def image_attributes(root: Path, folders: Sequence[Path], grid: Grid | None) -> dict[str, Any]:
    """Read the parameters of the first image, and the looks.

    Parameters
    ----------
    root
        The folder of the pairs.
    folders
        The pairs; the first ``*.PRM`` in them is read. Without one only the processor is known.
    grid
        In radar geometry, from which the middle of the swath follows; None for the whole swath.

    Raises
    ------
    StackFormatError
        A number cannot be read.
    """
    attrs: dict[str, Any] = {"PROCESSOR": "gmtsar"}
    path = next((path for folder in folders for path in find_files(folder, "*.PRM")), None)
    if path is None:
        return attrs
    said = _read_assignments(path)
    try:
        attrs |= {ours: number_attribute(said, name) for name, ours in _NUMBERS.items() if name in said}
        attrs |= _words(said) | _pixel_sizes(said, _filter_wavelength(root)) | _incidence(said, grid)
    except StackFormatError as error:
        raise StackFormatError(f"{path}: {error}") from error
    return attrs


def baselines_of_dates(root: Path) -> dict[date, float]:
    """Read the perpendicular baseline [m] of every date from ``baseline_table.dat``.

    Its lines have a name, the time as YYYYDDD.fraction (days from 0), days, and two baselines: parallel,
    perpendicular.

    Raises
    ------
    StackFormatError
        A line has something else.
    """
    places = (root, root.parent, root.parent / "raw", root.parent / "SBAS")
    path = next(
        (place / "baseline_table.dat" for place in places if (place / "baseline_table.dat").is_file()), None
    )
    if path is None:
        return {}
    found = {}
    for line in read_text_file(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            when, baseline = words[1], float(words[4])
            found[date(int(when[:4]), 1, 1) + timedelta(days=int(when[4:7]))] = baseline
        except (ValueError, IndexError) as error:
            raise StackFormatError(
                f"found the line {line!r} in {path}; a name, YYYYDDD.fraction, days, parallel and "
                "perpendicular baseline are needed. Make it again, or remove it to do without baselines."
            ) from error
    return found


def _read_assignments(path: Path) -> dict[str, str]:
    """Read lines such as ``radar_wavelength = 0.0554658``."""
    lines = (line.partition("#")[0].partition("=") for line in read_text_file(path).splitlines())
    return {name.strip(): value.strip() for name, mark, value in lines if mark}


def _filter_wavelength(root: Path) -> float | None:
    """Find the length of the Gaussian filter [m] in the configuration beside the pairs."""
    for path in _configurations((root, root.parent)):
        said = _read_assignments(path)
        if said.get("filter_wavelength"):
            try:
                return number_attribute(said, "filter_wavelength")
            except StackFormatError as error:
                raise StackFormatError(f"{path}: {error}") from error
    return None


def _configurations(places: Iterable[Path]) -> list[Path]:
    return [
        path for place in places for name in ("config*.txt", "*.config") for path in find_files(place, name)
    ]


def _words(said: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if said.get("lookdir"):
        found["ANTENNA_SIDE"] = -1 if said["lookdir"].upper() == "R" else 1
    if said.get("orbdir"):
        found["ORBIT_DIRECTION"] = "ASCENDING" if said["orbdir"].upper() == "A" else "DESCENDING"
    identity = said.get("SC_identity", "")
    if identity.isdigit() and 1 <= int(identity) <= len(_PLATFORMS):
        found["PLATFORM"] = _PLATFORMS[int(identity) - 1]
    if "SC_clock_start" in said and "SC_clock_stop" in said:
        middle = sum(number_attribute(said, name) for name in ("SC_clock_start", "SC_clock_stop")) / 2
        found["CENTER_LINE_UTC"] = middle % 1 * 86400
    return found


def _positive(said: Mapping[str, str], *names: str) -> list[float] | None:
    """Read numbers of which none may be 0; None where one of them is missing."""
    if not set(names) <= set(said):
        return None
    values = [number_attribute(said, name) for name in names]
    for name, value in zip(names, values, strict=True):
        if value <= 0:
            raise StackFormatError(f"found {name} = {said[name]}; a positive number is needed. Correct it.")
    return values


def _pixel_sizes(said: Mapping[str, str], wavelength: float | None) -> dict[str, Any]:
    """Sizes of a pixel [m] and, where the filter is known, how many looks it is worth."""
    numbers = _positive(said, "rng_samp_rate", "SC_vel", "PRF", "earth_radius", "SC_height")
    if numbers is None:
        return {}
    rate, speed, frequency, radius, height = numbers
    along, across = speed / frequency * radius / (radius + height), SPEED_OF_LIGHT / rate / 2
    if wavelength is None:
        return {"AZIMUTH_PIXEL_SIZE": along, "RANGE_PIXEL_SIZE": across}
    looks = [max(1, round(SAME_AS_LOOKS * wavelength / size)) for size in (along, across)]
    return {
        "ALOOKS": looks[0],
        "RLOOKS": looks[1],
        "AZIMUTH_PIXEL_SIZE": along * looks[0],
        "RANGE_PIXEL_SIZE": across * looks[1],
    }


def _incidence(said: Mapping[str, str], grid: Grid | None) -> dict[str, Any]:
    """Incidence angle in the middle of the swath [degree], on a sphere."""
    numbers = _positive(said, "near_range", "rng_samp_rate", "earth_radius", "SC_height", "num_rng_bins")
    if numbers is None:
        return {}
    near, rate, radius, height, n_bin = numbers
    middle = n_bin / 2
    if grid is not None and grid.corner is not None and grid.step is not None:
        middle = grid.corner[1] + grid.step[1] * grid.shape[1] / 2
    distance = near + middle * SPEED_OF_LIGHT / rate / 2
    return incidence_attribute(radius, height, distance)
