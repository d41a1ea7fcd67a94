"""Reader of unwrapped interferograms of dolphin (the OPERA project, ISCE framework).

The work directory of ``dolphin run``, or its folder ``unwrapped``::

    unwrapped/20200101_20200113.unw.tif               [rad]
    unwrapped/20200101_20200113.unw.conncomp.tif      connected components; 0 and 65535 are outside all
    interferograms/20200101_20200113.int.cor.tif      correlation, 0 to 1

The correlation may also be in a folder below ``interferograms``, or next to the phase. Intermediate files,
such as ``*.filt.unw.tif``, are ignored.

Notes
-----
Sign: an interferogram is the first image times the conjugate of the second, so that the phase increases with
range; dolphin's own time series converts it to displacement towards the radar by ``-wavelength / (4 pi)``.
No data is declared by the tags of the files, 0 in the phase. The files contain neither wavelength, looks nor
baselines; the wavelength comes from ``dolphin_config.yaml`` in the work directory, if it exists
(:mod:`~fringefleet.io.readers.dolphin_config`).

References
----------
dolphin: ``unwrap._constants`` (names), ``interferogram.VRTInterferogram`` (order of the images),
``timeseries.invert_unw_network`` (sign), ``unwrap.unwrap`` (no data).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import find_files
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.dolphin_config import CONFIGURATION, radar_attributes
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.network.network import shorten

_UNWRAPPED = "unwrapped"
_PHASE, _COMPONENT, _CORRELATION = ".unw.tif", ".unw.conncomp.tif", ".int.cor.tif"
_COHERENCE = re.compile(r"[._-](cor|corr|correlation|cc|coh|coherence)[._-]", re.IGNORECASE)
_PAIR = re.compile(r"(\d{8}(?:T(?:\d{2}){1,3})?)_(\d{8}(?:T(?:\d{2}){1,3})?)")


def _find_evidence(folder: Path) -> str | None:
    """Find a phase in dolphin's folder ``unwrapped``, or one next to dolphin's configuration."""
    phase = _first_phase(folder)
    if phase is None or phase.parent.absolute().name == _UNWRAPPED:
        return name_below(phase, folder)
    return f"{CONFIGURATION} and {phase.name}" if (folder / CONFIGURATION).is_file() else None


def _find_if_named(folder: Path) -> str | None:
    """Find a phase by its name, which other programs use, too."""
    return name_below(_first_phase(folder), folder)


def _first_phase(folder: Path) -> Path | None:
    return next(iter(_phases(folder)), None) if folder.is_dir() else None


def _phases(folder: Path) -> list[Path]:
    """Find the unwrapped phases, in the folder ``unwrapped`` or in this one; none if no name has dates."""
    for root in (folder / _UNWRAPPED, folder):
        found = [path for path in find_files(root, f"*{_PHASE}") if "." not in _pair_name(path)]
        if any(_PAIR.fullmatch(_pair_name(path)) for path in found):
            return found
    return []


def _pair_name(phase: Path) -> str:
    return phase.name.removesuffix(_PHASE)


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    phases = _phases(folder)
    unwrapped = phases[0].parent.absolute()
    correlations = _correlations(unwrapped)
    if not any(_pair_name(phase) in correlations for phase in phases):
        _check_no_other_coherence(unwrapped, phases)
    work = unwrapped.parent if unwrapped.name == _UNWRAPPED else unwrapped
    attrs = {"PROCESSOR": "dolphin"} | radar_attributes(work)
    pairs = [_pair(path, correlations, attrs) for path in phases]
    return assemble(folder, pairs, drop_incomplete=drop_incomplete)


def _correlations(unwrapped: Path) -> dict[str, Path]:
    """Find the correlations by the name of their pair."""
    found = _files_of_pairs(unwrapped, f"*{_CORRELATION}")
    return {path.name.removesuffix(_CORRELATION): path for path in found}


def _files_of_pairs(unwrapped: Path, pattern: str) -> Iterator[Path]:
    """Find files in all folders of correlations."""
    for place in (unwrapped.parent / "interferograms", unwrapped):
        yield from find_files(place, f"**/{pattern}")


def _check_no_other_coherence(unwrapped: Path, phases: list[Path]) -> None:
    """Reject coherences that match no phase, or are not named as dolphin does, since they would be ignored.

    Raises
    ------
    StackFormatError
        Names the first of them.
    """
    pairs = {_pair_name(phase) for phase in phases}
    found = [
        path
        for path in _files_of_pairs(unwrapped, "*.*")
        if path.name.endswith(_CORRELATION)
        or (_COHERENCE.search(path.name) and path.name.partition(".")[0] in pairs)
    ]
    if found:
        names = shorten([path.name for path in found], at_most=2)
        raise StackFormatError(
            f"found no coherence PAIR{_CORRELATION} for any phase PAIR{_PHASE}, but {names} in "
            f"{found[0].parent}. If these are coherences from 0 to 1 of the same pairs, rename them; "
            "otherwise move them elsewhere."
        )


def _pair(phase: Path, correlations: dict[str, Path], attrs: dict[str, Any]) -> Pair:
    name = _pair_name(phase)
    match = _PAIR.fullmatch(name)
    if match is None:
        raise StackFormatError(
            f"found {phase}, whose name lacks two dates; YYYYMMDD_YYYYMMDD{_PHASE} is needed. Rename it."
        )
    component = phase.with_name(name + _COMPONENT)
    files = {"unwrapped_phase": phase, "coherence": correlations.get(name)}
    if component.exists():
        files["connected_component"] = component
    layers = {key: open_raster(RasterFile(path)) for key, path in files.items() if path is not None}
    return Pair(name, (match[1], match[2]), layers, attrs)


READER = Reader(
    "dolphin",
    "dolphin GeoTIFF",
    "dolphin's work directory with unwrapped/*.unw.tif",
    _find_evidence,
    _open,
    find_if_named=_find_if_named,
)
