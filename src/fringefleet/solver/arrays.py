"""Functions that work on arrays of NumPy and on tensors alike: the names that both libraries have."""

import sys
from collections.abc import Iterator
from typing import Any

from fringefleet.solver.at_once import BYTES_AT_ONCE


def library_of(values: Any) -> Any:
    """Give NumPy or torch, as an array or a tensor is of it.

    Examples
    --------
    >>> import numpy as np
    >>> library_of(np.zeros(2)).__name__
    'numpy'
    """
    return sys.modules[type(values).__module__.partition(".")[0]]


def pieces_of(n_pixel: int, bytes_per_pixel: int) -> Iterator[slice]:
    """Cut pixels so that each piece takes at most ``BYTES_AT_ONCE``.

    Examples
    --------
    >>> [piece.stop for piece in pieces_of(5, BYTES_AT_ONCE // 2)]
    [2, 4, 5]
    """
    step = max(1, BYTES_AT_ONCE // bytes_per_pixel)
    for first in range(0, n_pixel, step):
        yield slice(first, min(first + step, n_pixel))
