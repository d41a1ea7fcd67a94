"""Layout of an HDF5 dataset in its file: the positions of its blocks, and whether they can be read directly.

A block is a chunk, or the whole of a dataset without chunks. HDF5's library provides the positions;
afterwards it is no longer needed.
"""

import math
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.hdf5.filters import FLETCHER32, SHUFFLE, Filter, filters_of, unpack, why_not_unpacked

SMALL_BLOCK = 1024**2  # [byte]; smaller ones are read whole
MISSING = -1  # position of a block that was never written
_MOST_BLOCKS = 2**26  # of one dataset


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of the blocks of one dataset.

    ``block``: its shape; blocks at the edge are as large as the others. ``dtype``: as stored.
    ``offsets`` [byte] from the start of the file, ``sizes`` [byte] as stored, and ``masks``, the
    filters skipped for a block, have as many axes as the dataset.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    block: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: NDArray[Any]
    filters: tuple[Filter, ...]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    masks: NDArray[np.uint32]

    @property
    def block_bytes(self) -> int:
        """Size of an uncompressed block [byte]."""
        return math.prod(self.block) * self.dtype.itemsize

    @property
    def what(self) -> str:
        """Name of the dataset for a message."""
        return f"the dataset {self.name} of {self.path}"


@dataclass(frozen=True)
class ReadMethod:
    """Access to the data of a variable, in its encoding under the name ``reading``.

    ``steps``: smallest part that can be read along each dimension. ``is_packed``: whether all of that has to
    be unpacked for any value in it; ``is_small``: whether that takes negligible time. ``by_library``: why
    HDF5's library reads it, if it does.
    """

    steps: Mapping[str, int]
    is_packed: bool
    is_small: bool
    by_library: str | None


def find_reading(dataset: h5py.Dataset, dims: Sequence[str]) -> ReadMethod:
    """Determine how a dataset with rows and columns is read; ``dims`` are the names of its axes."""
    block = dataset.chunks or dataset.shape
    is_packed = dataset.id.get_create_plist().get_nfilters() > 0
    is_small = dataset.chunks is not None and math.prod(block) * dataset.dtype.itemsize <= SMALL_BLOCK
    by_rows = not is_packed and (not is_small or block[-1] >= dataset.shape[-1])
    steps = (*[1] * (dataset.ndim - 1), block[-1]) if by_rows else block
    return ReadMethod(dict(zip(dims, steps, strict=True)), is_packed, is_small, why_not_direct(dataset))


def why_not_direct(dataset: h5py.Dataset) -> str | None:
    """Return why a dataset is read by HDF5's library, as part of a sentence; None if that is not needed."""
    made = dataset.id.get_create_plist()
    stored = h5py.h5t.py_create(dataset.dtype, logical=True)
    if not hasattr(dataset.id, "chunk_iter"):
        return "this HDF5 does not report the positions of chunks"
    if not dataset.shape or made.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        return "it is small"
    if made.get_external_count():
        return "it is in other files"
    if dataset.dtype.kind not in "biuf" or dataset.dtype.itemsize > 8 or dataset.id.get_type() != stored:
        return "its values are of an unusual type"
    if dataset.chunks and _count_blocks(dataset) > _MOST_BLOCKS:
        return "it has too many chunks"
    if not _offset_is_right(dataset):
        return "this HDF5 reports positions in the file relative to the end of the user block"
    return why_not_unpacked(dataset)


def find_layout(dataset: h5py.Dataset) -> Layout | None:
    """Find the layout of a dataset; None if it has to be read by HDF5's library.

    Raises
    ------
    StackFormatError
        The positions in the file are impossible.
    """
    if why_not_direct(dataset) is not None:
        return None
    block = dataset.chunks or dataset.shape
    n_block = _blocks(dataset.shape, block)
    offsets = np.full(n_block, MISSING, np.int64)
    sizes, masks = np.zeros(n_block, np.int64), np.zeros(n_block, np.uint32)
    path = dataset.file.filename
    layout = Layout(
        path if isinstance(path, str) else os.fsdecode(path),
        dataset.name,
        dataset.shape,
        block,
        dataset.dtype,
        _fill(dataset),
        filters_of(dataset),
        offsets,
        sizes,
        masks,
    )
    if dataset.chunks:
        _find_chunks(dataset, layout)
    elif (offset := dataset.id.get_offset()) is not None:
        offsets[...], sizes[...] = offset, layout.block_bytes
    _check(layout)
    return layout if _edges_are_packed(dataset, layout) else None


