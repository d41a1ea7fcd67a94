"""Marks of the tiles of a store: which are done, and how many bytes their files have.

A mark is a file of one byte, which nobody but the task of its tile writes, when all files of the tile have
their names. How many bytes these have together is noted before it, so that a tile whose files are missing,
empty or cut off later is found without reading them: a chunk of nothing but the fill value has no file, so a
missing one could not be told otherwise.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import TileIndex
from fringefleet.errors import StackFormatError
from fringefleet.io.files.threads import each
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.chunk_files import ChunkFiles
from fringefleet.io.zarr.chunk_layout import find_chunk_files

DONE = "progress/done"
N_BYTE = "progress/n_byte"
# A skipped tile could not be computed; a doubted one may be of a stack that was changed.
IS_DONE, IS_SKIPPED, IS_DOUBTED = 1, 2, 3
_LONG_NAMES = {
    DONE: "1 where a tile is written, 2 where it could not be computed, 3 where the stack was changed "
    "meanwhile",
    N_BYTE: "bytes that all files of a tile have together",
}


def create_marks(group: zarr.Group, n_tile: tuple[int, ...]) -> None:
    """Make room for the marks of so many rows and columns of tiles."""
    for name, dtype in ((DONE, "u1"), (N_BYTE, "i8")):
        array = group.create_array(
            name,
            shape=n_tile,
            chunks=(1, 1),
            dtype=dtype,
            fill_value=0,
            compressors=None,
            dimension_names=("tile_y", "tile_x"),
        )
        array.attrs["long_name"] = _LONG_NAMES[name]


def files_in(group: zarr.Group, name: str) -> ChunkFiles:
    """Find the files of an array of a store that we made.

    Raises
    ------
    StackFormatError
        Its chunks are not stored as we do: two tasks could write one file.
    """
    files = find_chunk_files(array_in(group, name))
    if files is None:
        raise StackFormatError(
            f"{group.store_path}: the chunks of {name} are no files of their own; tiles would share files "
            "and lose data. Start again with --overwrite."
        )
    return files


def read_marks(group: zarr.Group) -> NDArray[np.uint8]:
    """Read all marks, (tile row, tile column); what is cut off, as by a loss of power, is none.

    Those of an earlier version, which packed them, are read as Zarr has them.
    """
    files = find_chunk_files(array_in(group, DONE))
    if files is None:
        return np.asarray(array_in(group, DONE)[:], np.uint8)
    marks = np.zeros(files.shape, np.uint8)
    for index in np.ndindex(files.shape):
        mark = _content(files.path(index))
        marks[index] = mark[0] if len(mark) == 1 else 0
    return marks


def find_damaged(
    group: zarr.Group, tiles: NDArray[np.bool_], paths_of: Callable[[TileIndex], Iterable[Path]]
) -> list[TileIndex]:
    """Find the tiles whose files have not as many bytes together as were written.

    Parameters
    ----------
    group
        The store.
    tiles
        Which tiles are looked at, (tile row, tile column).
    paths_of
        Names all files that a tile may have.
    """
    noted = files_in(group, N_BYTE)
    found: list[TileIndex] = []

    def look(row: int) -> None:
        for column in np.flatnonzero(tiles[row]).tolist():
            index = (row, column)
            written = _content(noted.path(index))
            if len(written) != 8 or bytes_of(paths_of(index)) != int.from_bytes(written, "little"):
                found.append(index)

    each(look, range(len(tiles)))
    return sorted(found)


def bytes_of(paths: Iterable[Path]) -> int:
    """Bytes that files have together; one that is not there has none."""
    total = 0
    for path in paths:
        try:
            total += os.stat(path).st_size  # noqa: PTH116 - quick
        except FileNotFoundError:
            continue
    return total


def _content(path: Path) -> bytes:
    """Read a short file; nothing where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
