"""Compilation by numba: the two modes that the solver's functions are compiled in, with a shared cache.

Neither may reassociate. ``exact`` rounds after every operation, as NumPy does. ``fast`` may contract a
product and a sum into one instruction with one rounding.
"""

from collections.abc import Callable
from typing import Any

import numba

from fringefleet.solver.compiled.compile_cache import keep_code

_COMMON: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # which takes time to compile, and is never called
    "_nrt": False,  # nothing is allocated, so references to rows need not be counted
}


def exact(function: Callable[..., Any]) -> Any:
    """Compile a function so that every operation rounds."""
    return keep_code(numba.njit(**_COMMON)(function))


def fast(function: Callable[..., Any]) -> Any:
    """Compile a function so that products and sums may be contracted."""
    return keep_code(numba.njit(**_COMMON, fastmath={"contract"})(function))