def _blocks(shape: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-size // max(1, step)) for size, step in zip(shape, block, strict=True))


def _count_blocks(dataset: h5py.Dataset) -> int:
    return math.prod(_blocks(dataset.shape, dataset.chunks))


def _fill(dataset: h5py.Dataset) -> NDArray[Any]:
    """Return the value of blocks that were never written; zero where the file defines no fill value."""
    made = dataset.id.get_create_plist()
    fill = np.zeros((), dataset.dtype)
    filled = made.get_fill_time() != h5py.h5d.FILL_TIME_NEVER
    if filled and made.fill_value_defined() != h5py.h5d.FILL_VALUE_UNDEFINED:
        made.get_fill_value(fill)
    return fill


def _find_chunks(dataset: h5py.Dataset, layout: Layout) -> None:
    found = array("q")

    def note(chunk: Any) -> None:
        found.extend((*chunk.chunk_offset, chunk.byte_offset, chunk.size, chunk.filter_mask))

    dataset.id.chunk_iter(note)
    table = np.frombuffer(found, np.int64).reshape(-1, dataset.ndim + 3)
    numbers, rest = np.divmod(table[:, : dataset.ndim], layout.block)
    if rest.any() or (numbers < 0).any() or (numbers >= layout.offsets.shape).any():
        raise _misplaced(layout)
    where = tuple(numbers.T)
    layout.offsets[where], layout.sizes[where], layout.masks[where] = table[:, dataset.ndim :].T


def _check(layout: Layout) -> None:
    """Reject blocks that are outside the file, or of the wrong size."""
    there = layout.offsets != MISSING
    ends = layout.offsets + layout.sizes
    too_far = there & ((layout.offsets < 0) | (layout.sizes < 0) | (ends > Path(layout.path).stat().st_size))
    as_it_is = there if not layout.filters else there & _skips_all(layout.masks, len(layout.filters))
    if too_far.any() or (layout.sizes[as_it_is] != layout.block_bytes).any():
        raise _misplaced(layout)


def _skips_all(masks: NDArray[np.uint32], n_filter: int) -> NDArray[np.bool_]:
    every = (1 << n_filter) - 1
    skipped: NDArray[np.bool_] = (masks & every) == every
    return skipped


def _misplaced(layout: Layout) -> StackFormatError:
    return StackFormatError(
        f"{layout.what} cannot be read: parts of it have impossible positions, or are beyond the end of the "
        "file, "
        "so it is damaged, or still being written. Copy or create it again."
    )


def _offset_is_right(dataset: h5py.Dataset) -> bool:
    """Check one chunk of a file with a user block: libraries differ in the origin of positions.

    See `H5Dget_chunk_info <https://support.hdfgroup.org/documentation/hdf5/latest/group___h5_d.html>`_.
    """
    if not dataset.file.userblock_size or not dataset.chunks or not dataset.id.get_num_chunks():
        return True
    first = dataset.id.get_chunk_info(0)
    _, raw = dataset.id.read_direct_chunk(first.chunk_offset)
    with Path(dataset.file.filename).open("rb") as file:
        file.seek(first.byte_offset)
        return bool(file.read(first.size) == raw)


def _edges_are_packed(dataset: h5py.Dataset, layout: Layout) -> bool:
    """Return whether filters were applied to chunks at the edge, too, an option that h5py does not expose.

    For compressed chunks the decoder notices (:mod:`fringefleet.io.hdf5.filters`); shuffled ones have the
    same size as others, so one is compared with what the library reads.
    """
    codes = {step.code for step in layout.filters}
    if SHUFFLE not in codes or not codes <= {SHUFFLE, FLETCHER32}:
        return True
    cut = np.array([-size % step != 0 for size, step in zip(layout.shape, layout.block, strict=True)])
    numbers = np.argwhere((layout.offsets != MISSING) & (layout.masks == 0))
    at_edge = numbers[((numbers == np.array(layout.offsets.shape) - 1) & cut).any(axis=1)]
    if not len(at_edge):
        return True
    number = tuple(at_edge[0].tolist())
    with Path(layout.path).open("rb") as file:
        file.seek(layout.offsets[number])
        packed = np.frombuffer(file.read(layout.sizes[number]), np.uint8)
    values = unpack(packed, layout.filters, 0, layout.block_bytes).view(layout.dtype).reshape(layout.block)
    places = tuple(slice(n * step, (n + 1) * step) for n, step in zip(number, layout.block, strict=True))
    expected = dataset[places]
    return bool(values[tuple(map(slice, expected.shape))].tobytes() == expected.tobytes())
