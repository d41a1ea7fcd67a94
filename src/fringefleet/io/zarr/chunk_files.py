"""Chunks of a Zarr array on a local disk, read and written by several threads without Zarr's overhead.

Zarr decodes a chunk into memory of its own, copies from there, and does so one call after the other. Here
every file is read into a reusable buffer of its thread, and decoded to its destination. This covers
nearly all stacks: regular chunks of plain numbers, uncompressed or compressed by Blosc alone. Everything
else is left to Zarr (:mod:`fringefleet.io.zarr.chunk_layout`). Files are written byte for byte as Zarr
writes them.
"""

import math
import os
import stat
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numcodecs
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.files.buffers import buffer
from fringefleet.io.files.memory import empty
from fringefleet.io.files.threads import each
from fringefleet.io.zarr.checked_store import HEADER, end_missing

_MOST_OVERHEAD = 4096  # bytes that Blosc adds to incompressible data

_Index = slice | NDArray[np.intp]


class _Part(NamedTuple):
    """Requested part of one chunk along one axis: index of the chunk, position in it, and destination."""

    number: int
    inside: _Index
    outside: _Index


@dataclass(frozen=True)
class ChunkFiles:
    """Files of one array.

    ``folder``: of the array. ``prefix`` and ``separator``: of the names of the files, ``c/0/1``. ``fill``:
    value of chunks without a file. ``packing``: Blosc compression; None if uncompressed.
    """

    folder: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: Any
    prefix: str
    separator: str
    packing: numcodecs.Blosc | None

    def read(self, key: Sequence[int | _Index]) -> NDArray[Any]:
        """Read a part of the array.

        Parameters
        ----------
        key
            For each axis a slice, or indices; an axis with a single index is dropped.

        Raises
        ------
        StackFormatError
            A file is truncated; names it.
        OSError
            A file cannot be read.
        """
        axes = [
            _parts(item, size, step) for item, size, step in zip(key, self.shape, self.chunks, strict=True)
        ]
        out = empty(tuple(length for _, length in axes), self.dtype)
        each(lambda parts: self._decode(parts, out), product(*(parts for parts, _ in axes)))
        return out[tuple(0 if isinstance(item, int | np.integer) else slice(None) for item in key)]

    def write(self, numbers: Sequence[int], values: NDArray[Any], *, even_nothing: bool = False) -> int:
        """Write one chunk, which may be cut at the edge; no file if it has nothing but the fill value.

        It gets its name when it is complete. A process that is killed leaves a file ``*.partial``.

        Parameters
        ----------
        numbers
            Index of the chunk along each axis.
        values
            Values of a whole chunk, or of the part within the array.
        even_nothing
            Write a file even if it has nothing but the fill value.

        Returns
        -------
        int
            Size of the file [byte].

        Raises
        ------
        OSError
            It cannot be written.
        """
        path = self.path(numbers)
        if not even_nothing and self._is_nothing(np.asarray(values, self.dtype)):
            path.unlink(missing_ok=True)
            return 0
        whole = self._whole(values)
        packed = whole if self.packing is None else self.packing.encode(whole)
        write_whole(path, packed)
        n_byte: int = packed.nbytes if isinstance(packed, np.ndarray) else len(packed)
        return n_byte

    def _whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of a whole chunk as contiguous memory, in a buffer of this thread if needed."""
        if values.shape == self.chunks and values.flags.c_contiguous and values.dtype == self.dtype:
            return values
        memory = buffer("whole", math.prod(self.chunks) * self.dtype.itemsize)
        whole: NDArray[Any] = memory.view(self.dtype).reshape(self.chunks)
        if values.shape != self.chunks:
            whole[:] = self.fill
        whole[tuple(slice(size) for size in values.shape)] = values
        return whole

    def path(self, numbers: Iterable[int]) -> Path:
        """Return the path of the file of a chunk."""
        return Path(self._path(numbers))

    def _path(self, numbers: Iterable[int]) -> str:
        return f"{self.folder}/{self.prefix}{self.separator.join(map(str, numbers))}"

    def _is_nothing(self, values: NDArray[Any]) -> bool:
        """Return whether a chunk need not be written: every value is the fill value, to the last bit."""
        fill = np.full(1, self.fill, self.dtype)
        if np.isnan(fill[0]):
            return bool(np.isnan(values.reshape(-1)[:1]).all() and np.isnan(values).all())
        bits = f"u{self.dtype.itemsize}"
        same = np.ascontiguousarray(values).view(bits) == fill.view(bits)
        return bool(same.all())

    def _decode(self, parts: tuple[_Part, ...], out: NDArray[Any]) -> None:
        """Decode the requested part of one chunk to its destination."""
        path = self._path([part.number for part in parts])
        outside = tuple(part.outside for part in parts)
        n_byte = math.prod(self.chunks) * self.dtype.itemsize
        packed = _read_file(path, n_byte + (0 if self.packing is None else _MOST_OVERHEAD))
        if packed is None:
            out[_grid(outside)] = self.fill
            return
        self._check(path, packed, n_byte)
        inside = tuple(part.inside for part in parts)
        if self._is_whole(inside) and all(isinstance(index, slice) for index in outside):
            target = out[outside]
            if target.flags.c_contiguous:
                self._unpack(packed, target.reshape(-1).view(np.uint8))
                return
        chunk = buffer("decoded", n_byte)
        self._unpack(packed, chunk)
        out[_grid(outside)] = chunk.view(self.dtype).reshape(self.chunks)[_grid(inside)]

    def _is_whole(self, inside: Sequence[_Index]) -> bool:
        return all(
            isinstance(index, slice) and (index.start, index.stop, index.step) == (0, size, 1)
            for index, size in zip(inside, self.chunks, strict=True)
        )

    def _check(self, path: str, packed: NDArray[np.uint8], n_byte: int) -> None:
        """Reject a truncated file, beyond whose end Blosc would read."""
        needed = declared = n_byte
        if self.packing is not None:
            needed, declared = HEADER, n_byte
            if len(packed) >= HEADER:
                declared, _, needed = packed[4:HEADER].view("<u4").tolist()
        if len(packed) < needed:
            store = Path(self.folder).parent
            raise end_missing(os.path.relpath(path, store), store, len(packed), needed)
        if declared != n_byte:
            raise StackFormatError(
                f"the chunk {path} holds {declared:,} bytes, but chunks of {n_byte:,} are declared: it is "
                "damaged. Copy or create the store again."
            )

    def _unpack(self, packed: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
        if self.packing is None:
            target[:] = packed[: len(target)]
            return
        try:
            blosc.decompress(packed, target)
        except RuntimeError as error:
            raise StackFormatError(
                f"a chunk of {self.folder} cannot be unpacked ({error}): it is damaged. Copy or create the "
                "store again."
            ) from error


def _parts(wanted: Any, size: int, step: int) -> tuple[list[_Part], int]:
    """Cut a request along an axis at the chunks; return also its length."""
    if isinstance(wanted, int | np.integer):
        wanted = slice(int(wanted), int(wanted) + 1)
    if isinstance(wanted, slice):
        start, stop, stride = wanted.indices(size)
        if stride == 1:
            return _parts_of_range(start, max(start, stop), step)
        wanted = np.arange(start, stop, stride)
    numbers = wanted // step
    parts = [
        _Part(number, wanted[numbers == number] - number * step, np.flatnonzero(numbers == number))
        for number in np.unique(numbers).tolist()
    ]
    return parts, len(wanted)


def _parts_of_range(start: int, stop: int, step: int) -> tuple[list[_Part], int]:
    parts = []
    for number in range(start // step, -(-stop // step)) if stop > start else ():
        first, last = max(start, number * step), min(stop, (number + 1) * step)
        inside = slice(first - number * step, last - number * step, 1)
        parts.append(_Part(number, inside, slice(first - start, last - start, 1)))
    return parts, stop - start


def _grid(index: tuple[_Index, ...]) -> tuple[Any, ...]:
    """Return an orthogonal index in NumPy's form."""
    if all(isinstance(item, slice) for item in index):
        return index
    numbers = [np.arange(item.start, item.stop) if isinstance(item, slice) else item for item in index]
    return np.ix_(*numbers)


