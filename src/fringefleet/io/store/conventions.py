"""Attributes by which other programs find the grid, the CRS and the axes of a store.

CF conventions describe both in ``grid_mapping`` and the coordinates. Viewers of Zarr look for the conventions
*proj* and *spatial* (https://github.com/zarr-conventions) in the attributes of the group instead, and GDAL's
Zarr driver for ``_CRS`` in those of an array.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS

from fringefleet.io.grid import is_numbered, map_crs

_TOLERANCE = 1e-3  # [pixel] by which a coordinate may be off a regular grid
_AXES = {"date": "T", "y": "Y", "x": "X"}
_TIME = {"standard_name": "time", "long_name": "acquisition date"}
_PROJ, _SPATIAL = (
    {
        "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{repository}/refs/tags/v1/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{repository}/blob/v1/README.md",
        "uuid": uuid,
        "name": name,
        "description": description,
    }
    for name, repository, uuid, description in (
        (
            "proj",
            "geo-proj",
            "f17cb550-5864-4468-aeb7-f3180cfb622f",
            "Coordinate reference system information for geospatial data",
        ),
        ("spatial", "spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
    )
)
CONVENTION_PREFIXES = ("proj:", "spatial:")
_ZARR_CONVENTIONS = "zarr_conventions"


def with_conventions(dataset: xr.Dataset, title: str) -> xr.Dataset:
    """Add the attributes by which other programs find grid, CRS and axes.

    Parameters
    ----------
    dataset
        With the dimensions y and x, and usually date.
    title
        Of the dataset, as CF has it.

    Returns
    -------
    xarray.Dataset
        The same data. Without a CRS or a regular grid, only the attributes that need neither.
    """
    result = dataset.assign_coords(
        {
            name: dataset[name].assign_attrs({"axis": axis} | (_TIME if name == "date" else {}))
            for name, axis in _AXES.items()
            if name in dataset.coords and not is_numbered(dataset, name)
        }
    )
    before = str(dataset.attrs.get("history", "")).splitlines()
    history = dict.fromkeys([f"Created by fringefleet {version('fringefleet')}.", *before])
    result = result.assign_attrs(title=title, history="\n".join(history))
    crs, transform = map_crs(dataset), _transform(dataset)
    if crs is None or transform is None:
        return _without_grid(result)
    gridded = {
        name: variable.assign_attrs(_CRS=_gdal_crs(crs))
        for name, variable in result.data_vars.items()
        if {"y", "x"} <= set(variable.dims)
    }
    return result.assign(gridded).assign_attrs(_geozarr(dataset, crs, transform))


def with_history(attrs: Mapping[Any, Any], step: str) -> str:
    """Add a step to the history of a result, as CF has it: a line for each."""
    earlier = [str(attrs["history"])] if "history" in attrs else []
    return "\n".join([*earlier, f"fringefleet {version('fringefleet')}, {step}"])


def with_own_conventions(dataset: xr.Dataset) -> xr.Dataset:
    """Correct the attributes of the grid of a part, which has those of the whole; nothing is added."""
    if _ZARR_CONVENTIONS not in dataset.attrs:
        return dataset
    crs, transform = map_crs(dataset), _transform(dataset)
    bare = _without_grid(dataset)
    if crs is None or transform is None:
        return bare
    return bare.assign_attrs(_geozarr(dataset, crs, transform))


def _without_grid(dataset: xr.Dataset) -> xr.Dataset:
    """Leave out the attributes of the conventions proj and spatial."""
    bare = dataset.copy(deep=False)
    bare.attrs = {
        name: value
        for name, value in dataset.attrs.items()
        if name != _ZARR_CONVENTIONS and not str(name).startswith(CONVENTION_PREFIXES)
    }
    return bare


def _geozarr(dataset: xr.Dataset, crs: CRS, transform: tuple[float, ...]) -> dict[str, Any]:
    """Attributes of the conventions proj and spatial."""
    n_row, n_column = dataset.sizes["y"], dataset.sizes["x"]
    width, _, left, _, height, top = transform
    xs, ys = sorted((left, left + width * n_column)), sorted((top, top + height * n_row))
    code = _code(crs)
    return {
        _ZARR_CONVENTIONS: [_PROJ, _SPATIAL],
        **({"proj:code": code} if code else {"proj:wkt2": crs.to_wkt()}),
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": [n_row, n_column],
        "spatial:transform": list(transform),
        "spatial:bbox": [xs[0], ys[0], xs[1], ys[1]],
        "spatial:registration": "pixel",
    }


def _gdal_crs(crs: CRS) -> Mapping[str, str]:
    """CRS as GDAL's Zarr driver reads it from an array."""
    if code := _code(crs):
        authority, number = code.split(":")
        return {"url": f"http://www.opengis.net/def/crs/{authority}/0/{number}"}
    return {"wkt": crs.to_wkt()}


def _code(crs: CRS) -> str | None:
    """Authority and code of a CRS, such as EPSG:4326; None if it has none."""
    found = crs.to_authority(min_confidence=100)
    return None if found is None else ":".join(found)


def _transform(dataset: xr.Dataset) -> tuple[float, ...] | None:
    """Affine transform of columns and rows to the corners of pixels; None of a grid that is not regular."""
    lines = {}
    for axis in ("y", "x"):
        values = dataset[axis].values.astype(np.float64)
        if len(values) < 2:
            return None
        step = (values[-1] - values[0]) / (len(values) - 1)
        regular = values[0] + step * np.arange(len(values))
        if step == 0 or np.abs(values - regular).max() > _TOLERANCE * abs(step):
            return None
        lines[axis] = float(step), float(values[0] - step / 2)
    (height, top), (width, left) = lines["y"], lines["x"]
    return width, 0.0, left, 0.0, height, top
