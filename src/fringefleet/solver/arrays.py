"""Functions for NumPy arrays and tensors alike, by the names that both libraries have."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from fringefleet.solver.working_set import BYTES_AT_ONCE


def library_of(values: Any) -> Any:
    """Return the library, NumPy or torch, of an array or a tensor.

    Examples
    --------
    >>> import numpy as np
    >>> library_of(np.zeros(2)).__name__
    'numpy'
    """
    return sys.modules[type(values).__module__.partition(".")[0]]


def in_rows(values: Any) -> Any:
    """Return values laid out row by row, so that equal values are summed in the same order.

    Examples
    --------
    >>> import numpy as np
    >>> in_rows(np.zeros((2, 3)).T).strides
    (16, 8)
    """
    if library_of(values) is np:
        return np.ascontiguousarray(values)
    return values.contiguous()


def pieces_of(n_pixel: int, bytes_per_pixel: int) -> Iterator[slice]:
    """Cut pixels into pieces that take at most ``BYTES_AT_ONCE`` each.

    Examples
    --------
    >>> [piece.stop for piece in pieces_of(5, BYTES_AT_ONCE // 2)]
    [2, 4, 5]
    """
    step = max(1, BYTES_AT_ONCE // bytes_per_pixel)
    for first in range(0, n_pixel, step):
        yield slice(first, min(first + step, n_pixel))
