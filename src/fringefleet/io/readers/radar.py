"""Identification of a product's radar: statements in the product, proof of the platform, and contradictions.

A platform's constants may be used only where the product proves the platform: by the name of a granule, a
field for the mission, or the radar frequency. A wavelength in the product takes precedence over any constant.
What is not proven is not assumed: an inversion that needs it asks for ``--wavelength`` or ``--looks``.

References
----------
The names are MintPy's (``objects.sensor``); the bands are those of the agencies.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import leave_out, optional
from fringefleet.io.mintpy.metadata import positive_attribute
from fringefleet.io.readers.sentinel1 import PLATFORM, RADAR_FREQUENCY, SPEED_OF_LIGHT
from fringefleet.observation.units import LONGEST_WAVELENGTH, SHORTEST_WAVELENGTH

SENTINEL1 = "Sen"
_SAME = 0.01  # relative tolerance of two wavelengths of one radar, which are rounded
_EXACT = 0.001  # relative tolerance of a frequency that proves Sentinel-1
_UNITS = {"": 1.0, "hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "m": 1.0, "cm": 1e-2, "mm": 1e-3}
_BANDS = {"P": (0.4, 0.5), "L": (1.15, 1.4), "S": (2.9, 3.5), "C": (5.2, 5.5), "X": (9.2, 10.1)}  # [GHz]
_GRANULE = re.compile(r"S1([A-D]_(IW|EW|WV|S[1-6])|_\d{6}_IW[1-3])_")  # SAOCOM's begin with S1A, too
# Names reduced to letters and digits, in lower case.
_PLATFORMS: dict[str, tuple[str, str]] = {
    SENTINEL1: (r"(s|sen|sent|sentinel)1[abcd]?|sen|sentinel", "C"),
    "Ers": (r"ers[12]?|ers12", "C"),
    "Env": (r"env|envi|envisat|asar|asa", "C"),
    "Rs1": (r"rs1|rsat1?|radarsat1?", "C"),
    "Rs2": (r"rs2|rsat2|radarsat2", "C"),
    "Rcm": (r"rcm[123]?|rsatc|radarsatconstellation(mission)?", "C"),
    "Gf3": (r"gf3[abc]?|gaofen3?|gaofen3[abc]", "C"),
    "Alos": (r"alos1?|palsar1?|alpsrp\w*", "L"),
    "Alos2": (r"alos2\d*|palsar2", "L"),
    "Alos4": (r"alos4|palsar3", "L"),
    "Jers": (r"jers1?", "L"),
    "Saocom": (r"sao(com)?(1[ab])?", "L"),
    "Lt1": (r"lt1[ab]?|lutan1?[ab]?", "L"),
    "Ni": (r"ni|nisar", "LS"),
    "Uav": (r"uav|uavsar", "PL"),
    "Bio": (r"bio|biomass", "P"),
    "Hj1c": (r"hj1c?|huanjing1c", "S"),
    "Novasar": (r"novasar1?", "S"),
    "Tsx": (r"t[sd]x1?|terrasarx?|tandemx|paz1?", "X"),
    "Csk": (r"csk[s1234]*|cos|cosmo(skymed)?[1234]?|csg[12]?", "X"),
    "Ksat5": (r"ksat5|kompsat5?|kmps5", "X"),
    "Iceye": (r"iceye\w*", "X"),
}
# Keys in the files of processors, reduced to letters and digits, in lower case.
_FREQUENCY = ("radarfreq", "radarfrequency", "centerfrequency", "centrefrequency", "carrierfrequency")
_WAVELENGTH = ("wavelength", "radarwavelength", "wavelengthm")
_MISSION = (
    *("platform", "platformname", "mission", "missionid", "missionname", "satellite", "satellitename"),
    *("sensor", "sensorname", "spacecraft", "spacecraftname"),
)
_LOOKS = {
    "rlooks": "RLOOKS",
    "rangelooks": "RLOOKS",
    "numberrangelooks": "RLOOKS",
    "numberofrangelooks": "RLOOKS",
    "alooks": "ALOOKS",
    "azimuthlooks": "ALOOKS",
    "numberazimuthlooks": "ALOOKS",
    "numberofazimuthlooks": "ALOOKS",
    "ncorrlooks": "NCORRLOOKS",
}
_NOTHING = ("", "none", "null", "nan", "unknown", "n/a", "na", "-")  # words for no value


@dataclass(frozen=True)
class Radar:
    """Statements of a product about its radar.

    ``missions``, ``wavelengths`` [m]: the statement of each key, or part of a name. ``is_clear``: whether no
    statement was ignored as invalid.
    """

    missions: Mapping[str, str] = field(default_factory=dict)
    wavelengths: Mapping[str, float] = field(default_factory=dict)
    is_clear: bool = True

    @property
    def platform(self) -> str | None:
        """MintPy's name of the platform, or the product's own word for an unknown one."""
        return next(map(platform_name, self.missions.values()), None)

    @property
    def wavelength(self) -> float | None:
        """Stated wavelength [m]."""
        return next(iter(self.wavelengths.values()), None)

    @property
    def is_sentinel1(self) -> bool:
        """Whether the mission proves it; or, where none is named, the frequency."""
        if self.platform is None and self.wavelength is not None:
            return math.isclose(SPEED_OF_LIGHT / self.wavelength, RADAR_FREQUENCY, rel_tol=_EXACT)
        return self.platform == SENTINEL1

    def attributes(self) -> dict[str, Any]:
        """Return what is known under MintPy's names, with the constants of Sentinel-1 only where proven.

        Without the wavelength where the product states an invalid one.
        """
        known: dict[str, Any] = dict(PLATFORM) if self.is_sentinel1 else {}
        if not self.is_clear:
            known.pop("WAVELENGTH", None)
        if self.platform is not None:
            known["PLATFORM"] = self.platform
        return known | ({} if self.wavelength is None else {"WAVELENGTH": self.wavelength})


def platform_name(text: str) -> str:
    """Translate the name of a mission, a satellite or a granule to MintPy's; an unknown one is unchanged.

    Examples
    --------
    >>> platform_name("SENTINEL-1A"), platform_name("S1B_IW_SLC__1SDV_2018"), platform_name("NISAR")
    ('Sen', 'Sen', 'Ni')
    >>> platform_name("ALOS-2"), platform_name("Sputnik 3")
    ('Alos2', 'Sputnik 3')
    """
    granule = re.split(r"[_-]", text, maxsplit=1)[0]
    is_sentinel1 = _GRANULE.match(text) is not None
    for part in (text, granule):
        for name, (pattern, _) in _PLATFORMS.items():
            if re.fullmatch(pattern, _plain(part)) and (part == text or name != SENTINEL1 or is_sentinel1):
                return name
    return text.strip()


def is_known_platform(name: str) -> bool:
    """Return whether a result of :func:`platform_name` is MintPy's name of a platform."""
    return name in _PLATFORMS


