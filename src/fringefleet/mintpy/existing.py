"""Products that a task should have, to be compared with those that exist."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from fringefleet.errors import OptionError
from fringefleet.io import locate_reference_point, unreferenced_pairs
from fringefleet.io.dates import dates_meant
from fringefleet.io.mintpy.attributes import config_attributes
from fringefleet.io.mintpy.attributes import mintpy_date_name as date_name_of
from fringefleet.io.mintpy.metadata import names_point
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.io.stack import stack_network
from fringefleet.mintpy.coherence_mask import QUALITY
from fringefleet.mintpy.config import Task
from fringefleet.mintpy.up_to_date import Expected, ProductFile
from fringefleet.network.network import date_name, shorten
from fringefleet.observation.quantity import is_offset, std_of

_FIRST = "the first"
# What MintPy's attributes do not say, and as MintPy's own files were made.
_USUAL = {
    "reference date": _FIRST,
    "skip_reference": False,
    "drop_unreferenced": False,
    "wavelength": None,
    "looks": None,
}


def expected_products(task: Task, stack: xr.Dataset) -> Expected:
    """Find which products a task should have, and what decides them.

    Parameters
    ----------
    task
        What is to be done.
    stack
        The stack, of which at most one pixel is read; cut down to its referenced pairs.
    """
    options, setting = task.options, task.setting
    said = vars(options) | {"n_pair": stack.sizes["pair"], "mask_dataset": options.mask_dataset or "none"}
    attributes = config_attributes(said | dict(task.idle))
    if not setting.skip_reference and (names_point(stack.attrs) or setting.reference_point):
        point = locate_reference_point(stack, setting.reference_point)
        attributes |= {"REF_Y": str(point[0]), "REF_X": str(point[1])}
    maps = {"water mask": setting.water_mask, "average coherence": setting.average_coherence}
    ours = {name: getattr(setting, name, None) for name in _USUAL}
    ours |= {"reference date": _reference_date(setting.reference_date, stack), "network": _digest(stack)}
    ours |= {name: _relative(path, task) for name, path in maps.items()}
    if options.covariance:
        ours["covariance date"] = task.covariance_date or ours["reference date"]
    return Expected(
        products=_product_files(task, stack),
        stack=task.project.stack,
        datasets=_datasets_read(task, stack),
        attributes=attributes,
        setting=ours,
        usual=_USUAL,
        sources=tuple(Path(path) for path in maps.values() if isinstance(path, Path | str)),
    )


def check_covariance_date(task: Task, stack: xr.Dataset) -> None:
    """Refuse a date of the covariance that the stack does not have.

    Raises
    ------
    OptionError
        Says which it has.
    """
    times = stack_network(stack).times
    names = [date_name_of(stack, date) for date in times.astype(str)]
    if task.covariance_date is not None and len(dates_meant(task.covariance_date, times)) != 1:
        raise OptionError(
            f"found mintpy.reference.date = {task.covariance_date} for the covariance to be relative to; "
            f"the stack has {shorten(names)}. Correct it, or give --ref-date."
        )


def without_unreferenced(task: Task, stack: xr.Dataset) -> xr.Dataset:
    """Leave out the pairs that the inversion will leave out, if it was told to."""
    if not task.setting.drop_unreferenced:
        return stack
    point = locate_reference_point(stack, task.setting.reference_point)
    dropped = unreferenced_pairs(stack, point, task.options.observation)
    return stack.isel(pair=np.setdiff1d(np.arange(stack.sizes["pair"]), dropped))


def _product_files(task: Task, stack: xr.Dataset) -> tuple[ProductFile, ...]:
    shape = (stack.sizes["y"], stack.sizes["x"])
    n_date = stack_network(stack).n_date
    quality = "residual" if is_offset(task.options.observation) else QUALITY
    datasets = [("timeseries", (n_date,)), (quality, ()), ("mask", ()), ("timeseries", (n_date, n_date))]
    return tuple(
        ProductFile(path, name, (*dates, *shape))
        for path, (name, dates) in zip(task.outputs, datasets, strict=False)
    )


def _datasets_read(task: Task, stack: xr.Dataset) -> tuple[str, ...]:
    options = task.options
    names = [options.observation, *([options.mask_dataset] if options.mask_dataset else [])]
    if options.weight_func != "no":
        names.append(std_of(options.observation) if is_offset(options.observation) else "coherence")
    return tuple(mintpy_name(name) for name in dict.fromkeys(names) if name in stack)


def _reference_date(given: str | None, stack: xr.Dataset) -> str:
    if given is None:
        return _FIRST
    network = stack_network(stack)
    found = dates_meant(given, network.times)
    if len(found) != 1:
        return given  # which is refused with the other options
    return _FIRST if found[0] == 0 else date_name(network.dates[found[0]])


def _relative(path: Any, task: Task) -> str:
    """Write a path so that it stays the same when a whole project is moved."""
    if path is None:
        return "none"
    return os.path.relpath(Path(path).absolute(), task.outputs[0].absolute().parent)


def _digest(stack: xr.Dataset) -> str:
    """Digest which pairs there are: as many others would be another network."""
    dates = [stack[name].values.astype("datetime64[s]") for name in ("reference_date", "secondary_date")]
    return hashlib.sha256(np.stack(dates).tobytes()).hexdigest()[:16]
