"""Reader of ASF's HyP3 products: GAMMA interferograms, and single and multi-burst ones of ISCE2.

A folder with one subfolder or zip archive for each product, as downloaded, or with all files in it::

    S1AA_20200604T022251_20200616T022252_VVP012_INT80_G_ueF_4D09/   or .zip
        S1AA_..._4D09_unw_phase.tif      [rad]
        S1AA_..._4D09_corr.tif           coherence
        S1AA_..._4D09.txt                parameters, a line each
    S1_136231_IW2_20200604_20200616_VV_INT80_12E3/
        S1_..._12E3_unw_phase.tif, _corr.tif, _conncomp.tif, .txt

Other files are ignored. Where a product has files that were clipped to a common extent
(``_unw_phase_clip.tif``, ``_clipped.tif``, as named in MintPy's documentation), these are used.

Notes
-----
Sign: the phase is that of the reference times the conjugate of the secondary granule, so that it increases
with range: negative is motion towards the satellite (the product guides, and the README of each product:
opposite to that of the displacement maps). MintPy's ``prep_hyp3`` also uses the phase unchanged. The
reference granule is the older one, and the first one in the name.

The names of the granules, and of a product that begins with ``S1``, prove the platform; for anything else
only the parameter file counts: without a wavelength there it has to be given. Missing entries of a
parameter file, or a missing file, cause a warning.

``CENTER_INCIDENCE_ANGLE`` is derived from ``Slant range center``, because the columns of a geocoded product
are not those of the radar.

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
from fringefleet.io.checks.left_out import leave_out, optional
from fringefleet.io.files.folder import find_files, is_litter_member, list_folder
from fringefleet.io.files.text_file import read_text_file, read_text_member
from fringefleet.io.mintpy.geometry import incidence_attribute
from fringefleet.io.mintpy.metadata import number_attribute, positive_attribute
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.geotiff import RasterFile, open_raster
from fringefleet.io.readers.incomplete import check_complete
from fringefleet.io.readers.pair_images import Layer
from fringefleet.io.readers.radar import is_known_platform, platform_name, stated_looks, stated_radar
from fringefleet.io.readers.sentinel1 import AZIMUTH_PIXEL_SIZE, RANGE_PIXEL_SIZE, heading_attributes

_PHASE = re.compile(r"(?P<product>.+)_unw_phase(?P<clip>_clip\w*)?\.tif")
_ARCHIVE = re.compile(r"[\w-]+_INT\d+_\w+\.zip")
_NAMES = (
    re.compile(r"S1[A-D]{2}_(\d{8})T\d{6}_(\d{8})T\d{6}_\w+"),  # GAMMA
    re.compile(r"S1_[\w-]+?_(\d{8})_(\d{8})_[HV]{2}_INT\d+_\w+"),  # bursts
    re.compile(r"[\w-]+?_(\d{8})(?:T\d{6})?_(\d{8})(?:T\d{6})?_[\w-]+"),  # other satellites
)
_SENTINEL1 = re.compile(r"S1([A-D]{2})?_.*")
_MODE = re.compile(r"S1[A-D]_(IW|EW|WV|S[1-6])_.*")
_ENCRYPTED = 1  # bit of the flags of a member
_ENDINGS = {"coherence": "corr", "connected_component": "conncomp"}


@dataclass(frozen=True)
class _Product:
    """Interferogram: the location of its phase, and its other files."""

    name: str
    clip: str  # ending of its rasters if they were clipped
    phase: RasterFile
    others: frozenset[str]  # names of the files next to the phase

    def file(self, ending: str) -> RasterFile | None:
        """Find another file of the product."""
        name = self.name + ending
        return (
            self.phase.sibling(f"{self.name}_unw_phase{self.clip}.tif", name) if name in self.others else None
        )


def _find_evidence(folder: Path) -> str | None:
    product = next(_phases(folder), None) if folder.is_dir() else None
    return None if product is None else name_below(product.phase.path, folder)


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the products lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    products: dict[str, _Product] = {}
    for product in _phases(folder):  # archives come last
        known = products.get(product.name)
        if known is None or (product.clip and not known.clip):
            products[product.name] = product
    lacking = sorted(_without_phase(folder, products))
    check_complete(
        lacking,
        len(products) + len(lacking),
        "_unw_phase.tif",
        drop_incomplete=drop_incomplete,
        are_folders=True,
    )
    return assemble(
        folder, [_pair(product) for product in products.values()], drop_incomplete=drop_incomplete
    )


def _without_phase(folder: Path, products: dict[str, _Product]) -> set[str]:
    """Find folders and archives named like a product without a phase."""
    names = {path.name for path in list_folder(folder) if path.is_dir()}
    names |= {path.stem for path in list_folder(folder) if _ARCHIVE.fullmatch(path.name)}
    return {
        name for name in names if any(form.fullmatch(name) for form in _NAMES[:2]) and name not in products
    }


def _phases(folder: Path) -> Iterator[_Product]:
    """Find the unwrapped phases: in the folder, in its subfolders, in its archives."""
    inner = [path for path in list_folder(folder) if path.is_dir()]
    for place in (folder, *inner):
        if find_files(place, "*_unw_phase*.tif"):  # other folders may contain very many files
            names = frozenset(path.name for path in list_folder(place))
            yield from _phases_in({name: RasterFile(place / name) for name in names})
    for path in list_folder(folder):
        if _ARCHIVE.fullmatch(path.name):
            members = {member.rpartition("/")[2]: RasterFile(path, member) for member in _members(path)}
            yield from _phases_in(members)


def _phases_in(files: dict[str, RasterFile]) -> Iterator[_Product]:
    for name in sorted(files):
        match = _PHASE.fullmatch(name)
        if match and (name.startswith("S1") or f"{match['product']}.txt" in files):
            yield _Product(match["product"], match["clip"] or "", files[name], frozenset(files))


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not is_litter_member(info.filename)]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise StackFormatError(
            f"the archive {archive} cannot be read ({error}). Fetch it again, or move it elsewhere."
        ) from error
    if any(info.flag_bits & _ENCRYPTED for info in members):
        raise StackFormatError(f"the archive {archive} has a password. Unpack it, or move it elsewhere.")
    return [info.filename for info in members]


def _pair(product: _Product) -> Pair:
    match = next((found for name in _NAMES if (found := name.fullmatch(product.name))), None)
    if match is None:
        raise StackFormatError(
            f"found the product {product.name}, whose name lacks two dates in the form of HyP3, such as "
            "S1AA_20200604T022251_20200616T022252_VVP012_INT80_G_ueF_4D09. Restore its name."
        )
    said = _parameters(product)
    baseline = None
    if said:
        with optional("a perpendicular baseline", product.name):
            baseline = number_attribute(said, "Baseline")
    return Pair(product.name, (match[1], match[2]), _layers(product), _attributes(product, said), baseline)


def _layers(product: _Product) -> dict[str, Layer]:
    files = {name: product.file(f"_{end}{product.clip}.tif") for name, end in _ENDINGS.items()}
    there = {name: file for name, file in files.items() if file is not None}
    return {name: open_raster(file) for name, file in ({"unwrapped_phase": product.phase} | there).items()}


def _parameters(product: _Product) -> dict[str, str]:
    """Read the parameter file; empty, with a warning, if there is none."""
    file = product.file(".txt")
    if file is None:
        leave_out("the parameters of a product", f"found no {product.name}.txt next to {product.phase}")
        return {}
    lines = []
    with optional("the parameters of a product", file):
        lines = [line.partition(":") for line in _text(file).splitlines()]
    return {name.strip(): value.strip() for name, mark, value in lines if mark}


def _text(file: RasterFile) -> str:
    if file.member is None:
        return read_text_file(file.path)
    return read_text_member(file.path, file.member)


def _attributes(product: _Product, said: dict[str, str]) -> dict[str, Any]:
    """Return the parameters under MintPy's names."""
    attrs: dict[str, Any] = {"PROCESSOR": "hyp3", "unwrap_method": said.get("Unwrapping type", "")}
    attrs |= _radar(product.name, said)
    if not said:
        return attrs
    with optional("the heading", product.name):
        attrs |= heading_attributes(number_attribute(said, "Heading"))
    names = {
        "UTC time": "CENTER_LINE_UTC",
        "Earth radius at nadir": "EARTH_RADIUS",
        "Spacecraft height": "HEIGHT",
        "Slant range near": "STARTING_RANGE",
    }
    for theirs, ours in names.items():
        with optional(f"{theirs} of a product", product.name):
            attrs[ours] = number_attribute(said, theirs)
    with optional("the incidence angle", product.name):
        radius, height = (positive_attribute(attrs, name) for name in ("EARTH_RADIUS", "HEIGHT"))
        attrs |= incidence_attribute(radius, height, positive_attribute(said, "Slant range center"))
    return attrs


