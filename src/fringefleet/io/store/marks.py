"""Marks of finished tiles in a store, and the number of bytes in their files.

A mark is a file of one byte, written only by the task of its tile, when all files of the tile have
their names. The total size of these is recorded before it, so that a tile with missing, empty or truncated
files is detected later without reading them: a chunk of nothing but the fill value has no file, so a
missing one could not be distinguished otherwise.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape, TileIndex
from fringefleet.errors import StackFormatError
from fringefleet.io.files.threads import each
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.chunk_files import ChunkFiles
from fringefleet.io.zarr.chunk_layout import find_chunk_files

DONE = "progress/done"
N_BYTE = "progress/n_byte"
# A skipped tile could not be computed; a doubted one is from a stack that was touched meanwhile.
IS_DONE, IS_SKIPPED, IS_DOUBTED = 1, 2, 3
_LONG_NAMES = {
    DONE: "1 where a tile is written, 2 where it could not be computed, 3 where its files were touched",
    N_BYTE: "total size of all files of a tile in bytes",
}


def create_marks(group: zarr.Group, n_tile: tuple[int, ...]) -> None:
    """Create the marks for the given number of rows and columns of tiles."""
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
    """Return the files of an array in a store of ours.

    Raises
    ------
    StackFormatError
        Its chunks are not stored as separate files: two tasks could write one file.
    """
    files = find_chunk_files(array_in(group, name))
    if files is None:
        raise StackFormatError(
            f"{group.store_path}: the chunks of {name} are not separate files; tiles would share files "
            "and lose data. Start again with --overwrite."
        )
    return files


def tiles_in(
    windows: Sequence[tuple[slice, slice]] | None, n_tile: tuple[int, ...], tile: Shape
) -> NDArray[np.bool_]:
    """Find the tiles that have pixels in one of the windows, (tile row, tile column); all, if that is None.

    Examples
    --------
    >>> tiles_in([(slice(0, 4), slice(3, 9))], (2, 3), (4, 4)).tolist()
    [[True, True, True], [False, False, False]]
    """
    found = np.full(n_tile, windows is None)
    for window in windows or ():
        found[tuple(slice(p.start // n, -(-p.stop // n)) for p, n in zip(window, tile, strict=True))] = True
    return found


def read_marks(group: zarr.Group) -> NDArray[np.uint8]:
    """Read all marks, (tile row, tile column); a truncated one, as after a power failure, counts as none.

    Compressed marks of an earlier version are read by Zarr.
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
    """Find the tiles whose files differ in total size from what was written.

    Parameters
    ----------
    group
        Group of the store.
    tiles
        Whether a tile is checked, (tile row, tile column).
    paths_of
        Function that yields all files that a tile may have.
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
    """Return the total size of files [byte]; a missing one has none."""
    total = 0
    for path in paths:
        try:
            total += os.stat(path).st_size  # noqa: PTH116 - fast
        except FileNotFoundError:
            continue
    return total


def _content(path: Path) -> bytes:
    """Read a short file; return nothing if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
