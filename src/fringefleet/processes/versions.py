"""Software versions of a process, some of which must agree on all workers."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fringefleet.errors import InputError

MUST_AGREE = ("fringefleet", "torch", "numpy", "xarray", "zarr", "dask", "distributed")
_MISSING = "none"
_PACKAGES = (*MUST_AGREE, "numba", "h5py", "dask-cuda")


def check_assertions() -> None:
    """Reject an interpreter without assertions, some of which Zarr 3 needs to read its metadata.

    Raises
    ------
    InputError
        Python was started with ``-O`` or ``-OO``, or ``PYTHONOPTIMIZE`` is set.
    """
    if not __debug__:
        raise InputError(
            "found Python started with -O, -OO or PYTHONOPTIMIZE, which disables assertions that the "
            "library zarr relies on. Start it without them."
        )


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that an inversion depends on, if installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def versions_that_must_agree(found: Mapping[str, Any]) -> dict[str, str]:
    """Select the versions, by package, that could change results.

    Builds of one version count as equal, and so do releases of one Python.

    Examples
    --------
    >>> found = versions_that_must_agree({"python": "3.11.9", "torch": "2.13.0+cu130"})
    >>> found["python"], found["torch"], found["zarr"]
    ('3.11', '2.13.0', 'none')
    """
    versions = {"python": ".".join(str(found["python"]).split(".")[:2])}
    return versions | {name: str(found.get(name) or _MISSING).partition("+")[0] for name in MUST_AGREE}


def say_differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Describe which versions that must agree do not; empty if all do.

    Parameters
    ----------
    found, wanted
        As from :func:`versions_that_must_agree`.

    Examples
    --------
    >>> say_differences({"python": "3.11", "torch": "2.12.0"}, {"python": "3.11", "torch": "2.13.0"})
    'torch 2.12.0 instead of 2.13.0'
    """
    return ", ".join(
        f"{name} {found[name]} instead of {needed}"
        for name, needed in wanted.items()
        if found[name] != needed
    )
