"""Compilation by numba: two ways that the solver's functions are compiled in.

Neither may reassociate. ``exact`` rounds after every operation, as NumPy does. ``fast`` may make one
instruction, of one rounding, of a product and a sum.
"""

from collections.abc import Callable
from typing import Any

import numba


def exact(function: Callable[..., Any]) -> Any:
    """Compile a function so that every operation rounds."""
    return numba.njit(nogil=True, error_model="numpy")(function)


def fast(function: Callable[..., Any]) -> Any:
    """Compile a function so that products and sums may be contracted."""
    return numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})(function)
