"""Reader of ARIA's products S1-GUNW and ALOS2-GUNW as downloaded: NetCDF-4 files of one frame in one folder.

::

    S1-GUNW-A-R-087-tops-20200113_20200101-043045-00155W_00018N-PP-1234-v3_0_1.nc
        science/grids/data/unwrappedPhase [rad], coherence, connectedComponents over latitude, longitude
        science/grids/imagingGeometry/perpendicularBaseline [m], incidenceAngle [degree], coarse
        science/radarMetaData/wavelength [m], slantRangeStart [m], slantRangeSpacing [m]

Products with different extents are cut to the common pixels; ARIA-tools combines frames, and brings
products to a common grid (see :mod:`fringefleet.io.readers.aria`).

Notes
-----
Sign: as for ARIA-tools; ``reference_date`` is the later date, and phase and baseline are unchanged. The
baseline of a pair is the mean of its coarse grid.

References
----------
ARIA-tools: ``ARIAProduct.py`` (names in the files and of the files). MintPy: ``prep_aria``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.checks.left_out import optional
from fringefleet.io.files.folder import find_files
from fringefleet.io.files.version import FileVersion
from fringefleet.io.hdf5.variables import open_hdf5
from fringefleet.io.lazy.no_data import StoredNumbers, declared_of_hdf5, read_decoded
from fringefleet.io.mintpy.metadata import plain_attributes
from fringefleet.io.quantities import ANGLE, LENGTH, Quantity, declared_unit, in_unit
from fringefleet.io.readers.aria_metadata import product_attributes
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.pair_images import Layer

_NAME = re.compile(
    r"(?P<mission>S1|ALOS2)\w?-GUNW-(?P<direction>[AD])-(?P<side>[RL])-\d{3}-\w+-(?P<first>\d{8})_(?P<second>\d{8})-"
    r"(?P<time>\d{6})-.*\.nc"
)
_DATA, _GEOMETRY, _RADAR = "science/grids/data", "science/grids/imagingGeometry", "science/radarMetaData"
_NAMES = {
    "unwrapped_phase": "unwrappedPhase",
    "coherence": "coherence",
    "connected_component": "connectedComponents",
}
_SAID = ("wavelength", "centerFrequency", "slantRangeStart", "slantRangeSpacing")
_REGULAR = 0.01  # [pixel] tolerance of a coordinate


@dataclass(frozen=True)
class HDF5Image:
    """Dataset (y, x) of an HDF5 file; see :class:`~fringefleet.io.readers.pair_images.Image`."""

    versions: tuple[FileVersion, ...]
    dataset: str
    stored: StoredNumbers

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window; NaN where there is no data.

        Raises
        ------
        StackFormatError
            The window cannot be read: a truncated or damaged file.
        """
        path = self.versions[0].path
        with open_hdf5(Path(path), is_checked=True) as file, readable(f"{self.dataset} of {path}"):
            stored = file[self.dataset][rows, columns]
        values: NDArray[np.float32] = self.stored.decode(stored, np.float32)
        return values


def _find_evidence(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    named = (path for path in _products(folder) if _NAME.fullmatch(path.name))
    return name_below(next(named, None), folder)


def _products(folder: Path) -> list[Path]:
    return sorted([*find_files(folder, "S1*-GUNW-*.nc"), *find_files(folder, "ALOS2*-GUNW-*.nc")])


def _open(folder: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the products lazily.

    Raises
    ------
    StackFormatError
        A file is unreadable, lacks something or is inconsistent with the others; the message names it.
    """
    return assemble(folder, [_pair(path) for path in _products(folder)], drop_incomplete=drop_incomplete)


def _pair(path: Path) -> Pair:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise StackFormatError(
            f"found {path.name}, which is not named like a product, such as S1-GUNW-A-R-087-tops-"
            "20200113_20200101-043045-00155W_00018N-PP-1234-v3_0_1.nc. Restore its name."
        )
    with open_hdf5(path) as file:
        try:
            layers = _layers(path, file)
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise StackFormatError(
                f"the product {path.name} cannot be parsed ({error}). It may be damaged; fetch it again."
            ) from error
        said: dict[str, Any] = {}
        for name in _SAID:
            with optional(name, path.name):
                said |= {name: _number(file, f"{_RADAR}/{name}")} if f"{_RADAR}/{name}" in file else {}
        baseline = _mean(file, "perpendicularBaseline", LENGTH, path)
        incidence = _mean(file, "incidenceAngle", ANGLE, path)
    clock = match["time"]
    said |= {"mission": match["mission"], "lookSide": match["side"]}
    said |= {"orbitDirection": {"A": "ASCENDING", "D": "DESCENDING"}[match["direction"]]}
    said |= {"utcTime": f"{clock[:2]}:{clock[2:4]}:{clock[4:]}"}
    said |= {} if incidence is None else {"incidenceAngle": incidence}
    attrs = product_attributes(said, path.name)
    return Pair(path.name, (match["first"], match["second"]), layers, attrs, baseline)


def _layers(path: Path, file: h5py.File) -> dict[str, Layer]:
    version, data = FileVersion.of(path), file[_DATA]
    for name in (_NAMES["unwrapped_phase"], "latitude", "longitude"):
        if name not in data:
            raise KeyError(f"no {_DATA}/{name}")
    grid = _grid(data)
    layers = {}
    for ours, theirs in _NAMES.items():
        if theirs not in data:
            continue
        dataset = data[theirs]
        if dataset.shape != grid.shape or dataset.dtype.kind not in "iuf":
            raise ValueError(f"{theirs} has the shape {dataset.shape} and the type {dataset.dtype}")
        image = HDF5Image((version,), dataset.name, declared_of_hdf5(dataset))
        block = None if dataset.chunks is None else tuple(dataset.chunks)
        name = f"{path}:{dataset.name}"
        layers[ours] = Layer(name, image, grid, block, _unit(dataset), dataset.dtype.name)
    return layers


def _grid(data: h5py.Group) -> Grid:
    """Return the grid from the centres of its pixels [degree]."""
    firsts, steps, shape = [], [], []
    for name in ("latitude", "longitude"):
        values = data[name][()].astype(np.float64)
        step = (values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 0.0
        off = np.abs(np.diff(values) - step).max(initial=0)
        if step == 0 or not off <= _REGULAR * abs(step) * len(values):
            raise ValueError(f"the {name} of its {len(values)} pixels is not regular")
        firsts.append(float(values[0] - step / 2))
        steps.append(float(step))
        shape.append(len(values))
    return Grid((shape[0], shape[1]), (firsts[0], firsts[1]), (steps[0], steps[1]), "EPSG:4326")


def _unit(dataset: h5py.Dataset) -> str | None:
    return declared_unit(plain_attributes(dataset.attrs))


def _number(file: h5py.File, name: str) -> float:
    """Read a length [m]."""
    return float(np.ravel(file[name][()])[0]) * in_unit(LENGTH, _unit(file[name]), name)


def _mean(file: h5py.File, name: str, quantity: Quantity, path: Path) -> float | None:
    """Average a coarse grid of the imaging geometry; None where none is readable."""
    if f"{_GEOMETRY}/{name}" not in file:
        return None
    with optional(name, path.name):
        dataset = file[f"{_GEOMETRY}/{name}"]
        values = read_decoded(dataset)
        known = values[np.isfinite(values)]
        return float(known.mean()) * in_unit(quantity, _unit(dataset), name) if known.size else None
    return None


READER = Reader("gunw", "ARIA S1-GUNW", "a folder of ARIA's products S1-GUNW-*.nc", _find_evidence, _open)
