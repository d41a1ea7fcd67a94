"""Decoding of HDF5 chunks as the library does it, but without its lock: gzip, LZF, shuffle and Fletcher-32.

LZF is decoded by the function that h5py contains for its own filter; it works on memory alone.
"""

import ctypes
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
from numcodecs.fletcher32 import Fletcher32
from numpy.typing import NDArray

from fringefleet.io.files.buffers import buffer

_GZIP, SHUFFLE, FLETCHER32 = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32
LZF = h5py.h5z.FILTER_LZF
_CHECKSUM = 4  # [byte]
_SHUFFLED_AT_ONCE = 32 * 1024  # values that fit into a core's cache
_checksum = Fletcher32()

Bytes = NDArray[np.uint8]


class Filter(NamedTuple):
    """One filter of a chunk."""

    code: int
    size: int  # of a value [byte], where it matters


def filters_of(dataset: h5py.Dataset) -> tuple[Filter, ...]:
    """List the filters of the chunks of a dataset, in order of application."""
    made = dataset.id.get_create_plist()
    found = (made.get_filter(i) for i in range(made.get_nfilters()))
    return tuple(Filter(code, values[0] if values else 0) for code, _, values, _ in found)


def why_not_unpacked(dataset: h5py.Dataset) -> str | None:
    """Return why chunks of a dataset cannot be unpacked here; None if they can."""
    made = dataset.id.get_create_plist()
    n_packer = 0
    for i in range(made.get_nfilters()):
        code, _, values, name = made.get_filter(i)
        n_packer += code in (_GZIP, LZF)
        if code not in (_GZIP, LZF, SHUFFLE, FLETCHER32) or (code == SHUFFLE and not (values and values[0])):
            return f"it is compressed by the filter {name.decode(errors='replace') or code}"
        if code == LZF and _lzf is None:
            return "this h5py does not expose its LZF decoder"
    return "it is compressed twice" if n_packer > 1 else None


def unpack(packed: Bytes, filters: Sequence[Filter], mask: int, n_byte: int) -> Bytes:
    """Undo the filters of a chunk.

    Parameters
    ----------
    packed
        Chunk as stored.
    filters
        Filters of the chunks of the dataset, in order of application.
    mask
        Bit mask of the filters that were skipped for this chunk.
    n_byte
        Size of the result [byte].

    Returns
    -------
    Bytes
        Memory of this thread, reused for the next chunk; or ``packed`` itself.

    Raises
    ------
    ValueError
        The result has another size.
    """
    used = [step for i, step in enumerate(filters) if not mask >> i & 1]
    for i in reversed(range(len(used))):
        before = n_byte + _CHECKSUM * sum(step.code == FLETCHER32 for step in used[:i])
        packed = _UNDO[used[i].code](packed, used[i].size, before)
    if len(packed) != n_byte:
        raise ValueError(f"it unpacks to {len(packed):,} bytes, but {n_byte:,} are needed")
    return packed


def _inflate(packed: Bytes, _size: int, n_byte: int) -> Bytes:
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(packed.data, n_byte) if n_byte else b""
        more = b"" if stream.eof else stream.decompress(stream.unconsumed_tail, 1)  # its checksum
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if more or not stream.eof:
        raise ValueError("it does not end where it should")
    return np.frombuffer(found, np.uint8)


def _expand(packed: Bytes, _size: int, n_byte: int) -> Bytes:
    out = buffer("expanded", n_byte)
    assert _lzf is not None  # noqa: S101 - or the dataset is read by h5py
    found = _lzf(packed.ctypes.data, len(packed), out.ctypes.data, n_byte)
    if found != n_byte:
        raise ValueError(f"LZF yields {found:,} bytes, but {n_byte:,} are needed")
    return out


def _unshuffle(shuffled: Bytes, size: int, _n_byte: int) -> Bytes:
    """Bring the bytes of each value together; a remainder at the end is unchanged."""
    n_number = len(shuffled) // size
    if size == 1 or n_number <= 1:
        return shuffled
    out = buffer("unshuffled", len(shuffled))
    numbers = out[: n_number * size].reshape(n_number, size)
    planes = shuffled[: n_number * size].reshape(size, n_number)
    for start in range(0, n_number, _SHUFFLED_AT_ONCE):
        block = slice(start, start + _SHUFFLED_AT_ONCE)
        for i in range(size):
            numbers[block, i] = planes[i, block]
    out[n_number * size :] = shuffled[n_number * size :]
    return out


def _checked(summed: Bytes, _size: int, _n_byte: int) -> Bytes:
    if len(summed) <= _CHECKSUM:
        raise ValueError("its checksum is missing")
    try:
        _checksum.decode(summed)
    except RuntimeError as error:
        raise ValueError("its checksum is wrong") from error
    return summed[:-_CHECKSUM]


def _find_lzf() -> Any:
    """Find ``lzf_decompress`` of LibLZF in h5py; None if it is not exposed there."""
    try:
        found = ctypes.CDLL(h5py.h5z.__file__).lzf_decompress
    except (OSError, AttributeError):
        return None
    found.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint]
    found.restype = ctypes.c_uint
    return found


_lzf = _find_lzf()
_UNDO: dict[int, Callable[[Bytes, int, int], Bytes]] = {
    _GZIP: _inflate,
    LZF: _expand,
    SHUFFLE: _unshuffle,
    FLETCHER32: _checked,
}
