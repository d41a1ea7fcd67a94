"""Identification of a path that cannot be used as given: a phrase for messages, with advice."""

import difflib
import re
from codecs import getincrementaldecoder
from pathlib import Path

import h5py

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.files.folder import find_files, is_litter, list_folder
from fringefleet.io.hdf5.variables import open_hdf5
from fringefleet.io.mintpy.metadata import plain_attributes
from fringefleet.io.zarr.metadata import V2, V3, is_zarr
from fringefleet.network.network import shorten
from fringefleet.observation.quantity import PHASE, is_observation

HOW_TO_LIST = "`fringefleet info --formats` lists what can be read"
_MOST_NAMES = 5
_STACK_OF_MINTPY = Path("inputs", "ifgramStack.h5")
_NISAR_BANDS = ("LSAR", "SSAR")
_BEGINNINGS = {
    b"CDF": "a file of NetCDF-3, which cannot be read in parts as HDF5 can; convert it to NetCDF-4: "
    "nccopy -k nc4 {name} another.nc",
    b"II*\0": "a TIFF image; give the folder of the processor's products that it belongs to",
    b"MM\0*": "a TIFF image; give the folder of the processor's products that it belongs to",
    b"II+\0": "a TIFF image; give the folder of the processor's products that it belongs to",
    b"PK\3\4": "a zip archive; give the folder that contains it, if it is one of HyP3's",
    b"\x1f\x8b": "a compressed file; unpack it",
    b"%PDF": "a PDF document",
}


def check_exists(path: Path) -> None:
    """Reject a path that does not exist; the message names its neighbours, the nearest spelling first.

    Raises
    ------
    StackFormatError
        The file or folder does not exist, or cannot be accessed.
    """
    with readable(f"the path {path}"):
        if path.exists():
            return
        if path.is_symlink():
            raise StackFormatError(
                f"{path}: no such file; it is a link to {path.readlink()}. Correct the link."
            )
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        names = [item.name for item in list_folder(there) if not item.name.startswith(".")]
    near = difflib.get_close_matches(path.name, names, n=_MOST_NAMES)
    others = shorten([*near, *(name for name in names if name not in near)], at_most=_MOST_NAMES)
    where = "here" if there == Path.cwd() else f"in {there}"
    raise StackFormatError(f"{path}: no such file or folder ({where}: {others or 'nothing'}).")


def identify(path: Path) -> str:
    """Describe what a path is, and what to give instead where that is known, as a phrase for a message."""
    with readable(f"the path {path}"):
        if path.is_dir():
            return _folder(path)
        if not path.is_file():
            return "neither a file nor a folder"
        if h5py.is_hdf5(path):
            return _hdf5(path)
        return _file(path)


def identify_product(path: Path) -> str | None:
    """Describe an HDF5 file that is a product of another program and not a stack; None if unknown."""
    with open_hdf5(path) as file:
        names, attrs = set(file), plain_attributes(file.attrs)
        for band in _NISAR_BANDS:
            if isinstance(products := file.get(f"science/{band}"), h5py.Group):
                kinds = ", ".join(name for name in products if name != "identification")
                return (
                    f"a NISAR product ({kinds or 'of unknown kind'}), which cannot be read directly; "
                    "MintPy's "
                    f"prep_nisar.py makes an {_STACK_OF_MINTPY.name} from a folder of them: give that"
                )
        if path.name.startswith("OPERA_") or ("identification" in names and "displacement" in names):
            kind = "OPERA DISP product" if "displacement" in names else "OPERA product"
            made = ", which contains displacements already" if "displacement" in names else ""
            return f"an {kind}{made}; interferograms are needed: an unwrapped stack of dolphin, for example"
        if "science/grids/data/unwrappedPhase" in file:
            return (
                f"one S1-GUNW product; give the folder that contains the products: {path.absolute().parent}"
            )
    if "fringefleet_version" in attrs:  # a result of ours, which has attributes of its source
        return None
    kind = str(attrs.get("FILE_TYPE", "")).strip()
    if kind and kind != "ifgramStack" and not any(map(is_observation, names)) and "unwrapPhase" not in names:
        return (
            f"a file of MintPy's of the type {kind}, with {shorten(sorted(names), at_most=_MOST_NAMES)}; "
            f"give the {_STACK_OF_MINTPY.name} that it was made from"
        )
    return None


def _hdf5(path: Path) -> str:
    known = identify_product(path)
    if known:
        return known
    with open_hdf5(path) as file:
        names = shorten(sorted(file), at_most=_MOST_NAMES)
        is_stack = "unwrapPhase" in file or any(map(is_observation, file))
    if is_stack:
        return "a stack of interferograms; `fringefleet invert` makes a result from it first"
    return f"an HDF5 file with {names or 'nothing in it'}"


def _folder(folder: Path) -> str:
    if is_zarr(folder):
        arrays = [item.name for item in list_folder(folder) if (item / V3).is_file() or (item / V2).is_file()]
        if "displacement" in arrays:
            return "a displacement: the result of an inversion, or the truth of a simulation"
        if any(map(is_observation, arrays)):
            return "a stack of interferograms; `fringefleet invert` makes a result from it first"
        if not arrays and (folder / V3).is_file() and (folder / "c").is_dir():
            return f"one array of a Zarr store; give the store: {folder.absolute().parent}"
        return f"a Zarr store with {shorten(arrays, at_most=_MOST_NAMES) or 'no arrays'}, and no {PHASE}"
    if (folder / V2).is_file():
        return f"one array of a Zarr store; give the store: {folder.absolute().parent}"
    if (folder / _STACK_OF_MINTPY).is_file():
        return f"a MintPy project; give {folder / _STACK_OF_MINTPY}, or use `fringefleet mintpy`"
    if geocoded := _geocoded_gmtsar(folder):
        return (
            "GMTSAR's folder of pairs with geocoded grids but without unwrap.grd; give one of them, "
            f"which stands for all: {geocoded}"
        )
    names = [f"{item.name}/" if item.is_dir() else item.name for item in list_folder(folder)]
    return _product_in(folder) or f"a folder with {shorten(names, at_most=_MOST_NAMES) or 'nothing in it'}"


def _product_in(folder: Path) -> str | None:
    """Describe the first product of another program in a folder."""
    for file in (path for pattern in ("*.h5", "*.nc") for path in find_files(folder, pattern)):
        if h5py.is_hdf5(file) and (known := identify_product(file)):
            return f"a folder with {file.name}: {known}"
    return None


def _geocoded_gmtsar(folder: Path) -> Path | None:
    """Find the first geocoded phase in a folder of pairs, or in its parent."""
    places = (folder, *(folder / name for name in ("intf_all", "intf", "merge")))
    found = (grid for place in places for grid in find_files(place, "*_*/unwrap*_ll.grd"))
    return next(found, None)


def _file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        return "an empty file"
    for beginning, what in _BEGINNINGS.items():
        if head.startswith(beginning):
            return what.format(name=path.name)
    if path.name in ("zarr.json", ".zgroup", ".zattrs", ".zmetadata"):
        return f"the metadata of a Zarr store; give its folder: {path.absolute().parent}"
    if not _is_text(head) or is_litter(path.name):
        return "a file of unknown type"
    if re.search(rb"^\s*mintpy\.\w+", head, re.MULTILINE):
        return "a template of MintPy; give it with --template, in addition to the stack"
    return "a text file"


def _is_text(head: bytes) -> bool:
    """Return whether the beginning of a file is text, of which the last character may be cut off."""
    try:
        return "\0" not in getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
