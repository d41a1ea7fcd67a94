"""Opening of results for reading, whatever wrote them."""

from pathlib import Path

import xarray as xr
import zarr
from xarray.backends import ZarrStore

from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.identify import check_exists, identify
from fringefleet.io.lazy.guarded import guard_variable
from fringefleet.io.zarr.arrays import in_order, open_group
from fringefleet.io.zarr.checked_store import WholeChunks
from fringefleet.io.zarr.metadata import check_store, is_zarr


def open_result(path: Path) -> xr.Dataset:
    """Open a Zarr store with a displacement, or with maps of velocity: a result, the truth of a simulation.

    Its variables are read when they are indexed.

    Raises
    ------
    StackFormatError
        The path does not exist, or is something else, which the message names; or it is damaged.
    """
    check_result(path)
    with readable(f"the result {path}"):
        check_store(path, may_be_empty=True)
        store = WholeChunks(path, read_only=True)
        opened = in_order(open_group(ZarrStore.open_group(store, mode="r", consolidated=False)))
        wanted = "displacement" if has_displacement(path) else "velocity"
        if wanted not in opened.data_vars:
            raise StackFormatError(f"the {wanted} of {path} has no metadata; copy or create it again.")
        for coordinate in opened.coords.values():
            coordinate.load()
    variables = {
        name: guard_variable(data.variable, f"{name} of {path}") for name, data in opened.data_vars.items()
    }
    result: xr.Dataset = opened.assign(variables)
    result.encoding["source"] = str(path)
    return result


def check_result(path: Path) -> None:
    """Reject a path that is not a result; the message states what it is.

    Raises
    ------
    StackFormatError
        See above.
    """
    check_exists(path)
    if not is_result(path):
        found = identify(path)
        advice = "" if "`fringefleet invert`" in found else " Give an output of `fringefleet invert`."
        raise StackFormatError(f"{path} is not a result: it is {found}.{advice}")


def open_result_group(path: Path) -> zarr.Group:
    """Open the same store with Zarr, for arrays that are not variables.

    Raises
    ------
    StackFormatError
        It is damaged.
    """
    with readable(f"the result {path}"):
        check_store(path, may_be_empty=True)
        return zarr.open_group(WholeChunks(path, read_only=True), mode="r", use_consolidated=False)


def is_result(path: Path) -> bool:
    """Return whether this is a Zarr store with a displacement or a velocity, by the names of its arrays."""
    return has_displacement(path) or _has_array(path, "velocity")


def has_displacement(path: Path) -> bool:
    """Return whether this is a Zarr store with a displacement, by the names of its arrays."""
    return _has_array(path, "displacement")


def _has_array(path: Path, name: str) -> bool:
    with readable(f"the path {path}", InputError):
        return is_zarr(path) and (path / name).is_dir()
