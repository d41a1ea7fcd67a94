"""Memory for values that are read: newly allocated, or lent and reused."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64  # [byte]


Allocate = Callable[[int], NDArray[np.uint8]]  # of a number of bytes


def plain(n_byte: int) -> NDArray[np.uint8]:
    """Allocate ordinary memory [byte]."""
    return np.empty(n_byte, np.uint8)


class TileBuffer:
    """Memory for the input of one tile, or for its result; it grows to the largest need.

    Parameters
    ----------
    allocate
        Function that allocates a number of bytes.
    """

    def __init__(self, allocate: Allocate = plain) -> None:
        self._allocate = allocate
        self._memory = plain(0)
        self._used = self._wanted = 0

    def begin(self, n_byte: int = 0) -> None:
        """Lend everything anew; memory lent before must no longer be used.

        Parameters
        ----------
        n_byte
            Size needed, if known [byte]. At least the size of the previous use is available.
        """
        wanted = max(self._wanted, n_byte)
        if wanted > self._memory.size:
            self._memory = plain(0)  # first, as there may not be room for both
            self._memory = self._allocate(wanted)
        self._used = self._wanted = 0

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a part of it; newly allocated memory where it is too small yet."""
        n_byte = math.prod(shape) * dtype.itemsize
        start, self._wanted = self._used, self._wanted + -(-n_byte // _ALIGNMENT) * _ALIGNMENT
        if start + n_byte > self._memory.size:
            return np.empty(shape, dtype)
        self._used = self._wanted
        return self._memory[start : start + n_byte].view(dtype).reshape(shape)


_lent: ContextVar[TileBuffer | None] = ContextVar("lent", default=None)


@contextmanager
def lending(buffer: TileBuffer, n_byte: int = 0) -> Iterator[None]:
    """Lend memory to anything read in this thread meanwhile; ``n_byte``: its size, if known."""
    buffer.begin(n_byte)
    token = _lent.set(buffer)
    try:
        yield
    finally:
        _lent.reset(token)


def bytes_to_lend(sizes: Iterable[int]) -> int:
    """Return the memory that a buffer needs for arrays of given sizes [byte]."""
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array for values that are read."""
    buffer = _lent.get()
    return np.empty(shape, dtype) if buffer is None else buffer.take(shape, dtype)