def stated_radar(
    said: Mapping[str, Any], where: object, *, missions: Mapping[str, str] | None = None
) -> Radar:
    """Collect the statements of a product about its radar, under any key.

    Parameters
    ----------
    said
        Metadata of the product, by their names there.
    where
        Product, for a message.
    missions
        Other evidence of the mission, such as the name of a file: description, and mission.

    Raises
    ------
    StackFormatError
        Two statements contradict each other.
    """
    named = dict(missions or {})
    lengths: dict[str, float] = {}
    is_clear = True
    for key, value in said.items():
        plain = _plain(key)
        if str(value).strip().lower() in _NOTHING:
            continue
        if plain in _MISSION:
            named[f"{key} = {value}"] = str(value)
        if plain not in (*_FREQUENCY, *_WAVELENGTH):
            continue
        length = _metres(str(value), is_frequency=plain in _FREQUENCY)
        if length is None:
            is_clear = False
            leave_out("a wavelength", f"{where} has {key} = {str(value)[:60]!r}, which no imaging radar has")
        else:
            lengths[f"{key} = {value}"] = length
    radar = Radar(named, lengths, is_clear)
    _check_consistent(radar, where)
    return radar


def one_radar(radars: Mapping[str, Radar], where: object) -> Radar:
    """Merge the statements of several files of one product.

    Parameters
    ----------
    radars
        Statements by the name of the file.
    where
        Product, for a message.

    Raises
    ------
    StackFormatError
        They contradict each other.
    """
    missions = {
        f"{file}: {key}": said for file, radar in radars.items() for key, said in radar.missions.items()
    }
    lengths = {
        f"{file}: {key}": said for file, radar in radars.items() for key, said in radar.wavelengths.items()
    }
    radar = Radar(missions, lengths, all(radar.is_clear for radar in radars.values()))
    _check_consistent(radar, where)
    return radar


