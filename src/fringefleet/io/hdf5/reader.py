"""Reading of parts of an HDF5 file to their destinations; the bytes requested from files are counted."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.files.buffers import buffer
from fringefleet.io.hdf5.extents import Extent
from fringefleet.io.hdf5.filters import unpack
from fringefleet.io.hdf5.layout import Layout
from fringefleet.io.hdf5.numbers import copy_converted
from fringefleet.io.hdf5.runs import Axis, ChunkRun


class _Asked:
    """Counter of the bytes that this process has requested from files."""

    def __init__(self) -> None:
        self.n_byte = 0
        self._lock = threading.Lock()

    def add(self, n_byte: int) -> None:
        with self._lock:
            self.n_byte += n_byte


_asked = _Asked()


def bytes_asked() -> int:
    """Return the bytes that this process has requested from HDF5 files without their library."""
    return _asked.n_byte


@dataclass(frozen=True)
class ExtentReader:
    """Reader of parts of a file to their destinations."""

    layout: Layout
    file: int
    out: NDArray[Any]

    def fill(self, runs: list[list[ChunkRun]]) -> None:
        """Fill in what was never written."""
        for chosen in product(*runs):
            copy_converted(self.layout.fill, self.out[tuple(here for _, here in chosen)])

    def read_extents(self, extents: list[Extent]) -> None:
        """Read extents one by one, directly to their destinations where possible."""
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
        extents: NDArray[np.int64],
        edges: Sequence[int],
    ) -> None:
        """Read contiguous blocks together, and unpack them one by one.

        Parameters
        ----------
        axes
            Requested part of the blocks along each axis.
        numbers
            Index of each block in them.
        extents
            Position in the file, and size [byte]; (2, block).
        edges
            Indices where rows of plain blocks start that are copied together; and the number of blocks.
        """
        begins, sizes = extents
        start, stop = int(begins[0]), int((begins + sizes).max())
        content = buffer("file", stop - start)
        self._fetch(start, content)
        places = list(zip(*(number.tolist() for number in numbers), strict=True))
        for first, last in pairwise(edges):
            blocks = [axis[i] for axis, i in zip(axes, places[first], strict=True)]
            begin = int(begins[first]) - start
            stored = content[begin : begin + int(sizes[first:last].sum())]
            runs = [runs for _, runs in blocks]
            if self.layout.filters:
                number = tuple(n for n, _ in blocks)
                self._scatter(self._unpack(stored, number), runs, 0)
            elif last - first == 1:
                self._scatter(stored, runs, runs[0][0][0].start)
            else:
                self._scatter_row(stored, runs, last - first)

    def _unpack(self, packed: NDArray[np.uint8], number: tuple[int, ...]) -> NDArray[np.uint8]:
        layout = self.layout
        try:
            return unpack(packed, layout.filters, int(layout.masks[number]), layout.block_bytes)
        except ValueError as error:
            if len(packed) == layout.block_bytes and self._is_cut(number):
                return packed  # chunks at the edge may be exempt from filters
            raise StackFormatError(
                f"{layout.what} cannot be read: a chunk cannot be unpacked ({error}), so it is damaged. "
                "Copy or create the file again."
            ) from error

    def _is_cut(self, number: tuple[int, ...]) -> bool:
        layout = self.layout
        return any((n + 1) * b > s for n, b, s in zip(number, layout.block, layout.shape, strict=True))

    def _scatter(self, content: NDArray[np.uint8], runs: list[list[ChunkRun]], first: int) -> None:
        """Copy the requested part of a block to its destination; ``first``: its start on the first axis."""
        values = content.view(self.layout.dtype).reshape(-1, *self.layout.block[1:])
        for chosen in product(*runs):
            (there, _), rest = chosen[0], chosen[1:]
            inside = (slice(there.start - first, there.stop - first), *(run[0] for run in rest))
            copy_converted(values[inside], self.out[tuple(here for _, here in chosen)])

    def _scatter_row(self, content: NDArray[np.uint8], runs: list[list[ChunkRun]], n_block: int) -> None:
        """Copy whole plain blocks that are neighbours along the last axis to their destination."""
        width = self.layout.block[-1]
        outside = [run[1] for (run,) in runs]
        outside[-1] = slice(outside[-1].start, outside[-1].start + n_block * width)
        target = self.out[tuple(outside)]
        target = target.reshape(*target.shape[:-1], n_block, width)  # a view: one axis is split
        values = content.view(self.layout.dtype).reshape(n_block, *target.shape[:-2], width)
        copy_converted(np.moveaxis(values, 0, -2), target)

    def _place(self, content: NDArray[np.uint8], extent: Extent) -> None:
        values = content.view(self.layout.dtype).reshape(extent.shape)
        for inside, outside in extent.pieces:
            copy_converted(values[inside], self.out[outside])

    def _in_place(self, extent: Extent) -> NDArray[Any] | None:
        """Return the destination of an extent if it needs no conversion and is contiguous there, too."""
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
            They do not exist.
        """
        n_read = 0
        _asked.add(len(target))
        while n_read < len(target) and (got := os.preadv(self.file, [target[n_read:].data], offset + n_read)):
            n_read += got
        if n_read < len(target):
            raise StackFormatError(
                f"{self.layout.what} cannot be read: {n_read:,} bytes are left at {offset:,}, but "
                f"{len(target):,} are needed, so the file is truncated. Copy or create it again."
            )
