"""Blocks of an HDF5 dataset, read from its file and unpacked on all cores of a worker, without HDF5's lock.

Compressed blocks are read whole, neighbours in the file together. Of others only the requested part is read,
as long as its pieces are not too small.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.io.files.memory import empty
from fringefleet.io.files.threads import each
from fringefleet.io.hdf5.extents import AT_ONCE, MOST_UNWANTED, find_extents
from fringefleet.io.hdf5.layout import MISSING, SMALL_BLOCK, Layout
from fringefleet.io.hdf5.reader import ExtentReader
from fringefleet.io.hdf5.runs import Axis, WantedRange, count_wanted, cut_into_runs

BYTES_OF_A_CALL = 2048  # [byte] that are read in the time of a system call
_MOST_EXTENTS = 256  # read by one thread before another has its turn


def read_blocks(layout: Layout, wanted: WantedRange, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read a part of a dataset.

    Parameters
    ----------
    layout
        Layout of the blocks.
    wanted
        For each axis a slice, or indices; an axis with a single index is dropped.
    dtype
        Dtype of the result; values are converted as HDF5 does.

    Raises
    ------
    StackFormatError
        The file lacks these bytes, or they cannot be unpacked; names the dataset.
    """
    lengths = [cut_into_runs(*axis)[1] for axis in zip(wanted, layout.shape, layout.block, strict=True)]
    out = empty(tuple(lengths), dtype)
    read_into([(layout, wanted, out)])
    return out[tuple(0 if isinstance(item, int | np.integer) else slice(None) for item in wanted)]


def read_into(parts: Iterable[tuple[Layout, WantedRange, NDArray[Any]]]) -> None:
    """Read parts of datasets to their destinations, all in parallel.

    Parameters
    ----------
    parts
        Layout of a dataset, the part to read, and its destination, with all axes.

    Raises
    ------
    StackFormatError
        As for :func:`read_blocks`.
    """
    with ExitStack() as files:
        jobs: list[Iterator[Callable[[], None]]] = []
        for layout, wanted, out in parts:
            if out.size:
                file = os.open(layout.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                files.callback(os.close, file)
                axes = [
                    cut_into_runs(*axis)[0] for axis in zip(wanted, layout.shape, layout.block, strict=True)
                ]
                jobs.append(_jobs(ExtentReader(layout, file, out), axes))
        each(lambda job: job(), chain.from_iterable(jobs))


def _jobs(reader: ExtentReader, axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    layout = reader.layout
    if layout.filters:
        yield from _whole_blocks(reader, axes)
    elif _is_quicker_whole(layout, axes):
        # Dropped pairs are skipped, if they are far enough apart.
        single = [(number, [run]) for number, runs in axes[0] for run in runs]
        yield from _whole_blocks(reader, [single, *axes[1:]])
    else:
        yield from _parts_of_blocks(reader, axes)


def _is_quicker_whole(layout: Layout, axes: Sequence[Axis]) -> bool:
    """Return whether plain blocks are read whole, although only some rows and columns of each are needed.

    Blocks that contain whole interferograms never are: all tiles would read the whole file.
    """
    if all(n == 1 for n in layout.offsets.shape[1:]):
        return False
    n_piece, lengths = (
        0.0,
        [count_wanted(*axis) for axis in zip(axes, layout.shape, layout.block, strict=True)],
    )
    for i, (wanted, there) in enumerate(lengths[1:], 1):
        if wanted * (1 + MOST_UNWANTED) < there:
            n_piece = math.prod(
                count / len(axis) for (count, _), axis in zip(lengths[:i], axes, strict=False)
            )
    return layout.block_bytes <= max(SMALL_BLOCK * (n_piece == 0), n_piece * BYTES_OF_A_CALL)


def _whole_blocks(reader: ExtentReader, axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    """Read blocks from end to end, or of plain ones a range of the first axis, in the order of the file."""
    layout = reader.layout
    where = np.ix_(*([number for number, _ in axis] for axis in axes))
    begins, sizes = layout.offsets[where].ravel(), layout.sizes[where].ravel()
    shape = tuple(map(len, axes))
    for flat in np.flatnonzero(begins == MISSING).tolist():
        yield partial(
            reader.fill, [axis[i][1] for axis, i in zip(axes, np.unravel_index(flat, shape), strict=True)]
        )
    if not layout.filters:
        plane = layout.block_bytes // layout.block[0]
        first = np.array([runs[0][0].start * plane for _, runs in axes[0]])
        length = np.array([(runs[0][0].stop - runs[0][0].start) * plane for _, runs in axes[0]])
        n_rest = math.prod(shape[1:])
        begins, sizes = begins + np.repeat(first, n_rest), np.repeat(length, n_rest)
    there = np.flatnonzero(layout.offsets[where].ravel() != MISSING)
    there = there[np.argsort(begins[there], kind="stable")]
    numbers, extents = np.unravel_index(there, shape), np.stack([begins[there], sizes[there]])
    begins_row = _begins_row(layout, axes, numbers, extents)
    for group in _groups(*extents):
        edges = [0, *(np.flatnonzero(begins_row[group][1:]) + 1).tolist(), group.stop - group.start]
        places = tuple(number[group] for number in numbers)
        yield partial(reader.read_whole, axes, places, extents[:, group], edges)


def _begins_row(
    layout: Layout, axes: Sequence[Axis], numbers: Sequence[NDArray[np.intp]], extents: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which blocks start a row of whole plain ones that are neighbours in the scene and the file.

    Copying a row at once takes half the time.
    """
    begins, sizes = extents
    is_first = np.ones(len(begins), np.bool_)
    if layout.filters or len(axes) < 2:
        return is_first
    is_first[1:] = (begins[1:] != begins[:-1] + sizes[:-1]) | (np.diff(numbers[-1]) != 1)
    for number in numbers[:-1]:
        is_first[1:] |= np.diff(number) != 0
    for number, axis, step in zip(numbers[1:], axes[1:], layout.block[1:], strict=True):
        whole = np.array([len(runs) == 1 and runs[0][0] == slice(0, step) for _, runs in axis], np.bool_)
        is_first[1:] |= ~(whole[number[1:]] & whole[number[:-1]])
    return is_first


def _groups(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[slice]:
    """Group reads that are contiguous in the file."""
    if not len(begins):
        return []
    gaps = begins[1:] - (begins[:-1] + sizes[:-1])
    is_new = np.concatenate([[True], (gaps < 0) | (gaps > MOST_UNWANTED * sizes[:-1])])
    start = begins[np.flatnonzero(is_new)][np.cumsum(is_new) - 1]
    turn = (begins - start) // AT_ONCE
    is_new[1:] |= turn[1:] != turn[:-1]
    edges = [*np.flatnonzero(is_new).tolist(), len(begins)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _parts_of_blocks(reader: ExtentReader, axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    """Read only the requested parts of large plain blocks."""
    layout, batch, n_byte = reader.layout, [], 0
    for blocks in product(*axes):
        offset = int(layout.offsets[tuple(number for number, _ in blocks)])
        runs = [runs for _, runs in blocks]
        if offset == MISSING:
            yield partial(reader.fill, runs)
            continue
        for extent in find_extents(layout, offset, runs):
            batch.append(extent)
            n_byte += extent.n_byte
            if n_byte >= AT_ONCE or len(batch) >= _MOST_EXTENTS:
                yield partial(reader.read_extents, batch)
                batch, n_byte = [], 0
    if batch:
        yield partial(reader.read_extents, batch)
