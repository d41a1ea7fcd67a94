"""Unpacked values of a stack, in files next to the output for the duration of a run.

A compressed chunk has to be unpacked as a whole. Where each is larger than a tile - whole interferograms, for
example - every tile would unpack the whole stack. It is therefore unpacked once, to files of consecutive
pairs, from which the tiles are read.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.arguments.shapes import Shape
from fringefleet.io.files.memory import empty
from fringefleet.io.hdf5.blocks import read_into
from fringefleet.io.hdf5.layout import Layout, ReadMethod
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.zarr.chunk_files import write_whole

_MOST_READ = 1.2  # times that a part of a stack is read, on average
_GROUP_BYTES = 128 * 1024**2  # of the pairs in one file


class UnpackedArray(BackendArray):
    """Variable whose values are in files of several pairs each.

    Parameters
    ----------
    folder
        Folder of the files.
    shape, dtype
        Shape and dtype of the variable.
    edges
        Index of the first pair in each file, and one past the last.
    """

    def __init__(self, folder: str, shape: tuple[int, ...], dtype: Any, edges: tuple[int, ...]) -> None:
        self.folder, self.shape, self.dtype, self.edges = folder, shape, np.dtype(dtype), edges

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the identity of the content: no two folders have the same name."""
        return type(self).__name__, self.folder, self.shape, str(self.dtype), self.edges

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part."""
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )
        return result

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        wanted = [k if isinstance(k, slice) else slice(int(k), int(k) + 1) for k in key]
        lengths = [len(range(*k.indices(n))) for k, n in zip(wanted, self.shape, strict=True)]
        out = empty(tuple(lengths), self.dtype)
        read_into(self._parts(range(*wanted[0].indices(self.shape[0])), wanted[1:], out))
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    def _parts(
        self, pairs: range, rest: list[slice], out: NDArray[Any]
    ) -> Iterator[tuple[Layout, list[slice | NDArray[np.intp]], NDArray[Any]]]:
        """Yield the part that is read from each file; ``pairs`` ascend."""
        numbers = np.array(pairs, np.intp)
        cuts = np.searchsorted(numbers, self.edges)
        for (first, last), (start, stop) in zip(pairwise(self.edges), pairwise(cuts.tolist()), strict=True):
            if stop > start:
                yield self._layout(first, last), [numbers[start:stop] - first, *rest], out[start:stop]

    def _layout(self, first: int, last: int) -> Layout:
        """Return the layout of the file of some pairs: contiguous values."""
        shape = (last - first, *self.shape[1:])
        place = np.zeros((1,) * len(shape), np.int64)
        size = place + math.prod(shape) * self.dtype.itemsize
        path, fill = self.path(first), np.zeros((), self.dtype)
        name = f"{Path(path).parent.name} (unpacked)"
        return Layout(path, name, shape, shape, self.dtype, fill, (), place, size, place.astype(np.uint32))

    def path(self, first: int) -> str:
        """Return the path of the file that begins with a pair."""
        return f"{self.folder}/{first}"


def unpacked_variable(variable: xr.Variable, folder: Path) -> xr.Variable:
    """Return a variable, whose first dimension is the pair, whose values will be in a folder."""
    array = UnpackedArray(str(folder), variable.shape, variable.dtype, _edges(variable))
    return xr.Variable(variable.dims, indexing.LazilyIndexedArray(array), variable.attrs)


def groups(variable: xr.Variable) -> list[tuple[int, int]]:
    """Cut the pairs of a variable into those of one file each, whole chunks as far as known."""
    return list(pairwise(_edges(variable)))


def _edges(variable: xr.Variable) -> tuple[int, ...]:
    n_pair = variable.shape[0]
    reading: ReadMethod | None = variable.encoding.get("reading")
    step = 1 if reading is None else reading.steps["pair"]
    n_byte = max(1, variable.nbytes // n_pair)
    size = max(1, _GROUP_BYTES // n_byte // step) * step
    return (*range(0, n_pair, size), n_pair)


def write_group(values: NDArray[Any], path: Path) -> None:
    """Write the values of some pairs; the file gets its name when it is complete.

    Parameters
    ----------
    values
        Values to write.
    path
        Path of the file.

    Raises
    ------
    DiskFullError
        States how much is needed.
    """
    with translate_disk_full(path, lambda: values.nbytes):
        write_whole(path, np.ascontiguousarray(values).reshape(-1).view(np.uint8))


def cut_apart(stack: xr.Dataset, tile: Shape, *, small_ones: bool) -> list[str]:
    """Return the names of the variables over pairs whose compressed chunks tiles would unpack repeatedly.

    Parameters
    ----------
    stack
        Stack in the form in which it will be read.
    tile
        Rows and columns of a tile.
    small_ones
        Whether to include chunks that are unpacked in negligible time.
    """
    return [
        str(name)
        for name, data in stack.data_vars.items()
        if (reading := data.encoding.get("reading")) is not None
        and data.dims == ("pair", "y", "x")
        and reading.is_packed
        and (small_ones or not reading.is_small)
        and _times_read(data.shape[1:], (reading.steps["y"], reading.steps["x"]), tile) > _MOST_READ
    ]


def _times_read(shape: tuple[int, ...], step: Shape, tile: Shape) -> float:
    """Compute how often a chunk is read by all tiles, on average.

    Examples
    --------
    >>> _times_read((100, 100), (100, 100), (50, 100))
    2.0
    >>> _times_read((100, 100), (10, 30), (50, 30))
    1.0
    """
    times = 1.0
    for size, chunk, length in zip(shape, step, tile, strict=True):
        ends = [(start, min(start + length, size)) for start in range(0, size, length)]
        touched = sum(-(-stop // chunk) - start // chunk for start, stop in ends)
        times *= touched / -(-size // chunk)
    return times
