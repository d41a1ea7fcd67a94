"""Reader of merged interferograms of ISCE2's topsStack, in radar geometry.

The work directory, its ``merged``, or ``merged/interferograms``::

    merged/interferograms/20200101_20200113/filt_fine.unw             amplitude and phase [rad], two bands
    merged/interferograms/20200101_20200113/filt_fine.cor             coherence
    merged/interferograms/20200101_20200113/filt_fine.unw.conncomp    connected components
    reference/IW1.xml, merged/geom_reference/hgt.rdr[.full].xml, baselines/    also, see isce_metadata.py

each image with its ``.vrt`` or ``.xml`` next to it.

Notes
-----
Sign: the interferogram is the first date times the conjugate of the second (topsStack's
``generateIgram.py``), so the phase increases with the range from the first date to the second, as ours does.
MintPy's ``prep_isce`` also uses the phase unchanged. In the phase 0 is no data; SNAPHU leaves 0 in the
components, too.

Raw files have no end mark: a truncated one would read as zeros, so sizes are checked when it is
opened.

References
----------
ISCE2: ``topsStack/generateIgram.py``, ``topsStack/unwrap.py``. MintPy: ``prep_isce``.
"""

import re
from pathlib import Path

import xarray as xr

from fringefleet.arguments.paths import real_path
from fringefleet.io.files.folder import find_files
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.gdal_band import open_band
from fringefleet.io.readers.incomplete import check_complete
from fringefleet.io.readers.isce_metadata import tops_attributes, tops_baselines
from fringefleet.io.readers.pair_images import Layer

_PAIR = re.compile(r"(\d{8})_(\d{8})")
_PHASE, _COHERENCE, _COMPONENT = "filt_fine.unw", "filt_fine.cor", "filt_fine.unw.conncomp"
_HEADERS = (".vrt", ".xml")


def _find_evidence(folder: Path) -> str | None:
    return name_below(_first_phase(folder), folder) if folder.is_dir() else None


def _first_phase(folder: Path) -> Path | None:
    """Find a phase, in the first of the folders of pairs."""
    roots = (folder, folder / "interferograms", folder / "merged" / "interferograms")
    images = (_image(pair / _PHASE) for root in roots for pair in _pairs(root))
    return next(filter(None, images), None)


def _root(folder: Path) -> Path:
    """Find the folder that contains the pairs."""
    phase = _first_phase(folder)
    return folder if phase is None else phase.parent.parent


def _pairs(root: Path) -> list[Path]:
    return [path for path in find_files(root, "????????_????????") if _PAIR.fullmatch(path.name)]


def _image(path: Path) -> Path | None:
    """Return the file that GDAL opens to read a raw image; None where there is none."""
    vrt, xml = (path.with_name(path.name + ending) for ending in _HEADERS)
    if vrt.is_file():
        return vrt
    return path if path.is_file() and xml.is_file() else None


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    root = _root(folder)
    folders = _pairs(root)
    lacking = [pair.name for pair in folders if _image(pair / _PHASE) is None]
    what = f"{_PHASE} with its .vrt or .xml"
    check_complete(lacking, len(folders), what, drop_incomplete=drop_incomplete, are_folders=True)
    folders = [pair for pair in folders if pair.name not in lacking]
    work = real_path(root).parent.parent
    attrs, baselines = tops_attributes(work), tops_baselines(work / "baselines")
    pairs = []
    for pair in folders:
        first, second = pair.name.split("_")
        known = first in baselines and second in baselines
        baseline = baselines[second] - baselines[first] if known else None
        pairs.append(Pair(pair.name, (first, second), _layers(pair), attrs, baseline))
    return assemble(folder, pairs, drop_incomplete=drop_incomplete)


def _layers(pair: Path) -> dict[str, Layer]:
    layers = {"unwrapped_phase": _layer(pair / _PHASE, 2, nodata=0.0)}
    for name, file in (("coherence", _COHERENCE), ("connected_component", _COMPONENT)):
        if _image(pair / file) is not None:
            layers[name] = _layer(pair / file, -1)
    return layers


def _layer(path: Path, band: int, nodata: float | None = None) -> Layer:
    return open_band(_image(path) or path, band, nodata=nodata, raw=path)


READER = Reader(
    "isce2", "ISCE2 topsStack", "topsStack's folder with merged/interferograms", _find_evidence, _open
)
