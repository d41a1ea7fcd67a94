"""MintPy's maps of pixels to invert: the water mask, and the average coherence of the pairs."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.hdf5.variables import is_hdf5, open_hdf5
from fringefleet.io.lazy.no_data import read_decoded
from fringefleet.observation.oddities import MASK, RANGES, warn_of_outside


def read_water_mask(path: str | Path, shape: Shape) -> NDArray[np.bool_]:
    """Read MintPy's water mask: True where a pixel is to be inverted.

    Parameters
    ----------
    path
        HDF5 file with the dataset ``mask`` or ``waterMask``, nonzero on land; ``mask`` takes precedence, as
        in MintPy. NaN counts as water, and so do declared no-data values.
    shape
        Rows and columns of the stack.

    Raises
    ------
    InputError
        The file does not exist.
    StackFormatError
        It has neither dataset, or one of another shape.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"found no water mask at {path}; give the path of an HDF5 file or omit it.")
    if not is_hdf5(path):
        raise StackFormatError(f"the water mask {path} is not HDF5; give MintPy's waterMask.h5.")
    with open_hdf5(path) as file:
        datasets = [name for name in file if isinstance(file[name], h5py.Dataset)]
        name = next((name for name in ("mask", "waterMask") if name in datasets), None)
        if name is None:
            raise StackFormatError(
                f"the water mask {path} has the datasets {', '.join(file) or 'none'}; "
                "it needs one named mask or waterMask."
            )
        if file[name].shape != shape:
            raise StackFormatError(
                f"the water mask {path} has the shape {file[name].shape}, the stack {shape}; "
                "both must cover the same pixels."
            )
        if file[name].dtype.kind not in "biuf":
            raise StackFormatError(
                f"the water mask {path} has the type {file[name].dtype}; numbers are needed."
            )
        values = read_decoded(file[name])
    warn_of_outside(f"the water mask {path}", values, MASK, count_as="land")
    land: NDArray[np.bool_] = np.nan_to_num(values) != 0
    return land


def read_average_coherence(path: str | Path, shape: Shape) -> NDArray[np.bool_] | None:
    """Read where MintPy's average coherence indicates data: False where it is exactly 0.

    Parameters
    ----------
    path
        ``avgSpatialCoh.h5``, ``avgSpatialCohIon.h5`` or, for offsets, ``avgSpatialSNR.h5``: an HDF5 file
        whose first dataset of two dimensions is the map.
    shape
        Rows and columns of the stack.

    Returns
    -------
    ndarray or None
        (y, x); None if the map has another shape, in which case MintPy does not use it.

    Raises
    ------
    InputError
        The file does not exist.
    StackFormatError
        It is not an HDF5 file, or has no map.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"found no average coherence at {path}; give the path of MintPy's avgSpatialCoh.h5.")
    if not is_hdf5(path):
        raise StackFormatError(f"the average coherence {path} is not HDF5; remove it or create it again.")
    with open_hdf5(path) as file:
        maps = [item for item in file.values() if isinstance(item, h5py.Dataset) and item.ndim == 2]
        if not maps or maps[0].dtype.kind not in "biuf":
            raise StackFormatError(
                f"the average coherence {path} has the datasets {', '.join(file) or 'none'}; a map of "
                "numbers is needed. Remove the file or create it again."
            )
        if maps[0].shape != shape:
            return None
        values = maps[0][()]
    limits = RANGES["offset_snr" if "SNR" in path.name else "coherence"]
    warn_of_outside(f"the average coherence {path}", values, limits, count_as="data")
    covered: NDArray[np.bool_] = values != 0
    return covered