def _read_file(path: str, most: int) -> NDArray[np.uint8] | None:
    """Read a file into a buffer of this thread; None if there is none.

    Raises
    ------
    StackFormatError
        It is not a regular file, or too large.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would block
    except FileNotFoundError:
        return None
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            what = f"has {state.st_size:,} bytes, but at most {most:,} are possible"
            what = what if stat.S_ISREG(state.st_mode) else "is not a file"
            raise StackFormatError(f"the chunk {path} {what}: it is damaged. Copy or create the store again.")
        content = buffer("file", state.st_size)
        n_read = 0
        while n_read < state.st_size and (got := os.preadv(file, [content[n_read:].data], n_read)):
            n_read += got
        return content[:n_read]
    finally:
        os.close(file)


def write_whole(path: Path, content: Any) -> None:
    """Write a file that gets its name when it is complete; a killed process leaves a file ``*.partial``.

    Parameters
    ----------
    path
        Path of the file; its folder is created if it does not exist.
    content
        Bytes, or a contiguous array.

    Raises
    ------
    OSError
        It cannot be written.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        _write_file(partial, content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_file(path: Path, content: Any) -> None:
    """Write a file, and create its folder if it does not exist yet."""
    try:
        file = path.open("wb", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
    with file:
        left = memoryview(content).cast("B")
        while left:
            left = left[file.write(left) :]
