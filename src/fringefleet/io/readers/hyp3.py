"""Products of ASF's HyP3: GAMMA interferograms, and single and multi-burst ones of ISCE2.

A folder with one subfolder or zip archive for each product, as they are downloaded, or with all files in it::

    S1AA_20200604T022251_20200616T022252_VVP012_INT80_G_ueF_4D09/   or .zip
        S1AA_..._4D09_unw_phase.tif      [rad]
        S1AA_..._4D09_corr.tif           coherence
        S1AA_..._4D09.txt                parameters, a line each
    S1_136231_IW2_20200604_20200616_VV_INT80_12E3/
        S1_..._12E3_unw_phase.tif, _corr.tif, _conncomp.tif, .txt

Everything else may be there and is left alone. Where a product has files that were clipped to a common extent
(``_unw_phase_clip.tif``, ``_clipped.tif``, as MintPy's documentation names them), these are taken.

Notes
-----
Sign: the phase is that of the reference times the conjugate of the secondary granule, so that it grows with
the range: negative is motion towards the satellite (the product guides, and the README of each product:
opposite to that of the displacement maps). MintPy's ``prep_hyp3`` takes the phase as it is, too. The
reference granule is the older one, and the first one in the name.

``CENTER_INCIDENCE_ANGLE`` follows from ``Slant range center``, because the columns of a geocoded product are
not those of the radar.

References
----------
hyp3-docs: ``insar_product_guide``, ``burst_insar_product_guide`` (names, parameter file, sign).
MintPy: ``prep_hyp3.add_hyp3_metadata`` (attributes, constants of Sentinel-1).
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.folder import is_litter_member, list_folder
from fringefleet.io.geometry import incidence_attribute
from fringefleet.io.metadata import number_attribute
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.io.readers.image import Layer
from fringefleet.io.readers.reader import Reader
from fringefleet.io.readers.sentinel1 import (
    AZIMUTH_PIXEL_SIZE,
    PLATFORM,
    RANGE_PIXEL_SIZE,
    heading_attributes,
)
from fringefleet.io.text_file import read_text_file, read_text_member

_PHASE = re.compile(r"(?P<product>S1.+)_unw_phase(?P<clip>_clip\w*)?\.tif")
_ARCHIVE = re.compile(r"S1\w*[\w-]+_INT\d+_\w+\.zip")
_NAMES = (
    re.compile(r"S1[A-D]{2}_(\d{8})T\d{6}_(\d{8})T\d{6}_\w+"),  # GAMMA
    re.compile(r"S1_[\w-]+?_(\d{8})_(\d{8})_[HV]{2}_INT\d+_\w+"),  # bursts
)
_ENDINGS = {"coherence": "corr", "connected_component": "conncomp"}


@dataclass(frozen=True)
class _Product:
    """One interferogram: where its phase is, and which of its other files are there."""

    name: str
    clip: str  # what its rasters end with if they were clipped
    phase: RasterFile
    others: frozenset[str]  # names of the files beside the phase

    def file(self, ending: str) -> RasterFile | None:
        """Find another file of the product."""
        name = self.name + ending
        return (
            self.phase.sibling(f"{self.name}_unw_phase{self.clip}.tif", name) if name in self.others else None
        )


def _recognise(folder: Path) -> bool:
    return folder.is_dir() and any(True for _ in _phases(folder))


def _open(folder: Path) -> xr.Dataset:
    """Open the products lazily.

    Raises
    ------
    StackFormatError
        A file is missing, cannot be read or does not fit the others; the message names it.
    """
    products: dict[str, _Product] = {}
    for product in _phases(folder):  # archives come last
        known = products.get(product.name)
        if known is None or (product.clip and not known.clip):
            products[product.name] = product
    return assemble(folder, [_pair(product) for product in products.values()])


def _phases(folder: Path) -> Iterator[_Product]:
    """Find the unwrapped phases: in the folder, in its subfolders, in its archives."""
    inner = [path for path in list_folder(folder) if path.is_dir()]
    for place in (folder, *inner):
        names = frozenset(path.name for path in list_folder(place))
        yield from _phases_in({name: RasterFile(place / name) for name in names})
    for path in list_folder(folder):
        if _ARCHIVE.fullmatch(path.name):
            members = {member.rpartition("/")[2]: RasterFile(path, member) for member in _members(path)}
            yield from _phases_in(members)


def _phases_in(files: dict[str, RasterFile]) -> Iterator[_Product]:
    for name in sorted(files):
        match = _PHASE.fullmatch(name)
        if match:
            yield _Product(match["product"], match["clip"] or "", files[name], frozenset(files))


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return [name for name in opened.namelist() if not is_litter_member(name)]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise StackFormatError(
            f"the archive {archive} cannot be read ({error}). Fetch it again, or move it elsewhere."
        ) from error


def _pair(product: _Product) -> Pair:
    match = next((found for name in _NAMES if (found := name.fullmatch(product.name))), None)
    if match is None:
        raise StackFormatError(
            f"found the product {product.name}, whose name has no two dates as HyP3 writes them, such as "
            "S1AA_20200604T022251_20200616T022252_VVP012_INT80_G_ueF_4D09. Give it its name back."
        )
    said = _parameters(product)
    return Pair(product.name, (match[1], match[2]), _layers(product), _attributes(said), said["Baseline"])


def _layers(product: _Product) -> dict[str, Layer]:
    files = {name: product.file(f"_{end}{product.clip}.tif") for name, end in _ENDINGS.items()}
    there = {name: file for name, file in files.items() if file is not None}
    return {name: open_raster(file) for name, file in ({"unwrapped_phase": product.phase} | there).items()}


_NUMBERS = (
    "Baseline",
    "UTC time",
    "Heading",
    "Spacecraft height",
    "Earth radius at nadir",
    "Slant range near",
    "Slant range center",
    "Range looks",
    "Azimuth looks",
)


def _parameters(product: _Product) -> dict[str, Any]:
    """Read the parameter file; the numbers that we use as numbers, all else as text."""
    file = product.file(".txt")
    if file is None:
        raise StackFormatError(
            f"found no parameter file {product.name}.txt beside {product.phase}; fetch the product again."
        )
    lines = (line.partition(":") for line in _text(file).splitlines())
    said: dict[str, Any] = {name.strip(): value.strip() for name, _, value in lines}
    lacking = [name for name in _NUMBERS if name not in said]
    if lacking:
        raise StackFormatError(f"found no {', '.join(lacking)} in {file}; fetch the product again.")
    try:
        return said | {name: number_attribute(said, name) for name in _NUMBERS}
    except StackFormatError as error:
        raise StackFormatError(f"{file}: {error}") from error


def _text(file: RasterFile) -> str:
    if file.member is None:
        return read_text_file(file.path)
    return read_text_member(file.path, file.member)


def _attributes(said: dict[str, Any]) -> dict[str, Any]:
    """Name the parameters as MintPy does."""
    looks = round(said["Range looks"]), round(said["Azimuth looks"])
    radius, height = said["Earth radius at nadir"], said["Spacecraft height"]
    return {
        **PLATFORM,
        **heading_attributes(said["Heading"]),
        "PROCESSOR": "hyp3",
        "CENTER_LINE_UTC": said["UTC time"],
        "RLOOKS": looks[0],
        "ALOOKS": looks[1],
        "EARTH_RADIUS": radius,
        "HEIGHT": height,
        "STARTING_RANGE": said["Slant range near"],
        "RANGE_PIXEL_SIZE": RANGE_PIXEL_SIZE * looks[0],
        "AZIMUTH_PIXEL_SIZE": AZIMUTH_PIXEL_SIZE * looks[1],
        **incidence_attribute(radius, height, said["Slant range center"]),
        "unwrap_method": said.get("Unwrapping type", ""),
    }


READER = Reader(
    "HyP3 GeoTIFF", "a folder of HyP3 products (folders or zips with *_unw_phase.tif)", _recognise, _open
)
