"""Memory for the numbers that are read: fresh, or lent and used again and again."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # [byte]


class Slab:
    """Memory for what is read of one tile; it grows to what the largest takes."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._used = self._wanted = 0

    def begin(self) -> None:
        """Lend everything anew; what was lent before is no longer looked at."""
        if self._wanted > self._memory.size:
            self._memory = np.empty(self._wanted, np.uint8)
        self._used = self._wanted = 0

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give a piece of it; fresh memory where it is too small yet."""
        n_byte = math.prod(shape) * dtype.itemsize
        start, self._wanted = self._used, self._wanted + -(-n_byte // ALIGNMENT) * ALIGNMENT
        if start + n_byte > self._memory.size:
            return np.empty(shape, dtype)
        self._used = self._wanted
        return self._memory[start : start + n_byte].view(dtype).reshape(shape)


_lent: ContextVar[Slab | None] = ContextVar("lent", default=None)


@contextmanager
def lending(slab: Slab) -> Iterator[None]:
    """Lend memory to whatever is read meanwhile in this thread."""
    slab.begin()
    token = _lent.set(slab)
    try:
        yield
    finally:
        _lent.reset(token)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array for what is read, whose numbers are not set yet."""
    slab = _lent.get()
    return np.empty(shape, dtype) if slab is None else slab.take(shape, dtype)
