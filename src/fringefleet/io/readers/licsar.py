"""Geocoded interferograms of COMET's LiCSAR, as LiCSBAS downloads them.

A folder ``GEOC`` (or ``interferograms``, or the folder that holds it) of pairs, or with all files in it::

    GEOC/20200101_20200113/20200101_20200113.geo.unw.tif    [rad]
    GEOC/20200101_20200113/20200101_20200113.geo.cc.tif     coherence: bytes 0 to 255; 0 to 1 in old products
    GEOC/metadata.txt, GEOC/baselines                       also in the folder above, or its metadata/

``metadata.txt`` has lines such as ``heading=-13.77``; ``baselines`` has a line for each date: reference date
of the frame, date, perpendicular baseline between them [m], days. Neither has to be there; a pair whose date
is not in ``baselines`` has no baseline.

Notes
-----
Sign: LiCSBAS makes displacement towards the satellite of the phase by ``-wavelength / (4 pi)``, where the
phase of a pair is the sum of the increments from its first to its second date, as we do. In both files 0 is
no data. The looks of the coherence are in none of the files.

References
----------
LiCSBAS: ``LiCSBAS02_ml_prep`` (layout, bytes, no data, radar frequency), ``LiCSBAS13_sb_inv`` (sign),
``LiCSBAS_io_lib.read_bperp_file`` (baselines). The names in ``metadata.txt`` are those that LiCSAR's
``licsar_proc`` writes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.folder import find_files
from fringefleet.io.metadata import number_attribute
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.io.readers.reader import Reader
from fringefleet.io.readers.sentinel1 import PLATFORM, heading_attributes
from fringefleet.io.text_file import read_text_file
from fringefleet.network import shorten

_PHASE, _COHERENCE = ".geo.unw.tif", ".geo.cc.tif"
_PAIR = re.compile(r"(\d{8})_(\d{8})")
_BYTES = 1 / 255


def _recognise(folder: Path) -> bool:
    return folder.is_dir() and _root(folder) is not None


def _root(folder: Path) -> Path | None:
    """Find the folder that holds the pairs."""
    for root in (folder, folder / "GEOC", folder / "interferograms"):
        if any(True for _ in _phases(root)):
            return root
    return None


def _phases(root: Path) -> Iterator[Path]:
    yield from find_files(root, f"*{_PHASE}")
    yield from find_files(root, f"*/*{_PHASE}")


def _open(folder: Path) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, cannot be read or does not fit the others; the message names it.
    """
    root = _root(folder) or folder
    phases = sorted(_phases(root))
    _refuse_empty_pairs(root, phases)
    attrs, baselines = _metadata(root), _baselines(root)
    return assemble(folder, [_pair(path, attrs, baselines) for path in phases])


def _refuse_empty_pairs(root: Path, phases: list[Path]) -> None:
    there = {path.parent.name for path in phases}
    empty = [path.name for path in root.iterdir() if path.is_dir() and _PAIR.fullmatch(path.name)]
    lacking = sorted(set(empty) - there)
    if lacking:
        raise StackFormatError(
            f"found no {_PHASE} in {len(lacking)} folders of pairs: {shorten(lacking)}. Fetch the missing "
            "files, or move these folders elsewhere."
        )


def _pair(phase: Path, attrs: dict[str, Any], baselines: dict[str, float]) -> Pair:
    name = phase.name.removesuffix(_PHASE)
    match = _PAIR.fullmatch(name)
    if match is None:
        raise StackFormatError(
            f"found {phase}, whose name has no two dates; YYYYMMDD_YYYYMMDD{_PHASE} is needed. Rename it."
        )
    first, second = match[1], match[2]
    layers = {"unwrapped_phase": open_raster(RasterFile(phase))}
    coherence = phase.with_name(name + _COHERENCE)
    if coherence.exists():
        layers["coherence"] = open_raster(RasterFile(coherence), byte_scale=_BYTES)
    known = first in baselines and second in baselines
    return Pair(name, (first, second), layers, attrs, baselines[second] - baselines[first] if known else None)


def _beside(root: Path, name: str) -> Path | None:
    """Find a file of the frame."""
    places = (root, root / "metadata", root.parent, root.parent / "metadata")
    return next((place / name for place in places if (place / name).is_file()), None)


def _baselines(root: Path) -> dict[str, float]:
    """Read the perpendicular baseline of each date to the reference date of the frame [m]."""
    path = _beside(root, "baselines")
    if path is None:
        return {}
    found: dict[str, float] = {}
    for line in read_text_file(path).splitlines():
        words = line.split()
        if not words:
            continue
        try:
            reference, date, baseline, _ = words
            found[date] = float(baseline)
        except ValueError as error:
            raise StackFormatError(
                f"found the line {line!r} in {path}; two dates, a baseline in metres and days are needed. "
                "Fetch the file again, or remove it to do without baselines."
            ) from error
        found.setdefault(reference, 0.0)
    return found


def _metadata(root: Path) -> dict[str, Any]:
    """Name what ``metadata.txt`` says as MintPy does."""
    attrs: dict[str, Any] = {**PLATFORM, "PROCESSOR": "licsar"}
    path = _beside(root, "metadata.txt")
    if path is None:
        return attrs
    lines = (line.partition("=") for line in read_text_file(path).splitlines())
    said: dict[str, Any] = {name.strip(): value.strip() for name, _, value in lines}
    try:
        if "heading" in said:
            attrs |= heading_attributes(number_attribute(said, "heading"))
        if "avg_incidence_angle" in said:
            attrs["CENTER_INCIDENCE_ANGLE"] = number_attribute(said, "avg_incidence_angle")
        if "center_time" in said:
            attrs["CENTER_LINE_UTC"] = _seconds(said["center_time"])
    except StackFormatError as error:
        raise StackFormatError(f"{path}: {error}") from error
    return attrs


def _seconds(clock: str) -> float:
    """Seconds of a day of a time such as ``23:18:06.571950``."""
    parts = clock.split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError as error:
        raise StackFormatError(f"found center_time = {clock!r}; HH:MM:SS is needed. Correct it.") from error
    return hours * 3600 + minutes * 60 + seconds


READER = Reader("LiCSAR GeoTIFF", "LiCSAR's folder GEOC of pairs with *.geo.unw.tif", _recognise, _open)
