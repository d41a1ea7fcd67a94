"""Reader of geocoded interferograms of COMET's LiCSAR, as LiCSBAS downloads them.

A folder ``GEOC`` (or ``interferograms``, or the folder that contains it) of pairs, or with all files in it::

    GEOC/20200101_20200113/20200101_20200113.geo.unw.tif    [rad]
    GEOC/20200101_20200113/20200101_20200113.geo.cc.tif     coherence: bytes 0 to 255; 0 to 1 in old products
    GEOC/metadata.txt, GEOC/baselines                       also in the folder above, or its metadata/

Neither of the last two is required, see :mod:`~fringefleet.io.readers.licsar_metadata`.

Notes
-----
Sign: LiCSBAS converts the phase to displacement towards the satellite by ``-wavelength / (4 pi)``, where the
phase of a pair is the sum of the increments from its first to its second date, as we do. In both files 0 is
no data. None of the files contains the looks of the coherence.

References
----------
LiCSBAS: ``LiCSBAS02_ml_prep`` (layout, bytes, no data), ``LiCSBAS13_sb_inv`` (sign).
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
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.io.readers.incomplete import check_complete
from fringefleet.io.readers.licsar_metadata import Baselines, beside, frame_attributes, read_baselines

_PHASE, _COHERENCE = ".geo.unw.tif", ".geo.cc.tif"
_PAIR = re.compile(r"(\d{8})_(\d{8})")
_BYTES = 1 / 255


def _find_evidence(folder: Path) -> str | None:
    root = _root(folder) if folder.is_dir() else None
    return None if root is None else name_below(next(_phases(root)), folder)


def _root(folder: Path) -> Path | None:
    """Find the folder that contains the pairs."""
    for root in (folder, folder / "GEOC", folder / "interferograms"):
        if any(True for _ in _phases(root)):
            return root
    return None


def _phases(root: Path) -> Iterator[Path]:
    yield from find_files(root, f"*{_PHASE}")
    yield from find_files(root, f"*/*{_PHASE}")


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    root = _root(folder) or folder
    phases = sorted(_phases(root))
    there = {path.parent.name for path in phases}
    empty = [path.name for path in root.iterdir() if path.is_dir() and _PAIR.fullmatch(path.name)]
    lacking = sorted(set(empty) - there)
    check_complete(
        lacking, len(phases) + len(lacking), _PHASE, drop_incomplete=drop_incomplete, are_folders=True
    )
    attrs, baselines = frame_attributes(root), read_baselines(beside(root, "baselines"))
    pairs = [_pair(path, attrs, baselines) for path in phases]
    return assemble(folder, pairs, drop_incomplete=drop_incomplete)


def _pair(phase: Path, attrs: dict[str, Any], baselines: Baselines) -> Pair:
    name = phase.name.removesuffix(_PHASE)
    match = _PAIR.fullmatch(name)
    if match is None:
        raise StackFormatError(
            f"found {phase}, whose name lacks two dates; YYYYMMDD_YYYYMMDD{_PHASE} is needed. Rename it."
        )
    first, second = match[1], match[2]
    layers = {"unwrapped_phase": open_raster(RasterFile(phase))}
    coherence = phase.with_name(name + _COHERENCE)
    if coherence.exists():
        layers["coherence"] = open_raster(RasterFile(coherence), byte_scale=_BYTES)
    return Pair(name, (first, second), layers, attrs, baselines.of_pair(first, second))


READER = Reader(
    "licsar", "LiCSAR GeoTIFF", "LiCSAR's folder GEOC of pairs with *.geo.unw.tif", _find_evidence, _open
)
