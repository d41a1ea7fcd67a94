"""Unwrapped interferograms of dolphin (the OPERA project, ISCE framework).

The work directory of ``dolphin run``, or its folder ``unwrapped``::

    unwrapped/20200101_20200113.unw.tif               [rad]
    unwrapped/20200101_20200113.unw.conncomp.tif      connected components, 0 and 65535 are outside of all
    interferograms/20200101_20200113.int.cor.tif      correlation, 0 to 1

The correlation may also lie in a folder below ``interferograms``, or beside the phase. Intermediate files,
such as ``*.filt.unw.tif``, are left alone.

Notes
-----
Sign: an interferogram is the first image times the conjugate of the second, so that the phase grows with
the range; dolphin's own time series makes displacement towards the radar of it by ``-wavelength / (4 pi)``.
No data is what the tags of the files say, 0 in the phase. The files carry neither wavelength, looks nor
baselines; the wavelength comes from ``dolphin_config.yaml`` in the work directory, if it is there
(:mod:`~fringefleet.io.readers.dolphin_config`).

References
----------
dolphin: ``unwrap._constants`` (names), ``interferogram.VRTInterferogram`` (order of the images),
``timeseries.invert_unw_network`` (sign), ``unwrap.unwrap`` (no data).
"""

import re
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.folder import find_files
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.dolphin_config import radar_attributes
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.io.readers.reader import Reader

_PHASE, _COMPONENT, _CORRELATION = ".unw.tif", ".unw.conncomp.tif", ".int.cor.tif"
_PAIR = re.compile(r"(\d{8}(?:T(?:\d{2}){1,3})?)_(\d{8}(?:T(?:\d{2}){1,3})?)")


def _recognise(folder: Path) -> bool:
    return folder.is_dir() and bool(_phases(folder))


def _phases(folder: Path) -> list[Path]:
    """Find the unwrapped phases: in the folder ``unwrapped``, or in this one; none if no name has dates."""
    for root in (folder / "unwrapped", folder):
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
        A file is missing, cannot be read or does not fit the others; the message names it.
    """
    phases = _phases(folder)
    unwrapped = phases[0].parent.absolute()
    correlations = _correlations(unwrapped)
    work = unwrapped.parent if unwrapped.name == "unwrapped" else unwrapped
    attrs = {"PROCESSOR": "dolphin"} | radar_attributes(work)
    pairs = [_pair(path, correlations, attrs) for path in phases]
    return assemble(folder, pairs, drop_incomplete=drop_incomplete)


def _correlations(unwrapped: Path) -> dict[str, Path]:
    """Find the correlations by the name of their pair."""
    places = (unwrapped.parent / "interferograms", unwrapped)
    found = (path for place in places for path in find_files(place, f"**/*{_CORRELATION}"))
    return {path.name.removesuffix(_CORRELATION): path for path in found}


def _pair(phase: Path, correlations: dict[str, Path], attrs: dict[str, Any]) -> Pair:
    name = _pair_name(phase)
    match = _PAIR.fullmatch(name)
    if match is None:
        raise StackFormatError(
            f"found {phase}, whose name has no two dates; YYYYMMDD_YYYYMMDD{_PHASE} is needed. Rename it."
        )
    component = phase.with_name(name + _COMPONENT)
    files = {"unwrapped_phase": phase, "coherence": correlations.get(name)}
    if component.exists():
        files["connected_component"] = component
    layers = {key: open_raster(RasterFile(path)) for key, path in files.items() if path is not None}
    return Pair(name, (match[1], match[2]), layers, attrs)


READER = Reader("dolphin GeoTIFF", "dolphin's work directory with unwrapped/*.unw.tif", _recognise, _open)
