"""Blocks of an HDF5 dataset, read from its file and unpacked on all cores of a worker, without HDF5's lock.

What is asked of the file is counted (:func:`bytes_asked`). Blocks that are packed are read whole, neighbours
in the file together. Of others only what is wanted is read, as far as that is not in too small pieces.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.buffers import buffer
from fringefleet.io.hdf5_filters import unpack
from fringefleet.io.hdf5_layout import MISSING, SMALL_BLOCK, Layout
from fringefleet.io.memory import empty
from fringefleet.io.threads import each

MOST_UNWANTED = 0.2  # of what is wanted: read with it where that saves to read it in pieces
_AT_ONCE = 4 * 1024**2  # [byte] that one thread reads before another has its turn
_BYTES_OF_A_CALL = 2048  # [byte] that are read in the time of asking for any
_MOST_EXTENTS = 256  # likewise

Run = tuple[slice, slice]  # where it is in a block, and where it belongs
Wanted = Sequence[int | slice | NDArray[np.intp]]
Axis = list[tuple[int, list[Run]]]  # numbers of blocks along an axis, and what is wanted of each


class _Asked:
    """Bytes that this process has asked files for."""

    def __init__(self) -> None:
        self.n_byte = 0
        self._lock = threading.Lock()

    def add(self, n_byte: int) -> None:
        with self._lock:
            self.n_byte += n_byte


_asked = _Asked()


def bytes_asked() -> int:
    """Count the bytes that this process has asked HDF5 files for without their library."""
    return _asked.n_byte


class _Extent(NamedTuple):
    """A part of the file, and what of it belongs where."""

    offset: int
    n_byte: int
    shape: tuple[int, ...]  # of what is there, unpacked
    pieces: list[tuple[tuple[slice, ...], tuple[slice, ...]]]


def read_blocks(layout: Layout, wanted: Wanted, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read a part of a dataset.

    Parameters
    ----------
    layout
        Where its blocks are.
    wanted
        For each axis a slice, or the numbers of what is wanted; an axis of which one number is wanted is
        dropped.
    dtype
        What comes out; numbers are converted as HDF5 does it.

    Raises
    ------
    StackFormatError
        The file has no such bytes, or they cannot be unpacked; says of which dataset.
    """
    lengths = [_runs(*axis)[1] for axis in zip(wanted, layout.shape, layout.block, strict=True)]
    out = empty(tuple(lengths), dtype)
    read_into([(layout, wanted, out)])
    return out[tuple(0 if isinstance(item, int | np.integer) else slice(None) for item in wanted)]


