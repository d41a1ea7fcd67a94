"""Products that a task should have, to be compared with those that exist."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from fringefleet.execution.prepare import find_reference_date
from fringefleet.io import locate_reference_point
from fringefleet.io.mintpy.attributes import config_attributes
from fringefleet.io.mintpy.metadata import names_point
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.io.stack import stack_network
from fringefleet.mintpy.coherence_mask import QUALITY
from fringefleet.mintpy.config import Task
from fringefleet.mintpy.up_to_date import Expected, ProductFile
from fringefleet.network.network import date_name
from fringefleet.observation.quantity import std_of
from fringefleet.options import Options

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
    """Find which products a task should have of its referenced pairs, and what decides them.

    Raises
    ------
    OptionError
        The stack does not have the reference date.
    """
    options, setting, network = task.job.options, task.job.setting, stack_network(stack)
    attributes = config_attributes(vars(options) | {"n_pair": stack.sizes["pair"]} | dict(task.attributes))
    if not setting.skip_reference and (names_point(stack.attrs) or setting.reference_point):
        point = locate_reference_point(stack, setting.reference_point)
        attributes |= {"REF_Y": str(point[0]), "REF_X": str(point[1])}
    index = find_reference_date(network, setting.reference_date)
    maps = {"water mask": setting.water_mask, "average coherence": setting.average_coherence}
    ours = {name: getattr(setting, name, None) for name in _USUAL}
    ours["reference date"] = date_name(network.dates[index]) if index else _FIRST
    ours |= {name: _relative(path, task) for name, path in maps.items()} | {"network": _digest(stack)}
    if options.covariance:
        ours["covariance date"] = task.covariance_date or ours["reference date"]
    quality = "residual" if options.is_offset else QUALITY
    datasets = (("timeseries", 1), (quality, 0), ("mask", 0), ("timeseries", 2))  # dimensions in time
    return Expected(
        products=tuple(
            ProductFile(path, name, (network.n_date,) * n_time + (stack.sizes["y"], stack.sizes["x"]))
            for path, (name, n_time) in zip(task.outputs, datasets, strict=False)
        ),
        stack=task.project.stack,
        datasets=_datasets_read(options, stack),
        attributes=attributes,
        setting=ours,
        usual=_USUAL,
        sources=tuple(Path(path) for path in maps.values() if isinstance(path, Path | str)),
    )


def _datasets_read(options: Options, stack: xr.Dataset) -> tuple[str, ...]:
    names = [options.observation, *([options.mask_dataset] if options.mask_dataset else [])]
    if options.weight_func != "no":
        names.append(std_of(options.observation) if options.is_offset else "coherence")
    return tuple(mintpy_name(name) for name in dict.fromkeys(names) if name in stack)


def _relative(path: Any, task: Task) -> str:
    """Write a path so that it stays the same when a whole project is moved."""
    if path is None:
        return "none"
    return os.path.relpath(Path(path).absolute(), task.outputs[0].absolute().parent)


def _digest(stack: xr.Dataset) -> str:
    """Digest which pairs there are: as many others would be another network."""
    dates = [stack[name].values.astype("datetime64[s]") for name in ("reference_date", "secondary_date")]
    return hashlib.sha256(np.stack(dates).tobytes()).hexdigest()[:16]
