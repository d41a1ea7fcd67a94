"""Which versions of the software a process has."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("fringefleet", "torch", "numpy", "dask", "distributed", "xarray", "zarr", "h5py", "dask-cuda")


@cache
def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages on which an inversion depends, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
