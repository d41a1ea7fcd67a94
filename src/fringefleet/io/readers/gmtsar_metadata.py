"""Metadata files of GMTSAR: ``*.PRM``, ``baseline_table.dat`` and the configuration.

All under MintPy's names, as in its ``prep_gmtsar``, as far as the files exist; none contains the heading.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import optional
from fringefleet.io.files.folder import find_files
from fringefleet.io.files.text_file import read_text_file
from fringefleet.io.mintpy.geometry import incidence_attribute
from fringefleet.io.mintpy.metadata import number_attribute, positive_attribute
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.radar import Radar, one_radar, stated_radar
from fringefleet.io.readers.sentinel1 import SPEED_OF_LIGHT

_SAME_AS_LOOKS = 0.3  # of the wavelength of the Gaussian filter; MintPy: prep_gmtsar, from X. Xu
_NUMBERS = {
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


def image_attributes(root: Path, folders: Sequence[Path], grid: Grid | None) -> list[dict[str, Any]]:
    """Read the parameters of the first image, the looks, and the radar of every pair.

    Parameters
    ----------
    root
        Folder of the pairs.
    folders
        Folders of the pairs. The first ``*.PRM`` in them is that of the stack; without one only the
        processor is known.
    grid
        Grid in radar geometry, for the middle of the swath; None for the whole swath.

    Returns
    -------
    list of dict
        Attributes of every pair. Invalid values are ignored with a warning.

    Raises
    ------
    StackFormatError
        The parameters of a pair are of two radars.
    """
    parameters = [
        {path: _read_parameters(path) for path in find_files(folder, "*.PRM")} for folder in folders
    ]
    attrs: dict[str, Any] = {"PROCESSOR": "gmtsar"}
    path, said = next((item for of_pair in parameters for item in of_pair.items()), (root, {}))
    for theirs, ours in _NUMBERS.items():
        if theirs in said:
            with optional(theirs, path):
                attrs[ours] = number_attribute(said, theirs)
    with optional("the time of day", path):
        attrs |= _time_of_day(said)
    with optional("the sizes of a pixel", path):
        attrs |= _pixel_sizes(said, _filter_wavelength(root))
    with optional("the incidence angle", path):
        attrs |= _incidence(said, grid)
    attrs |= _words(said) | _radar({path: said})
    return [attrs | _radar(of_pair) for of_pair in parameters]


def _read_parameters(path: Path) -> dict[str, str]:
    with optional("the parameters of an image", path):
        return _read_assignments(path)
    return {}


def _radar(parameters: Mapping[Path, Mapping[str, str]]) -> dict[str, Any]:
    """Identify the radar of the images of a pair. Several have Sentinel-1's frequency: it proves nothing."""
    radars: dict[str, Radar] = {}
    for path, said in parameters.items():
        number = said.get("SC_identity", "").strip()
        is_known = number.isdecimal() and 1 <= int(number) <= len(_PLATFORMS)
        missions = {f"SC_identity = {number}": _PLATFORMS[int(number) - 1]} if is_known else {}
        stated = {name: said[name] for name in ("radar_wavelength", "radar_frequency") if name in said}
        radars[path.name] = stated_radar(stated, path, missions=missions)
    radar = one_radar(radars, next(iter(parameters), Path()).parent)
    wanted = ("PLATFORM", "WAVELENGTH") if radar.platform else ("WAVELENGTH",)
    return {name: value for name, value in radar.attributes().items() if name in wanted and radars}


def baselines_of_dates(root: Path) -> dict[date, float]:
    """Read the perpendicular baseline [m] of every date from ``baseline_table.dat``.

    Its lines have a name, the time as YYYYDDD.fraction (days from 0), days, and two baselines: parallel,
    perpendicular. Any other line is ignored with a warning.
    """
    places = (root, root.parent, root.parent / "raw", root.parent / "SBAS")
    path = next(
        (place / "baseline_table.dat" for place in places if (place / "baseline_table.dat").is_file()), None
    )
    if path is None:
        return {}
    lines: list[str] = []
    with optional("the baselines", path):
        lines = read_text_file(path).splitlines()
    found = {}
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        with optional("a line of the baselines", f"{line[:60]!r} of {path}"):
            if len(words) < 5:
                raise StackFormatError("found fewer than five columns")
            when, baseline = words[1], number_attribute({"baseline": words[4]}, "baseline")
            found[date(int(when[:4]), 1, 1) + timedelta(days=int(when[4:7]))] = baseline
    return found


def _read_assignments(path: Path) -> dict[str, str]:
    """Read lines such as ``radar_wavelength = 0.0554658``."""
    lines = (line.partition("#")[0].partition("=") for line in read_text_file(path).splitlines())
    return {name.strip(): value.strip() for name, mark, value in lines if mark}


def _filter_wavelength(root: Path) -> float | None:
    """Find the length of the Gaussian filter [m] in the configuration next to the pairs."""
    for path in _configurations((root, root.parent)):
        with optional("the length of the filter, which determines the looks", path):
            said = _read_assignments(path)
            if said.get("filter_wavelength"):
                return positive_attribute(said, "filter_wavelength")
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
    return found


def _time_of_day(said: Mapping[str, str]) -> dict[str, Any]:
    if "SC_clock_start" not in said or "SC_clock_stop" not in said:
        return {}
    middle = sum(number_attribute(said, name) for name in ("SC_clock_start", "SC_clock_stop")) / 2
    return {"CENTER_LINE_UTC": middle % 1 * 86400}


def _positive(said: Mapping[str, str], *names: str) -> list[float] | None:
    """Read numbers that must be positive; None where one of them is missing."""
    if not set(names) <= set(said):
        return None
    values = [number_attribute(said, name) for name in names]
    for name, value in zip(names, values, strict=True):
        if value <= 0:
            raise StackFormatError(f"found {name} = {said[name]}; a positive number is needed. Correct it.")
    return values


def _pixel_sizes(said: Mapping[str, str], wavelength: float | None) -> dict[str, Any]:
    """Return the sizes of a pixel [m] and, where the filter is known, the equivalent number of looks."""
    numbers = _positive(said, "rng_samp_rate", "SC_vel", "PRF", "earth_radius", "SC_height")
    if numbers is None:
        return {}
    rate, speed, frequency, radius, height = numbers
    along, across = speed / frequency * radius / (radius + height), SPEED_OF_LIGHT / rate / 2
    if wavelength is None:
        return {"AZIMUTH_PIXEL_SIZE": along, "RANGE_PIXEL_SIZE": across}
    looks = [max(1, round(_SAME_AS_LOOKS * wavelength / size)) for size in (along, across)]
    return {
        "ALOOKS": looks[0],
        "RLOOKS": looks[1],
        "AZIMUTH_PIXEL_SIZE": along * looks[0],
        "RANGE_PIXEL_SIZE": across * looks[1],
    }


def _incidence(said: Mapping[str, str], grid: Grid | None) -> dict[str, Any]:
    """Return the incidence angle in the middle of the swath [degree], on a sphere."""
    numbers = _positive(said, "near_range", "rng_samp_rate", "earth_radius", "SC_height", "num_rng_bins")
    if numbers is None:
        return {}
    near, rate, radius, height, n_bin = numbers
    middle = n_bin / 2
    if grid is not None and grid.corner is not None and grid.step is not None:
        middle = grid.corner[1] + grid.step[1] * grid.shape[1] / 2
    distance = near + middle * SPEED_OF_LIGHT / rate / 2
    return incidence_attribute(radius, height, distance)
