"""Imports that cost time: of public names when they are first used, of large libraries without collection.

The garbage collector need not look through modules again and again, which are there to stay. Measured: 2.4
instead of 2.8 CPU-seconds for torch, xarray, distributed and zarr; and 3.9 instead of 4.4 for a small run
with torch if it never looks at them (``tests/benchmarks/startup.py`` and ``small.py`` measure commands).
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
        Its name.
    homes
        The module of each name, within the package (PEP 562).
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, list_names


def claim_process() -> None:
    """Say that this process is of this package alone: what it imports is never looked through again.

    In the process of somebody else that would keep what he has thrown away, too.
    """
    _claimed.append(True)


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
