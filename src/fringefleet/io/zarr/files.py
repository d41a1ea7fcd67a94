"""Files of a Zarr store: fast listing, mapping to arrays and chunks, and checks after a tile has been read.

A chunk (a shard, where there are shards) is a file called ``c/0/3/4``, ``c.0.3.4``, ``0/3/4`` or ``0.3.4`` in
the folder of its array. The files that a tile is read from follow from these names.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel
from fringefleet.io.files.listing import Difference, FileState, Listing
from fringefleet.io.files.version import ArrayLayout, FilesVersion, differences_in, stack_changed

_CHUNK = re.compile(r"(?:c[/.])?(\d+(?:[/.]\d+)*)")
_HIDDEN = (".zarray", ".zattrs", ".zgroup", ".zmetadata")  # files of version 2 of the format


def scan_zarr(path: Path) -> Listing:
    """List all files of a Zarr store, in their current state."""
    root = str(path)
    return Listing.of((name[len(root) + 1 :], state) for name, state in _scan(root, set()))


def _scan(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, FileState]]:
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name not in _HIDDEN:
                continue  # of another system, or of a writer
            if entry.is_dir():
                folders.append(entry)
            elif entry.is_file():  # a broken link is not
                found = entry.stat()
                yield entry.path, FileState(found.st_size, found.st_mtime_ns)
    for entry in folders:
        if entry.is_symlink():
            found = entry.stat()
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        yield from _scan(entry.path, seen)


Window = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class ZarrFiles:
    """Data that a worker needs to check the files of a tile; their listing is kept elsewhere."""

    root: str
    arrays: tuple[ArrayLayout, ...]

    def check(self, listing: Listing, window: Window, *, once: bool) -> None:
        """Check that the files of a window are still those of the listing after reading it.

        Parameters
        ----------
        listing
            Listing of the store, from when it was opened.
        window
            Rows and columns that were read.
        once
            Skip files of which others read the first pixel, so that all tiles of a scene together check
            each file once.

        Raises
        ------
        RunError
            Names the files, and how they differ.
        """
        differences = []
        for array in self.arrays:
            differences += differences_in(
                self.root, listing.take(files_of(listing, array, window, once=once))
            )
        if differences:
            raise stack_changed(f"the stack {self.root}", differences)


def files_of(
    listing: Listing, array: ArrayLayout, window: Window, *, once: bool = False
) -> NDArray[np.int64]:
    """Return the indices of an array's chunks in a window; ``once``: those whose first pixel lies in it."""
    numbers, corners = _corners(listing, array)
    kept = np.ones(len(numbers), np.bool_)
    for first, size, part in zip(corners.T, array.size, window, strict=True):
        kept &= (first < part.stop) & ((first if once else first + size - 1) >= part.start)
    return numbers[kept]


def windows_of_changes(
    differences: Sequence[Difference], arrays: Sequence[ArrayLayout], corner: Pixel = (0, 0)
) -> list[Window] | None:
    """Find the pixels of a part that depend on files that differ; None for all, if one is not a chunk.

    Parameters
    ----------
    differences
        The files.
    arrays
        How the arrays of the store are divided into files.
    corner
        Row and column in the scene of the first pixel of the part; windows before it are left out.
    """
    listing = Listing.of((each.name, state) for each in differences if (state := each.then or each.now))
    windows, n_found = [], 0
    for array in arrays:
        _, corners = _corners(listing, array)
        n_found += len(corners)
        rows, columns = array.size
        windows += [
            (slice(max(0, y), y + rows), slice(max(0, x), x + columns))
            for y, x in (corners - np.array(corner)).tolist()
            if y + rows > 0 and x + columns > 0
        ]
    return windows if n_found == len(listing) else None


@lru_cache(maxsize=64)
def _corners(listing: Listing, array: ArrayLayout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the files of an array's chunks, and row and column of the first pixel of each."""
    prefix = f"{array.name}/"
    numbers, corners = [], []
    for number, name in enumerate(listing.names):
        if name.startswith(prefix) and (match := _CHUNK.fullmatch(name, len(prefix))):
            index = [int(part) for part in re.split(r"[/.]", match[1])]
            numbers.append(number)
            corners.append([index[axis] * size for axis, size in zip(array.axes, array.size, strict=True)])
    return np.array(numbers, np.int64), np.array(corners, np.int64).reshape(-1, 2)


def array_layout(name: str, dims: Sequence[str], whole: Sequence[int]) -> ArrayLayout:
    """Return the division of an array into files, from the names of its axes and the shape of a file."""
    axes = dims.index("y"), dims.index("x")
    return ArrayLayout(name, (whole[axes[0]], whole[axes[1]]), axes)


def version_of_used(version: FilesVersion, names: Iterable[str]) -> FilesVersion:
    """Remove unused arrays from the version of a Zarr store."""
    used = set(names)
    unused = tuple(sorted(f"{array.name}/" for array in version.arrays if array.name not in used))
    if not unused:
        return version
    arrays = tuple(array for array in version.arrays if array.name in used)
    return FilesVersion(version.path, _without(version.listing, unused), partial(_scan_used, unused), arrays)


def _scan_used(unused: tuple[str, ...], path: Path) -> Listing:
    return _without(scan_zarr(path), unused)


def _without(listing: Listing, prefixes: tuple[str, ...]) -> Listing:
    return listing.take(np.array([not name.startswith(prefixes) for name in listing.names], np.bool_))
