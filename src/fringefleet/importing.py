"""Expensive imports: large libraries without garbage collection.

Modules are permanent, so the garbage collector need not scan them repeatedly. Measured: 2.4 instead of 2.8
CPU-seconds for torch, xarray, distributed and zarr; and 3.9 instead of 4.4 for a small run with torch if it
never scans them (``tests/benchmarks/startup.py`` and ``small.py`` measure commands).
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def claim_process() -> None:
    """Declare that this process belongs to this package alone: imported modules are never scanned again.

    In the process of another program this would also retain objects that it has discarded.
    """
    _claimed.append(True)


@contextmanager
def without_collection() -> Iterator[None]:
    """Disable the garbage collector meanwhile, if it is enabled.

    Examples
    --------
    >>> with without_collection():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    was_on, n_module = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if _claimed and len(sys.modules) > n_module:
            gc.freeze()
        if was_on:
            gc.enable()


_claimed: list[bool] = []