def read_into(parts: Iterable[tuple[Layout, Wanted, NDArray[Any]]]) -> None:
    """Read parts of datasets to where they belong, all of them side by side.

    Parameters
    ----------
    parts
        Where the blocks of a dataset are, what is wanted of it, and where that is to go, with all its axes.

    Raises
    ------
    StackFormatError
        As :func:`read_blocks`.
    """
    with ExitStack() as files:
        jobs: list[Iterator[Callable[[], None]]] = []
        for layout, wanted, out in parts:
            if out.size:
                file = os.open(layout.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                files.callback(os.close, file)
                axes = [_runs(*axis)[0] for axis in zip(wanted, layout.shape, layout.block, strict=True)]
                jobs.append(_jobs(_Reader(layout, file, out), axes))
        each(lambda job: job(), chain.from_iterable(jobs))


def _jobs(reader: "_Reader", axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    layout = reader.layout
    if layout.filters:
        yield from _whole_blocks(reader, axes)
    elif _is_quicker_whole(layout, axes):
        # Dropped pairs are left out, as far as they lie apart.
        single = [(number, [run]) for number, runs in axes[0] for run in runs]
        yield from _whole_blocks(reader, [single, *axes[1:]])
    else:
        yield from _parts_of_blocks(reader, axes)


def _is_quicker_whole(layout: Layout, axes: Sequence[Axis]) -> bool:
    """Tell whether plain blocks are read whole, although only some rows and columns of each are wanted.

    Those that hold whole interferograms never are: tiles cut all of them, and would read all of the file.
    """
    if all(n == 1 for n in layout.offsets.shape[1:]):
        return False
    n_piece, lengths = 0.0, [_lengths(*axis) for axis in zip(axes, layout.shape, layout.block, strict=True)]
    for i, (wanted, there) in enumerate(lengths[1:], 1):
        if wanted * (1 + MOST_UNWANTED) < there:
            n_piece = math.prod(
                count / len(axis) for (count, _), axis in zip(lengths[:i], axes, strict=False)
            )
    return layout.block_bytes <= max(SMALL_BLOCK * (n_piece == 0), n_piece * _BYTES_OF_A_CALL)


def _lengths(axis: Axis, size: int, step: int) -> tuple[int, int]:
    """Count what is wanted along an axis, and what there is in the same blocks."""
    wanted = sum(here.stop - here.start for _, runs in axis for _, here in runs)
    return wanted, sum(min(step, size - number * step) for number, _ in axis)


def _whole_blocks(reader: "_Reader", axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    """Read blocks from end to end, or of plain ones some of the first axis, in the order of the file."""
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
    for group in _groups(begins[there], sizes[there]):
        chosen = there[group]
        yield partial(reader.read_whole, axes, np.unravel_index(chosen, shape), begins[chosen], sizes[chosen])


def _groups(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[slice]:
    """Cut what is read into groups that lie side by side in the file."""
    if not len(begins):
        return []
    gaps = begins[1:] - (begins[:-1] + sizes[:-1])
    is_new = np.concatenate([[True], (gaps < 0) | (gaps > MOST_UNWANTED * sizes[:-1])])
    start = begins[np.flatnonzero(is_new)][np.cumsum(is_new) - 1]
    turn = (begins - start) // _AT_ONCE
    is_new[1:] |= turn[1:] != turn[:-1]
    edges = [*np.flatnonzero(is_new).tolist(), len(begins)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _parts_of_blocks(reader: "_Reader", axes: Sequence[Axis]) -> Iterator[Callable[[], None]]:
    """Read only what is wanted of blocks that are large and plain."""
    layout, batch, n_byte = reader.layout, [], 0
    for blocks in product(*axes):
        offset = int(layout.offsets[tuple(number for number, _ in blocks)])
        runs = [runs for _, runs in blocks]
        if offset == MISSING:
            yield partial(reader.fill, runs)
            continue
        for extent in _extents(layout, offset, runs):
            batch.append(extent)
            n_byte += extent.n_byte
            if n_byte >= _AT_ONCE or len(batch) >= _MOST_EXTENTS:
                yield partial(reader.read_extents, batch)
                batch, n_byte = [], 0
    if batch:
        yield partial(reader.read_extents, batch)


def _extents(layout: Layout, offset: int, runs: list[list[Run]]) -> Iterator[_Extent]:
    """Cut what is wanted of a plain block into parts that are each in one piece in the file."""
    steps = np.cumprod([layout.dtype.itemsize, *layout.block[:0:-1]])[::-1].tolist()  # [byte] along each axis
    last = [(min(run[0].start for run in runs[-1]), max(run[0].stop for run in runs[-1]))]
    for outer in product(*runs[:-1]):
        spans = [(inside.start, inside.stop) for inside, _ in outer] + last
        spans, axis = _widened(spans, layout.block)
        axis = _bounded(spans, axis, steps)
        for index in product(*(range(*span) for span in spans[:axis])):
            begins = [*index, *(start for start, _ in spans[axis:])]
            shape = tuple(1 for _ in index) + tuple(stop - start for start, stop in spans[axis:])
            n_byte = math.prod(shape) * layout.dtype.itemsize
            place = offset + sum(i * step for i, step in zip(begins, steps, strict=True))
            yield _Extent(place, n_byte, shape, list(_pieces(outer, runs[-1], begins, shape)))


def _widened(spans: list[tuple[int, int]], block: tuple[int, ...]) -> tuple[list[tuple[int, int]], int]:
    """Take whole rows where little more than them is wanted; also the first axis that is in one piece."""
    spans, budget, axis = list(spans), 1 + MOST_UNWANTED, len(spans) - 1
    while axis > 0:
        length = spans[axis][1] - spans[axis][0]
        if length * budget < block[axis]:
            break
        budget *= length / block[axis]
        spans[axis] = (0, block[axis])
        axis -= 1
    return spans, axis


def _bounded(spans: list[tuple[int, int]], axis: int, steps: list[int]) -> int:
    """Cut along one axis more where a part would be more than a thread reads at once."""
    while axis < len(spans) - 1 and (spans[axis][1] - spans[axis][0]) * steps[axis] > _AT_ONCE:
        axis += 1
    return axis


def _pieces(
    outer: Sequence[Run], last: list[Run], begins: list[int], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Say where in a part of a block is what is wanted, and where it belongs."""
    for run in last:
        inside, outside = [], []
        for (there, here), begin, length in zip((*outer, run), begins, shape, strict=True):
            first, stop = max(there.start, begin), min(there.stop, begin + length)
            inside.append(slice(first - begin, stop - begin))
            outside.append(slice(here.start + first - there.start, here.start + stop - there.start))
        yield tuple(inside), tuple(outside)


@dataclass(frozen=True)
class _Reader:
    """Who brings parts of the file to their places."""

    layout: Layout
    file: int
    out: NDArray[Any]

    def fill(self, runs: list[list[Run]]) -> None:
        """Set what was never written."""
        for chosen in product(*runs):
            _convert(self.layout.fill, self.out[tuple(here for _, here in chosen)])

    def read_extents(self, extents: list[_Extent]) -> None:
        """Read parts one by one, to their places at once where they fit."""
        for extent in extents:
            if (target := self._in_place(extent)) is not None:
                self._fetch(extent.offset, target.reshape(-1).view(np.uint8))
                continue
            content = buffer("file", extent.n_byte)
            self._fetch(extent.offset, content)
            self._place(content, extent)

    def read_whole(
        self,
        axes: Sequence[Axis],
        numbers: tuple[NDArray[np.intp], ...],
        begins: NDArray[np.int64],
        sizes: NDArray[np.int64],
    ) -> None:
        """Read neighbours in the file together, and unpack them one by one."""
        start, stop = int(begins[0]), int((begins + sizes).max())
        content = buffer("file", stop - start)
        self._fetch(start, content)
        layout = self.layout
        chosen = zip(*(number.tolist() for number in numbers), strict=True)
        for places, begin, size in zip(chosen, (begins - start).tolist(), sizes.tolist(), strict=True):
            blocks = [axis[i] for axis, i in zip(axes, places, strict=True)]
            number = tuple(n for n, _ in blocks)
            runs = [runs for _, runs in blocks]
            stored = content[begin : begin + size]
            if layout.filters:
                values = self._unpack(stored, number)
                first = 0
            else:
                values, first = stored, runs[0][0][0].start
            self._scatter(values, runs, first)

    def _unpack(self, packed: NDArray[np.uint8], number: tuple[int, ...]) -> NDArray[np.uint8]:
        layout = self.layout
        try:
            return unpack(packed, layout.filters, int(layout.masks[number]), layout.block_bytes)
        except ValueError as error:
            if len(packed) == layout.block_bytes and self._is_cut(number):
                return packed  # files can say that chunks at the edge are not packed
            raise StackFormatError(
                f"a chunk of {layout.what} cannot be unpacked ({error}): it is damaged. Copy or make the "
                "file again."
            ) from error

    def _is_cut(self, number: tuple[int, ...]) -> bool:
        layout = self.layout
        return any((n + 1) * b > s for n, b, s in zip(number, layout.block, layout.shape, strict=True))

    def _scatter(self, content: NDArray[np.uint8], runs: list[list[Run]], first: int) -> None:
        """Bring what is wanted of a block to its places; ``first``: where along the first axis it begins."""
        values = content.view(self.layout.dtype).reshape(-1, *self.layout.block[1:])
        for chosen in product(*runs):
            (there, _), rest = chosen[0], chosen[1:]
            inside = (slice(there.start - first, there.stop - first), *(run[0] for run in rest))
            _convert(values[inside], self.out[tuple(here for _, here in chosen)])

    def _place(self, content: NDArray[np.uint8], extent: _Extent) -> None:
        values = content.view(self.layout.dtype).reshape(extent.shape)
        for inside, outside in extent.pieces:
            _convert(values[inside], self.out[outside])

    def _in_place(self, extent: _Extent) -> NDArray[Any] | None:
        """Find the place of a part that need not be changed and is in one piece there, too."""
        if len(extent.pieces) > 1 or self.out.dtype != self.layout.dtype:
            return None
        target = self.out[extent.pieces[0][1]]
        is_same = target.shape == extent.shape and target.flags.c_contiguous
        return target if is_same else None

    def _fetch(self, offset: int, target: NDArray[np.uint8]) -> None:
        """Read bytes of the file.

        Raises
        ------
        StackFormatError
            They are not there.
        """
        n_read = 0
        _asked.add(len(target))
        while n_read < len(target) and (got := os.preadv(self.file, [target[n_read:].data], offset + n_read)):
            n_read += got
        if n_read < len(target):
            raise StackFormatError(
                f"{self.layout.what} has {n_read:,} bytes at {offset:,}, and {len(target):,} are needed: the "
                "end of the file is missing. Copy or make it again."
            )


def _convert(values: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy numbers as HDF5 converts them: what is too large for an integer becomes the largest one."""
    if values.dtype == target.dtype:
        target[...] = values
    elif values.dtype.kind == target.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(target, values, casting="same_kind")
        if values.dtype.itemsize > target.dtype.itemsize:
            _round_to_infinity(values, target)
    elif target.dtype.kind in "iu" and values.dtype.kind in "iu":
        least, most = np.iinfo(target.dtype), np.iinfo(values.dtype)
        low, high = max(least.min, most.min), min(least.max, most.max)
        np.copyto(target, np.clip(values, low, high), casting="unsafe")
    else:
        np.copyto(target, values, casting="unsafe")


def _round_to_infinity(values: NDArray[Any], target: NDArray[Any]) -> None:
    """Let what is a little too large become infinite, as HDF5 does, and not the largest number."""
    most = np.finfo(target.dtype).max
    largest = np.abs(target) == most
    if largest.any():
        beyond = largest & (np.abs(values) > values.dtype.type(most))
        target[beyond] = np.copysign(np.inf, target[beyond])


def _runs(wanted: Any, size: int, step: int) -> tuple[Axis, int]:
    """Cut what is wanted along an axis into runs of neighbours in one block; also how much that is."""
    if isinstance(wanted, int | np.integer):
        wanted = slice(int(wanted) % size, int(wanted) % size + 1)
    if isinstance(wanted, slice) and wanted.indices(size)[2] == 1:
        start, stop, _ = wanted.indices(size)
        blocks = range(start // step, -(-stop // step)) if stop > start else ()
        ends = [(max(start, n * step), min(stop, (n + 1) * step)) for n in blocks]
        return [
            (n, [(slice(first - n * step, last - n * step), slice(first - start, last - start))])
            for n, (first, last) in zip(blocks, ends, strict=True)
        ], max(0, stop - start)
    numbers = np.arange(*wanted.indices(size)) if isinstance(wanted, slice) else np.asarray(wanted)
    axis: dict[int, list[Run]] = {}
    cuts = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(numbers // step) != 0)) + 1
    edges = [0, *cuts.tolist(), len(numbers)] if len(numbers) else []
    for first, last in pairwise(edges):
        n, begin = divmod(int(numbers[first]), step)
        inside = slice(begin, begin + last - first)
        axis.setdefault(n, []).append((inside, slice(first, last)))
    return sorted(axis.items(), key=lambda item: item[0]), len(numbers)