def stated_looks(said: Mapping[str, Any], where: object) -> dict[str, int | float]:
    """Read the looks, under any key, with MintPy's names; invalid ones are ignored.

    Examples
    --------
    >>> stated_looks({"Range looks": "20", "azimuth_looks": "4.0"}, "a.txt")
    {'RLOOKS': 20, 'ALOOKS': 4}
    """
    found: dict[str, int | float] = {}
    for key in said:
        name = _LOOKS.get(_plain(key))
        if name is not None:
            with optional("the number of looks", where):
                looks = positive_attribute(said, key)
                found[name] = looks if name == "NCORRLOOKS" else max(1, round(looks))
    return found


def _plain(key: object) -> str:
    return re.sub(r"[\W_]", "", str(key)).lower()


def _metres(text: str, *, is_frequency: bool) -> float | None:
    """Parse a wavelength, or a frequency, with or without its unit; None if no radar has it."""
    match = re.fullmatch(r"\s*([-+.\deE]+)\s*([a-zA-Z]*)\s*", text)
    try:
        value = float(match[1]) * _UNITS[match[2].lower()] if match else math.nan
    except (ValueError, KeyError):
        return None
    if not value > 0:
        return None
    wavelength = SPEED_OF_LIGHT / value if is_frequency else value
    return wavelength if SHORTEST_WAVELENGTH <= wavelength <= LONGEST_WAVELENGTH else None


def _check_consistent(radar: Radar, where: object) -> None:
    """Reject two missions, two wavelengths, or a wavelength that does not match the mission."""
    first = {platform_name(mission): what for what, mission in [*radar.missions.items()][::-1]}
    if len(first) > 1:
        raise _contradiction(where, list(first.values()))
    for what, wavelength in radar.wavelengths.items():
        if not math.isclose(wavelength, radar.wavelength or 0, rel_tol=_SAME):
            raise _contradiction(where, [next(iter(radar.wavelengths)), what])
        if first and not _has_wavelength(next(iter(first)), wavelength):
            raise _contradiction(where, [*first.values(), what])


def _has_wavelength(platform: str, wavelength: float) -> bool:
    """Return whether a platform may have a wavelength [m]; an unknown one may have any."""
    frequency = SPEED_OF_LIGHT / wavelength
    if platform == SENTINEL1:
        return math.isclose(frequency, RADAR_FREQUENCY, rel_tol=_SAME)
    if platform not in _PLATFORMS:
        return True
    return any(_BANDS[band][0] <= frequency / 1e9 <= _BANDS[band][1] for band in _PLATFORMS[platform][1])


def _contradiction(where: object, said: list[str]) -> StackFormatError:
    return StackFormatError(
        f"{where} contradicts itself: {' and '.join(said)} cannot be of one radar. Correct the wrong one."
    )
