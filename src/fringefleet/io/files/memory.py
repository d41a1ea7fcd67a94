"""Memory for the numbers that are read: fresh, or lent and used again and again."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64  # [byte]


Allocate = Callable[[int], NDArray[np.uint8]]  # so many bytes


def plain(n_byte: int) -> NDArray[np.uint8]:
    """Make memory as the system gives it [byte]."""
    return np.empty(n_byte, np.uint8)


class TileBuffer:
    """Memory for what is read of one tile, or for its answer; it grows to what the largest takes.

    Parameters
    ----------
    allocate
        Makes the memory, of so many bytes.
    """

    def __init__(self, allocate: Allocate = plain) -> None:
        self._allocate = allocate
        self._memory = plain(0)
        self._used = self._wanted = 0

    def begin(self, n_byte: int = 0) -> None:
        """Lend everything anew; what was lent before is no longer looked at.

        Parameters
        ----------
        n_byte
            That will be wanted, if that is known. What was wanted the last time is there in any case.
        """
        wanted = max(self._wanted, n_byte)
        if wanted > self._memory.size:
            self._memory = plain(0)  # first, as there is not always room for both
            self._memory = self._allocate(wanted)
        self._used = self._wanted = 0

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give a piece of it; fresh memory where it is too small yet."""
        n_byte = math.prod(shape) * dtype.itemsize
        start, self._wanted = self._used, self._wanted + -(-n_byte // _ALIGNMENT) * _ALIGNMENT
        if start + n_byte > self._memory.size:
            return np.empty(shape, dtype)
        self._used = self._wanted
        return self._memory[start : start + n_byte].view(dtype).reshape(shape)


_lent: ContextVar[TileBuffer | None] = ContextVar("lent", default=None)


@contextmanager
def lending(buffer: TileBuffer, n_byte: int = 0) -> Iterator[None]:
    """Lend memory to whatever is read meanwhile in this thread; ``n_byte`` if that is known."""
    buffer.begin(n_byte)
    token = _lent.set(buffer)
    try:
        yield
    finally:
        _lent.reset(token)


def bytes_to_lend(sizes: Iterable[int]) -> int:
    """Add up what a buffer needs for arrays of some sizes [byte]."""
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array for what is read, whose numbers are not set yet."""
    buffer = _lent.get()
    return np.empty(shape, dtype) if buffer is None else buffer.take(shape, dtype)
