"""Copy of a stack into the chunks of another store: one region is read while the previous one is written.

All cores do both (:mod:`fringefleet.io.files.threads`). Two buffers are used in turn, as
large as one variable of a few tiles.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape, TileIndex
from fringefleet.io.files.memory import TileBuffer, lending
from fringefleet.io.files.threads import each
from fringefleet.io.store.marks import DONE, IS_DONE, N_BYTE, bytes_of, files_in, read_marks
from fringefleet.io.zarr.chunk_layout import find_chunk_files

_Progress = Callable[[int, int], None]


class Partition(NamedTuple):
    """Partition of a scene: sizes of a tile, and of a region of whole tiles; number of buffers."""

    tile: Shape
    region: Shape
    n_buffer: int  # 2, or 1 where memory does not allow reading ahead


class _Rectangle(NamedTuple):
    """Part of the scene, in pixels."""

    rows: slice
    columns: slice

    def within(self, outer: "_Rectangle") -> "_Rectangle":
        """Return the same part relative to the corner of another."""
        row, column = outer.rows.start, outer.columns.start
        return _Rectangle(
            slice(self.rows.start - row, self.rows.stop - row),
            slice(self.columns.start - column, self.columns.stop - column),
        )

    def number(self, tile: Shape) -> TileIndex:
        """Return the index of the tile at this part."""
        return self.rows.start // tile[0], self.columns.start // tile[1]

    @property
    def n_pixel(self) -> int:
        """Return the area in pixels."""
        n_row: int = self.rows.stop - self.rows.start
        n_column: int = self.columns.stop - self.columns.start
        return n_row * n_column


def gridded(stack: xr.Dataset) -> list[str]:
    """Return the names of the variables over y and x."""
    return [str(name) for name, data in stack.data_vars.items() if {"y", "x"} <= set(data.dims)]


def copy_tiles(
    stack: xr.Dataset, store: Path, marks: zarr.Group, cut: Partition, progress: _Progress
) -> None:
    """Copy the tiles that are not marked as done, and mark them.

    Parameters
    ----------
    stack
        Stack to copy; not chunked.
    store
        Zarr store with its arrays, in chunks of all pairs and the pixels of a tile.
    marks
        Open group with the marks of the tiles, which are written.
    cut
        Tiles and regions.
    progress
        Called with the number of pixels done and the total number.
    """
    scene = _Rectangle(slice(0, stack.sizes["y"]), slice(0, stack.sizes["x"]))
    done = read_marks(marks) == IS_DONE
    regions = [region for region in _pieces(scene, cut.region) if not _all_done(done, region, cut)]
    # The widest first, so that its memory is large enough for the others.
    names = sorted(gridded(stack), key=lambda name: -stack[name].nbytes)
    copy = _Copy(store, names, marks, cut.tile)
    n_written = (scene.n_pixel - sum(region.n_pixel for region in regions)) * len(
        names
    )  # pixels of all variables
    reading = _reading(stack, [(region, name) for region in regions for name in names], cut.n_buffer)
    with ThreadPoolExecutor(1, thread_name_prefix="fringefleet-copy") as writer:
        writing: Future[int] | None = None
        for region, name, values in reading:
            n_written += 0 if writing is None else writing.result()
            progress(n_written // len(names), scene.n_pixel)
            writing = writer.submit(copy.write, region, name, values)
            if cut.n_buffer == 1:
                wait([writing])
        n_written += 0 if writing is None else writing.result()
    progress(n_written // len(names), scene.n_pixel)


def _all_done(done: NDArray[np.bool_], region: _Rectangle, cut: Partition) -> bool:
    return all(done[tile.number(cut.tile)] for tile in _pieces(region, cut.tile))


def _reading(
    stack: xr.Dataset, parts: list[tuple[_Rectangle, str]], n_buffer: int
) -> Iterator[tuple[_Rectangle, str, NDArray[Any]]]:
    """Read part after part into a number of buffers, in turn."""
    memory = [TileBuffer() for _ in range(n_buffer)]
    for number, (region, name) in enumerate(parts):
        with lending(memory[number % n_buffer]):
            values = stack[name].isel(y=region.rows, x=region.columns).values
        yield region, name, values


class TileFiles:
    """Files of the tiles of a store."""

    def __init__(self, store: Path, names: Iterable[str]) -> None:
        self.arrays = {name: zarr.open_array(store / name, mode="r+") for name in names}
        self._store = store

    def key(self, name: str, index: TileIndex) -> tuple[int, ...]:
        """Return the index of the chunk of a variable that contains a tile."""
        return (*[0] * (self.arrays[name].ndim - 2), *index)

    def paths(self, index: TileIndex) -> Iterator[Path]:
        """Yield the paths of all files of a tile."""
        for name, array in self.arrays.items():
            yield self._store / name / array.metadata.encode_chunk_key(self.key(name, index))


class _Copy:
    """Store being written; a tile is marked when its last variable is complete."""

    def __init__(self, store: Path, names: list[str], marks: zarr.Group, tile: Shape) -> None:
        self.names, self.tile = names, tile
        self._tiles = TileFiles(store, names)
        self._direct = {name: find_chunk_files(array) for name, array in self._tiles.arrays.items()}
        self._done, self._n_byte = files_in(marks, DONE), files_in(marks, N_BYTE)

    def write(self, region: _Rectangle, name: str, values: NDArray[Any]) -> int:
        """Write one variable of a region, and mark the tiles if it is the last one; return the pixels."""
        tiles = list(_pieces(region, self.tile))
        each(partial(self._write_tile, region, name, values), tiles)
        for tile in tiles if name == self.names[-1] else ():
            index = tile.number(self.tile)
            n_byte = bytes_of(self._tiles.paths(index))
            self._n_byte.write(index, np.full((1, 1), n_byte, np.int64))
            self._done.write(index, np.full((1, 1), IS_DONE, np.uint8))
        return region.n_pixel

    def _write_tile(self, region: _Rectangle, name: str, values: NDArray[Any], tile: _Rectangle) -> None:
        direct, part = self._direct[name], tile.within(region)
        piece = values[..., part.rows, part.columns]
        if direct is None:  # for Zarr to write, as for boolean masks
            self._tiles.arrays[name][..., tile.rows, tile.columns] = piece
        else:
            direct.write(self._tiles.key(name, tile.number(self.tile)), piece, even_nothing=True)


def _pieces(outer: _Rectangle, size: Shape) -> Iterator[_Rectangle]:
    """Cut a rectangle into smaller ones, row by row; the last ones are the remainder."""
    for row in range(outer.rows.start, outer.rows.stop, size[0]):
        for column in range(outer.columns.start, outer.columns.stop, size[1]):
            yield _Rectangle(
                slice(row, min(row + size[0], outer.rows.stop)),
                slice(column, min(column + size[1], outer.columns.stop)),
            )
