"""Bring parts of an HDF5 file to where they belong; what is asked of files is counted."""

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


@dataclass(frozen=True)
class ExtentReader:
    """Who brings parts of the file to their places."""

    layout: Layout
    file: int
    out: NDArray[Any]

    def fill(self, runs: list[list[ChunkRun]]) -> None:
        """Set what was never written."""
        for chosen in product(*runs):
            copy_converted(self.layout.fill, self.out[tuple(here for _, here in chosen)])

    def read_extents(self, extents: list[Extent]) -> None:
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
        extents: NDArray[np.int64],
        edges: Sequence[int],
    ) -> None:
        """Read neighbours in the file together, and unpack them one by one.

        Parameters
        ----------
        axes
            What is wanted of blocks along each axis.
        numbers
            Where each block is in them.
        extents
            Where it begins in the file, and its size [byte]; (2, block).
        edges
            Where rows of plain blocks begin that are copied together; and the number of blocks.
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
                return packed  # files can say that chunks at the edge are not packed
            raise StackFormatError(
                f"{layout.what} cannot be read: a chunk cannot be unpacked ({error}), so it is damaged. "
                "Copy or make the file again."
            ) from error

    def _is_cut(self, number: tuple[int, ...]) -> bool:
        layout = self.layout
        return any((n + 1) * b > s for n, b, s in zip(number, layout.block, layout.shape, strict=True))

    def _scatter(self, content: NDArray[np.uint8], runs: list[list[ChunkRun]], first: int) -> None:
        """Bring what is wanted of a block to its places; ``first``: where along the first axis it begins."""
        values = content.view(self.layout.dtype).reshape(-1, *self.layout.block[1:])
        for chosen in product(*runs):
            (there, _), rest = chosen[0], chosen[1:]
            inside = (slice(there.start - first, there.stop - first), *(run[0] for run in rest))
            copy_converted(values[inside], self.out[tuple(here for _, here in chosen)])

    def _scatter_row(self, content: NDArray[np.uint8], runs: list[list[ChunkRun]], n_block: int) -> None:
        """Bring whole plain blocks to their places that are neighbours along the last axis."""
        width = self.layout.block[-1]
        outside = [run[1] for (run,) in runs]
        outside[-1] = slice(outside[-1].start, outside[-1].start + n_block * width)
        target = self.out[tuple(outside)]
        target = target.reshape(*target.shape[:-1], n_block, width)  # a view: one axis is cut
        values = content.view(self.layout.dtype).reshape(n_block, *target.shape[:-2], width)
        copy_converted(np.moveaxis(values, 0, -2), target)

    def _place(self, content: NDArray[np.uint8], extent: Extent) -> None:
        values = content.view(self.layout.dtype).reshape(extent.shape)
        for inside, outside in extent.pieces:
            copy_converted(values[inside], self.out[outside])

    def _in_place(self, extent: Extent) -> NDArray[Any] | None:
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
                f"{self.layout.what} cannot be read: {n_read:,} bytes are left at {offset:,}, and "
                f"{len(target):,} are needed, so the end of the file is missing. Copy or make it again."
            )
