"""Expensive imports: public names when first used, large libraries without garbage collection.

Modules are permanent, so the garbage collector need not scan them repeatedly. Measured: 2.4 instead of 2.8
CPU-seconds for torch, xarray, distributed and zarr; and 3.9 instead of 4.4 for a small run with torch if it
never scans them (``tests/benchmarks/startup.py`` and ``small.py`` measure commands).
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def names_in(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the ``__getattr__`` and ``__dir__`` of a package whose public names are imported when first used.

    Parameters
    ----------
    package
        Name of the package.
    homes
        Module of each name, within the package (PEP 562).
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, list_names


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
