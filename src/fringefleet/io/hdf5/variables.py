"""HDF5 datasets as xarray's lazily indexed arrays: read on demand, without open files.

Each read opens the file, read-only and without locks, and closes it again: an array pickles as a
path and a name, has the same Dask token in every process, and never holds a handle to a file that
another program wants to replace. MintPy's files have no dimension names, so there is nothing to decode.

HDF5's library reads and unpacks in one thread of a process. It is therefore only asked for the positions of
chunks, once per process, and these are read around it (:mod:`fringefleet.io.hdf5.blocks`); datasets stored
in an unusual way are left to it (:func:`fringefleet.io.hdf5.layout.why_not_direct`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.files.folder import check_plain_file
from fringefleet.io.files.version import FileVersion, unchanged
from fringefleet.io.hdf5.blocks import read_blocks
from fringefleet.io.hdf5.layout import Layout, find_layout

_MOST_LAYOUTS = 16  # that a process caches


def is_hdf5(path: Path) -> bool:
    """Return whether a path is an HDF5 file.

    Raises
    ------
    StackFormatError
        The user lacks the permission to read it.
    """
    try:
        return bool(h5py.is_hdf5(path))
    except OSError as error:
        raise StackFormatError(f"{path} cannot be read ({os.strerror(error.errno or 0)}).") from error


@contextmanager
def open_hdf5(path: Path, *, is_checked: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, without locks, and close it after use; all errors inside name it.

    Parameters
    ----------
    path
        Path of the file.
    is_checked
        Whether the file is known to be self-contained; otherwise that is checked.

    Raises
    ------
    StackFormatError
        The file cannot be opened or read: truncated, damaged, not permitted; or its data are elsewhere.
    """
    check_plain_file(path)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise StackFormatError(
            f"the HDF5 file {path} cannot be opened ({error}). It may be truncated, or still being "
            "written; copy or create it again."
        ) from error
    with file, readable(f"the HDF5 file {path}"):
        if not is_checked:
            check_self_contained(file)
        yield file


def dataset_in(file: h5py.File, name: str, shape: tuple[int, ...], way_out: str) -> h5py.Dataset:
    """Return a numeric dataset of a given shape, unread.

    Parameters
    ----------
    file
        Open file.
    name
        Name of the dataset.
    shape
        Required shape.
    way_out
        Advice to the user, as part of a sentence.

    Raises
    ------
    StackFormatError
        It does not exist, or is a group, or of another shape or type.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        what = f"no dataset {name}, but {', '.join(file) or 'nothing'}"
    elif found.shape != shape:
        what = f"{name} of {found.shape}"
    elif found.dtype.kind not in "biuf":
        what = f"{name} of the type {found.dtype}"
    else:
        return found
    raise StackFormatError(f"found {what} in {file.filename}; numbers of {shape} are needed: {way_out}.")


def check_self_contained(file: h5py.File) -> None:
    """Reject an HDF5 file with links, raw data or virtual datasets that refer to other files.

    The data must be in the file that the user named, whose version is checked; a path in a file from
    elsewhere could name any file that the user may read.

    Raises
    ------
    StackFormatError
        Names the dataset and the other file.
    """

    def look(name: str, link: h5py.HardLink | h5py.SoftLink | h5py.ExternalLink) -> None:
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(file, name, f"a link to {link.filename}")
        if isinstance(link, h5py.HardLink) and isinstance(dataset := file[name], h5py.Dataset):
            _check_own_data(file, dataset)

    file.visititems_links(look)


def _check_own_data(file: h5py.File, dataset: h5py.Dataset) -> None:
    if dataset.external:
        raise _elsewhere(file, dataset.name, f"raw data in {dataset.external[0][0]}")
    if dataset.is_virtual:
        others = {source.file_name for source in dataset.virtual_sources()} - {"."}
        if others:
            raise _elsewhere(file, dataset.name, f"parts in {min(others)}")
        raise StackFormatError(  # a self-reference ends the process; missing parts read as no data
            f"found that {dataset.name.strip('/')} of {file.filename} is a virtual dataset, composed "
            "of others; only ordinary ones are read. Copy its data into one."
        )


def _elsewhere(file: h5py.File, name: str, what: str) -> StackFormatError:
    return StackFormatError(
        f"found that {name.strip('/')} of {file.filename} has {what}; only data in the file itself are read. "
        "Copy the data into one file."
    )


class HDF5Array(BackendArray):
    """Dataset of an HDF5 file, read when it is indexed, with a selection along its first axis.

    Parameters
    ----------
    source
        Version of the file.
    dataset
        Open dataset; only its name and shape are kept.
    kept
        Indices along the first axis, ascending; None keeps all. They are read in runs of
        neighbours, directly into the result.
    dtype
        Dtype of the result; HDF5 converts while it reads.
    """

    def __init__(
        self, source: FileVersion, dataset: h5py.Dataset, kept: NDArray[np.int64] | None, dtype: Any
    ) -> None:
        self.source = source
        self.name = dataset.name
        self.dtype = np.dtype(dtype)
        self.kept = kept
        n_first = dataset.shape[:1] if kept is None else (len(kept),)
        self.shape = (*n_first, *dataset.shape[1:])

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the identity of the content: the same in every process, another after the file changed."""
        return (type(self).__name__, self.source, self.name, self.kept, str(self.dtype))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part; xarray reduces any index to slices, integers and at most one vector."""
        with unchanged([self.source], f"the stack {self.source.path}"):
            result: NDArray[Any] = indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
            )
        return result

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        path = self.source.path
        with readable(f"the dataset {self.name} of {path}"):
            layout = _layout_of(self.source, self.name)
            if layout is not None:
                first = key[:1] if self.kept is None else (self.kept[key[0]],)
                return read_blocks(layout, (*first, *key[1:]), self.dtype)
            with open_hdf5(Path(path), is_checked=True) as file:
                return self._read_by_library(file[self.name], key)

    def _read_by_library(self, dataset: h5py.Dataset, key: tuple[Any, ...]) -> NDArray[Any]:
        if self.kept is None or not key:
            return np.asarray(dataset.astype(self.dtype)[key])
        first = self.kept[key[0]]
        rows = self._read_rows(dataset, np.atleast_1d(first), key[1:])
        return rows if np.ndim(first) else rows[0]

    def _read_rows(
        self, dataset: h5py.Dataset, rows: NDArray[np.int64], rest: tuple[Any, ...]
    ) -> NDArray[Any]:
        widened = tuple(slice(k, k + 1) if isinstance(k, int | np.integer) else k for k in rest)
        shape = tuple(
            len(range(n)[k]) if isinstance(k, slice) else len(k)
            for k, n in zip(widened, dataset.shape[1:], strict=True)
        )
        out = np.zeros((len(rows), *shape), self.dtype)  # HDF5 leaves some unset
        if out.size:
            for start, stop in _runs(rows):
                selection = (slice(rows[start], rows[stop - 1] + 1), *widened)
                dataset.read_direct(out, selection, slice(start, stop))
        squeeze = tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in rest)
        part: NDArray[Any] = out[(slice(None), *squeeze)]
        return part


@lru_cache(_MOST_LAYOUTS)
def _layout_of(source: FileVersion, name: str) -> Layout | None:
    """Return the layout of a dataset in one version of a file; None if HDF5's library has to read it."""
    with open_hdf5(Path(source.path), is_checked=True) as file:
        return find_layout(file[name])


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Cut ascending indices into runs of neighbours; return the half-open range of each."""
    cuts = np.flatnonzero(np.diff(values) != 1) + 1
    edges = [0, *cuts.tolist(), len(values)]
    return list(pairwise(edges))
