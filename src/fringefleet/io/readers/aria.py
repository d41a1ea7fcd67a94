"""Reader of stacks that ARIA-tools extracted from ARIA's GUNW products, as VRTs.

The work directory of ``ariaTSsetup.py`` (or its ``stack``), or of ``ariaExtract.py``::

        stack/unwrapStack.vrt, cohStack.vrt, connCompStack.vrt    a band for each pair, with its metadata
        unwrappedPhase/20200113_20200101[.vrt], coherence/, connectedComponents/    files that they refer to

Bands are identified by the metadata ``Dates``, not by their number, and read from the files of the pair,
which declare no data; MintPy does the same. Without a ``stack`` the files of the pairs are
used directly, and wavelength, looks and baselines are unknown.

Notes
-----
Sign: the name of a GUNW product has the later date first, which is the reference image, and its phase is
that of the reference times the conjugate of the secondary image. ``reference_date`` is therefore the later
date here, and the phase is unchanged; MintPy's ``prep_aria`` puts the earlier date first and changes the
signs of phase and baseline, which is equivalent.

References
----------
ARIA-tools: ``tsSetup.generate_stack`` (names, metadata). MintPy: ``prep_aria`` (attributes, sign, no
data).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import optional
from fringefleet.io.files.folder import find_files, is_there
from fringefleet.io.files.text_file import parse_xml
from fringefleet.io.mintpy.metadata import number_attribute
from fringefleet.io.readers.aria_metadata import product_attributes
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.gdal_band import open_band
from fringefleet.io.readers.geotiff import opened_raster
from fringefleet.io.readers.pair_images import Layer

_PAIR = re.compile(r"(\d{8})_(\d{8})")
_STACKS = {
    "unwrapped_phase": "unwrapStack.vrt",
    "coherence": "cohStack.vrt",
    "connected_component": "connCompStack.vrt",
}
_FOLDERS = {
    "unwrapped_phase": "unwrappedPhase",
    "coherence": "coherence",
    "connected_component": "connectedComponents",
}


def _find_evidence(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    place = _stack_folder(folder)
    if place is not None:
        return name_below(place / _STACKS["unwrapped_phase"], folder)
    return name_below(next(iter(_extracted(folder, "unwrapped_phase").values()), None), folder)


def _stack_folder(folder: Path) -> Path | None:
    places = (folder / "stack", folder)
    return next((place for place in places if is_there(place / _STACKS["unwrapped_phase"])), None)


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    place = _stack_folder(folder)
    pairs = _extracted_pairs(folder) if place is None else _stacked_pairs(place)
    return assemble(folder, pairs, drop_incomplete=drop_incomplete)


def _extracted(folder: Path, name: str) -> dict[str, Path]:
    """Find the files of the pairs in the folder of one variable, by the dates in their names."""
    files = find_files(folder / _FOLDERS[name], "*.vrt")
    return {path.stem: path for path in files if _PAIR.fullmatch(path.stem)}


def _extracted_pairs(folder: Path) -> list[Pair]:
    files = {name: _extracted(folder, name) for name in _FOLDERS}
    found = []
    for dates in files["unwrapped_phase"]:
        layers = {name: _layer(there[dates]) for name, there in files.items() if dates in there}
        first, second = dates.split("_")
        found.append(Pair(dates, (first, second), layers, {"PROCESSOR": "isce"}))
    return found


def _stacked_pairs(place: Path) -> list[Pair]:
    bands: dict[str, dict[str, tuple[dict[str, str], Layer]]] = {
        name: dict(_bands(place / file)) for name, file in _STACKS.items() if is_there(place / file)
    }
    found = []
    for dates, (said, _) in bands["unwrapped_phase"].items():
        layers = {name: there[dates][1] for name, there in bands.items() if dates in there}
        found.append(_pair(place / _STACKS["unwrapped_phase"], dates, layers, said))
    return found


def _pair(path: Path, dates: str, layers: Mapping[str, Layer], said: dict[str, str]) -> Pair:
    match = _PAIR.fullmatch(dates)
    if match is None:
        raise StackFormatError(
            f"found the dates {dates!r} in {path}; YYYYMMDD_YYYYMMDD is needed. Create it again."
        )
    where = f"{path}, {dates}"
    baseline = None
    if "perpendicularBaseline" in said:
        with optional("a perpendicular baseline", where):
            baseline = number_attribute(said, "perpendicularBaseline")
    attrs = product_attributes(_plain_names(said), where)
    return Pair(dates, (match[1], match[2]), layers, attrs, baseline)


def _plain_names(said: dict[str, str]) -> dict[str, Any]:
    """Return the metadata of a pair under the names of the product."""
    names = {
        "Wavelength (m)": "wavelength",
        "startRange": "slantRangeStart",
    }
    found: dict[str, Any] = {names.get(theirs, theirs): value for theirs, value in said.items()}
    # GDAL takes the first colon of the key "UTCTime (HH:MM:SS.ss)" for its end.
    clock = said.get("UTCTime (HH", "").partition("=")[2]
    return found | ({"utcTime": clock} if clock else {})


def _bands(path: Path) -> Iterator[tuple[str, tuple[dict[str, str], Layer]]]:
    """Yield the dates of each band of a stack, its metadata, and the image that it refers to."""
    with opened_raster(str(path.absolute()), {}) as raster:
        said = [_tags(raster, index) for index in raster.indexes]
        sources = [_source(raster, index, path) for index in raster.indexes]
    for number, (tags, source) in enumerate(zip(said, sources, strict=True), start=1):
        if "Dates" not in tags:
            raise StackFormatError(f"found no metadata 'Dates' of band {number} of {path}. Create it again.")
        yield tags["Dates"], (tags, open_band(path, number) if source is None else _layer(*source))


def _tags(raster: Any, index: int) -> dict[str, str]:
    """Read the metadata of a band that contain dates, in a domain of any name."""
    for domain in raster.tag_namespaces(index):
        tags: dict[str, str] = raster.tags(index, ns=domain)
        if "Dates" in tags:
            return tags
    return {}


def _source(raster: Any, index: int, path: Path) -> tuple[Path, int] | None:
    """Find the file and band that a band of a stack refers to; None where it is composed otherwise."""
    sources = list(raster.tags(index, ns="vrt_sources").values())
    if len(sources) != 1:
        return None
    source = parse_xml(sources[0], str(path))
    whole = {"xOff": 0, "yOff": 0, "xSize": raster.width, "ySize": raster.height}
    for name in ("SrcRect", "DstRect"):
        part = source.find(name)
        if part is not None and any(float(part.get(side, -1)) != size for side, size in whole.items()):
            return None
    file = path.absolute().parent / (source.findtext("SourceFilename") or "")
    return file, int(source.findtext("SourceBand") or 1)


def _layer(path: Path, band: int = 1) -> Layer:
    """Open the file of a pair; a raw file behind it, if it has a header, must be complete."""
    raw = path.with_suffix("") if path.suffix == ".vrt" else path
    return open_band(path, band, raw=raw if raw.with_name(raw.name + ".hdr").is_file() else None)


READER = Reader(
    "aria-tools",
    "ARIA-tools VRT",
    "the folder of ARIA-tools with stack/unwrapStack.vrt or unwrappedPhase/",
    _find_evidence,
    _open,
)
