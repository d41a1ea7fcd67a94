"""LiCSAR's files of a frame besides the pairs: ``metadata.txt`` and ``baselines``.

``metadata.txt`` has lines such as ``heading=-13.77`` and, where the images are of another radar,
``radar_freq=`` [Hz]. ``baselines`` has a line for each date: reference date of the frame, date,
perpendicular baseline between them [m], days. In old products it has a line for each pair, of nine columns:
number, first and second date, the baseline between them [m], days, days from the reference date to each,
baselines from the reference date to each.

Neither is required: unreadable content is ignored with a warning.

Notes
-----
LiCSAR is a processor of Sentinel-1, but its layout is used by everyone who feeds LiCSBAS: names of folders
and files do not prove a platform. Proof is a ``radar_freq``; else the keys that LiCSAR itself writes
into ``metadata.txt``, as long as its pixel sizes, if it has them, are those of Sentinel-1; else the name of
the frame, such as ``008A_10021_131313`` (track, place, number of bursts in each swath), of the folder or of
its parent. A file without any of these keys - a saved web page - is no evidence; nor is the absence
of a file. Without proof the wavelength is unknown. A ``radar_freq`` takes precedence over the name of a
folder.

References
----------
LiCSBAS: ``LiCSBAS02_ml_prep`` (radar frequency), ``LiCSBAS_io_lib.read_bperp_file`` (both forms of
baselines). The names in ``metadata.txt`` are those written by LiCSAR's ``licsar_proc``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import leave_out, optional
from fringefleet.io.files.text_file import read_text_file
from fringefleet.io.mintpy.metadata import number_attribute
from fringefleet.io.readers.radar import Radar, stated_looks, stated_radar
from fringefleet.io.readers.sentinel1 import PLATFORM, heading_attributes

_DATE = re.compile(r"\d{8}")
_FRAME = re.compile(r"\d{3}[AD]_\d{5}_\d{6}")
_KEYS = (
    "master",
    "center_time",
    "heading",
    "avg_incidence_angle",
    "centre_range_m",
    "avg_height",
    "applied_DEM",
)
_PIXEL_SIZES = {"azimuth_resolution": 14.0, "range_resolution": 2.33}  # [m], of Sentinel-1
_NEAR = 0.1  # relative tolerance
_SAME_BASELINE = 1.0  # [m] tolerance between two lines of the same date


@dataclass(frozen=True)
class Baselines:
    """Perpendicular baselines [m]: of dates relative to a common date, and of pairs."""

    of_dates: Mapping[str, float] = field(default_factory=dict)
    of_pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def of_pair(self, first: str, second: str) -> float | None:
        """Return the baseline of the second date relative to the first [m]; None where unknown."""
        if (first, second) in self.of_pairs:
            return self.of_pairs[first, second]
        if (second, first) in self.of_pairs:
            return -self.of_pairs[second, first]
        if first in self.of_dates and second in self.of_dates:
            return self.of_dates[second] - self.of_dates[first]
        return None


def beside(root: Path, name: str) -> Path | None:
    """Find a file of the frame: with the pairs, in the parent folder, or in the ``metadata`` of either."""
    places = (root, root / "metadata", root.parent, root.parent / "metadata")
    return next((place / name for place in places if (place / name).is_file()), None)


def frame_attributes(root: Path) -> dict[str, Any]:
    """Return what is known of a frame under MintPy's names.

    Parameters
    ----------
    root
        Folder of the pairs.

    Raises
    ------
    StackFormatError
        ``metadata.txt`` names two radars.
    """
    path = beside(root, "metadata.txt")
    said: dict[str, str] = {}
    if path is not None:
        with optional("the metadata of the frame", path):
            lines = (re.split("[=:]", line, maxsplit=1) for line in read_text_file(path).splitlines())
            said = {words[0].strip(): words[1].strip() for words in lines if len(words) > 1}
    radar = stated_radar(said, path)
    attrs = {"PROCESSOR": "licsar"} | radar.attributes() | stated_looks(said, path)
    if _is_sentinel1(root, said, radar):
        attrs = PLATFORM | attrs
    elif path is not None and not any(name in said for name in _KEYS) and radar.wavelength is None:
        leave_out("the metadata of the frame", f"{path} has none of the keys that LiCSAR writes")
    return attrs | _of_the_orbit(said, path)


def _is_sentinel1(root: Path, said: Mapping[str, str], radar: Radar) -> bool:
    """Return whether anything proves the platform, and nothing contradicts it."""
    if radar.missions or radar.wavelengths:
        return radar.is_sentinel1
    if not radar.is_clear:
        return False
    for name, usual in _PIXEL_SIZES.items():
        if name in said and not _is_near(said[name], usual):
            return False
    if any(name in said for name in (*_KEYS, *_PIXEL_SIZES)):
        return True
    return any(_FRAME.fullmatch(folder.name) for folder in (root.absolute(), root.absolute().parent))


def _is_near(text: str, usual: float) -> bool:
    try:
        return math.isclose(float(text), usual, rel_tol=_NEAR)
    except ValueError:
        return False


def _of_the_orbit(said: Mapping[str, str], path: Path | None) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if "heading" in said:
        with optional("the heading", path):
            attrs |= heading_attributes(number_attribute(said, "heading"))
    if "avg_incidence_angle" in said:
        with optional("the incidence angle", path):
            attrs["CENTER_INCIDENCE_ANGLE"] = number_attribute(said, "avg_incidence_angle")
    if "center_time" in said:
        with optional("the time of day", path):
            attrs["CENTER_LINE_UTC"] = _seconds(said["center_time"])
    return attrs


def _seconds(clock: str) -> float:
    """Return the seconds of the day of a time such as ``23:18:06.571950``."""
    parts = clock.split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError as error:
        raise StackFormatError(f"found center_time = {clock[:60]!r}; HH:MM:SS is needed.") from error
    return hours * 3600 + minutes * 60 + seconds


def read_baselines(path: Path | None) -> Baselines:
    """Read perpendicular baselines; invalid lines, and dates with contradictory lines, are ignored.

    Parameters
    ----------
    path
        ``baselines``, in either form; None if there is none.
    """
    if path is None:
        return Baselines()
    lines: list[str] = []
    with optional("the baselines", path):
        lines = read_text_file(path).splitlines()
    dates: dict[str, list[float]] = {}
    pairs: dict[tuple[str, str], float] = {}
    for line in filter(str.strip, lines):
        try:
            of_dates, of_pairs = _understand(line.split(), next(iter(dates), None))
        except ValueError:
            leave_out("a line of the baselines", f"found {line[:60]!r} in {path}, which is invalid")
            continue
        pairs |= of_pairs
        for date, baseline in of_dates:
            dates.setdefault(date, []).append(baseline)
    return Baselines(dict(_agreed(dates, path)), pairs)


def _understand(
    words: list[str], common: str | None
) -> tuple[list[tuple[str, float]], dict[tuple[str, str], float]]:
    """Parse the baselines of dates, and of a pair, from a line of four or of nine columns.

    ``common``: the reference date of the previous lines; a line of four columns with another one is no
    information on its date relative to that.
    """
    if len(words) == 4:
        reference, date, baseline = _date(words[0]), _date(words[1]), _number(words[2])
        is_common = common in (None, reference)
        return [(reference, 0.0), (date, baseline)] if is_common else [], {(reference, date): baseline}
    if len(words) != 9:
        raise ValueError
    _, first, second, between, *_, of_first, of_second = words
    first, second = _date(first), _date(second)
    return [(first, _number(of_first)), (second, _number(of_second))], {(first, second): _number(between)}


def _date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise ValueError
    return text


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _agreed(dates: Mapping[str, list[float]], path: Path) -> Iterator[tuple[str, float]]:
    for date, found in dates.items():
        if max(found) - min(found) <= _SAME_BASELINE:
            yield date, found[0]
        else:
            leave_out("the baseline of a date", f"{path} has both {min(found)} and {max(found)} m for {date}")