def _radar(name: str, said: dict[str, str]) -> dict[str, Any]:
    """Return what is known of radar and pixels; names of product and granules prove Sentinel-1."""
    granules = {key: said[key] for key in ("Reference Granule", "Secondary Granule") if said.get(key)}
    platforms = {f"{key} {granule}": platform_name(granule) for key, granule in granules.items()}
    missions = {what: platform for what, platform in platforms.items() if is_known_platform(platform)}
    if _SENTINEL1.fullmatch(name):
        missions = {f"the name {name}": "S1"} | missions
    radar = stated_radar(said, name, missions=missions)
    attrs = radar.attributes() | stated_looks(said, name)
    modes = {match[1] for granule in granules.values() if (match := _MODE.fullmatch(granule))}
    if modes - {"IW"}:
        return attrs | {"beam_mode": max(modes)}
    if radar.is_sentinel1:
        sizes = {
            "RLOOKS": ("RANGE_PIXEL_SIZE", RANGE_PIXEL_SIZE),
            "ALOOKS": ("AZIMUTH_PIXEL_SIZE", AZIMUTH_PIXEL_SIZE),
        }
        attrs |= {size: metres * attrs[looks] for looks, (size, metres) in sizes.items() if looks in attrs}
    return attrs


READER = Reader(
    "hyp3",
    "HyP3 GeoTIFF",
    "a folder of HyP3 products (folders or zips with *_unw_phase.tif)",
    _find_evidence,
    _open,
)
