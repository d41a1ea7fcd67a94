"""The attributes of MintPy's files, from those of a result and from its coordinates.

All of them are strings. MintPy places the grid by the outer corner of its first pixel (``Y_FIRST``,
``X_FIRST``), we by the centres of all pixels, so that a part of a result has the right place, too.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError

logger = logging.getLogger(__name__)

CONFIG_PREFIX = "mintpy.networkInversion."
# Attributes of ours that are no attribute of the source; the rest goes into MintPy's files.
OWN_ATTRIBUTES = frozenset(
    {
        "wavelength",
        "looks",
        "reference_point",
        "reference_point_y",
        "reference_point_x",
        "date_format",
        "reference_date",
        "observation",
        "n_pair",
        "weight_func",
        "mask_dataset",
        "mask_threshold",
        "min_redundancy",
        "min_norm",
        "fringefleet_version",
        "Conventions",
        "title",
        "history",
        "institution",
        "source",
        "references",
        "comment",
    }
)


def common_attributes(result: xr.Dataset) -> dict[str, str]:
    """Collect what the source said, corrected for this grid and these dates, and our options.

    Raises
    ------
    StackFormatError
        The coordinates form no grid that MintPy can describe.
    """
    attributes = {
        str(name): str(value)
        for name, value in result.attrs.items()
        if name not in OWN_ATTRIBUTES and isinstance(value, str | int | float | np.generic)
    }
    names = sorted(date_names(result))
    attributes |= {
        "LENGTH": str(result.sizes["y"]),
        "WIDTH": str(result.sizes["x"]),
        "START_DATE": names[0],
        "END_DATE": names[-1],
    }
    attributes.pop("REF_DATE", None)
    if "wavelength" in result.attrs:
        attributes.setdefault("WAVELENGTH", str(float(result.attrs["wavelength"])))
    attributes |= _grid_attributes(result, attributes)
    attributes |= _config_attributes(result.attrs)
    return _with_reference_point(result, attributes)


def date_names(result: xr.Dataset) -> list[str]:
    """Write all dates in the format of the source."""
    return [date_name(result, date) for date in result["date"].values]


def date_name(result: xr.Dataset, date: np.datetime64 | str) -> str:
    """Write one date, given as ISO text or ``datetime64``, in the format of the source."""
    time: datetime = np.array(date, dtype="datetime64[s]").item()
    return time.strftime(result.attrs.get("date_format", "%Y%m%d"))


def _config_attributes(options: Mapping[Any, Any]) -> dict[str, str]:
    """Name the options of the inversion as MintPy does, which compares them in ``--update``."""
    masks = {"none": "None", "connected_component": "connectComponent"}
    spelled: dict[str, tuple[str, Callable[[Any], object]]] = {
        "observation": ("obsDatasetName", str),
        "n_pair": ("numIfgram", int),
        "weight_func": ("weightFunc", str),
        "mask_dataset": ("maskDataset", lambda name: masks.get(name, name)),
        "mask_threshold": ("maskThreshold", float),
        "min_redundancy": ("minRedundancy", float),
        "min_norm": ("minNormVelocity", lambda norm: norm == "velocity"),
    }
    return {
        CONFIG_PREFIX + key: str(convert(options[ours]))
        for ours, (key, convert) in spelled.items()
        if ours in options
    }


def _grid_attributes(result: xr.Dataset, source: dict[str, str]) -> dict[str, str]:
    """Describe a geocoded grid by its first corner and steps; nothing in radar geometry."""
    found: dict[str, str] = {}
    for dim in ("y", "x"):
        unit = result[dim].attrs.get("units", "1") if dim in result.coords else "1"
        if unit == "1":
            return {}
        step = _step(result, dim, source)
        if step is None:
            logger.warning("one pixel along %s says nothing of its size: no georeference", dim)
            return {}
        first = float(result[dim].values[0]) - step / 2
        axis = dim.upper()
        found[f"{axis}_FIRST"] = _keep_if_close(source.get(f"{axis}_FIRST"), first, step)
        found[f"{axis}_STEP"] = _keep_if_close(source.get(f"{axis}_STEP"), step, step)
        found[f"{axis}_UNIT"] = source.get(f"{axis}_UNIT", _unit_name(unit))
    return found | ({} if "Y_FIRST" in source else _crs_attributes(result))


def _unit_name(unit: str) -> str:
    if unit.startswith("degree"):
        return "degrees"
    return "meters" if unit in {"m", "metre", "metres", "meter"} else unit


def _step(result: xr.Dataset, dim: str, source: dict[str, str]) -> float | None:
    """Find the signed pixel size; a single row or column has only what the source says of it."""
    values: NDArray[np.float64] = result[dim].values.astype(np.float64)
    if len(values) == 1:
        said = source.get(f"{dim.upper()}_STEP")
        return None if said is None else float(said)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if np.abs(np.diff(values) - step).max() > 0.01 * abs(step):
        raise StackFormatError(
            f"the coordinate {dim} is not regular: its steps go from {np.diff(values).min()} to "
            f"{np.diff(values).max()}; MintPy needs equal steps. Select a range of pixels."
        )
    return step


def _keep_if_close(text: str | None, value: float, step: float) -> str:
    """Give back the source's own digits where they say the same."""
    if text is not None and abs(float(text) - value) <= 1e-5 * abs(step):
        return text
    return str(value)


def _crs_attributes(result: xr.Dataset) -> dict[str, str]:
    if "spatial_ref" not in result.coords:
        return {}
    crs = pyproj.CRS.from_cf(result.coords["spatial_ref"].attrs)
    known = {"EPSG": crs.to_epsg(), "UTM_ZONE": crs.utm_zone}
    return {name: str(value) for name, value in known.items() if value is not None}


def _with_reference_point(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Say where the reference point is in this grid; drop what the source says of another one."""
    options = result.attrs
    if "reference_point_y" not in options or "reference_point_x" not in options:
        return attributes
    values = {dim: float(options[f"reference_point_{dim}"]) for dim in ("y", "x")}
    found = {f"REF_{dim.upper()}": _position(result, dim, value) for dim, value in values.items()}
    original = dict(zip(("REF_Y", "REF_X"), options.get("reference_point", ()), strict=False))
    moved = any(attributes.get(name) != str(index) for name, index in original.items())
    outside = None in found.values()
    if outside:
        logger.warning("the reference point %s is outside this part: no REF_Y and REF_X", values)
    stale = {"REF_Y", "REF_X"} | ({"REF_LAT", "REF_LON"} if moved or outside else set())
    kept = {name: value for name, value in attributes.items() if name not in stale}
    return kept if outside else kept | {name: str(index) for name, index in found.items()}


def _position(result: xr.Dataset, dim: str, value: float) -> int | None:
    """Find the row or column whose coordinate is ``value``; None if there is none."""
    values: NDArray[np.float64] = result[dim].values.astype(np.float64)
    distance = np.abs(values - value)
    spacing = np.abs(np.diff(values)).min() if len(values) > 1 else max(abs(value), 1.0) * 1e-6
    nearest = int(distance.argmin())
    return nearest if distance[nearest] <= 0.01 * spacing else None
