"""Imports of large libraries, without the garbage collector looking through them again and again.

What a module consists of is there to stay. Measured: 2.4 instead of 2.8 CPU-seconds for torch, xarray,
distributed and zarr (``tests/benchmarks/startup.py`` measures whole commands).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Let the garbage collector rest meanwhile, if it is on.

    Examples
    --------
    >>> with without_collection():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
