"""The attributes of MintPy's files, from those of a result and from its coordinates.

All of them are strings. MintPy places the grid by the outer corner of its first pixel (``Y_FIRST``,
``X_FIRST``), we by the centres of all pixels, so that a part of a result has the right place, too.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.grid import GRID_MAPPING, grid_crs
from fringefleet.io.metadata import derived_attributes
from fringefleet.io.mintpy_names import mintpy_name
from fringefleet.io.store import FINGERPRINT
from fringefleet.provenance import EXTRA_PROVENANCE, PROVENANCE

logger = logging.getLogger(__name__)

CONFIG_PREFIX = "mintpy.networkInversion."
# Attributes of ours that are no attribute of the source; the rest goes into MintPy's files.
OWN_ATTRIBUTES = frozenset(
    {
        *PROVENANCE,
        *EXTRA_PROVENANCE,
        FINGERPRINT,
        "wavelength",
        "looks",
        "reference_point",
        "reference_point_y",
        "reference_point_x",
        "date_format",
        "title",
        "history",
        "institution",
        "source",
        "references",
        "comment",
    }
)
# What MintPy's source says of the place of its rows and columns; wrong in a part of them.
PLACE_IN_WHOLE = re.compile(r"[XY](MIN|MAX)|SUBSET_[XY](MIN|MAX)|(LAT|LON)_REF[1-4]")
GEOREFERENCE = re.compile(r"[XY]_(FIRST|STEP|UNIT)")


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
    attributes.pop("REF_DATE", None)
    names = sorted(date_names(result))
    attributes |= {"START_DATE": names[0], "END_DATE": names[-1]}
    attributes |= _radar_attributes(result.attrs, attributes)
    attributes |= config_attributes(result.attrs)
    return _with_reference_point(result, _with_grid(result, attributes))


def date_names(result: xr.Dataset) -> list[str]:
    """Write all dates in the format of the source."""
    return [date_name(result, date) for date in result["date"].values]


def date_name(result: xr.Dataset, date: np.datetime64 | str) -> str:
    """Write one date, given as ISO text or ``datetime64``, in the format of the source."""
    time: datetime = np.array(date, dtype="datetime64[s]").item()
    return time.strftime(result.attrs.get("date_format", "%Y%m%d"))


def config_attributes(options: Mapping[Any, Any]) -> dict[str, str]:
    """Name the options of the inversion as MintPy does, which compares them in ``--update``."""
    spelled: dict[str, tuple[str, Callable[[Any], object]]] = {
        "observation": ("obsDatasetName", mintpy_name),
        "n_pair": ("numIfgram", int),
        "weight_func": ("weightFunc", str),
        "mask_dataset": ("maskDataset", lambda name: "None" if name == "none" else mintpy_name(name)),
        "mask_threshold": ("maskThreshold", float),
        "min_redundancy": ("minRedundancy", float),
        "min_norm": ("minNormVelocity", lambda norm: norm == "velocity"),
    }
    return {
        CONFIG_PREFIX + key: str(convert(options[ours]))
        for ours, (key, convert) in spelled.items()
        if ours in options
    }


def _radar_attributes(ours: Mapping[Any, Any], source: dict[str, str]) -> dict[str, str]:
    """Say which wavelength and looks were used; where the source says the same, it keeps its digits."""
    found: dict[str, str] = {}
    said = _derived(source, "WAVELENGTH") | _derived(source, "NCORRLOOKS", "ALOOKS", "RLOOKS")
    if "wavelength" in ours and said.get("wavelength") != float(ours["wavelength"]):
        found["WAVELENGTH"] = str(float(ours["wavelength"]))
    if "looks" in ours and said.get("looks") != int(ours["looks"]):
        found["NCORRLOOKS"] = str(int(ours["looks"]))
    return found


def _derived(source: dict[str, str], *names: str) -> dict[str, Any]:
    """Understand some attributes of the source as we do when we open it; nothing if they are no numbers."""
    try:
        return derived_attributes({name: source[name] for name in names if name in source})
    except StackFormatError:
        return {}


def _with_grid(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Say where the pixels are; drop what the source says of a larger or another grid."""
    sizes = {"LENGTH": str(result.sizes["y"]), "WIDTH": str(result.sizes["x"])}
    cut = any(attributes.get(name, size) != size for name, size in sizes.items())
    grid = _grid_attributes(result, attributes)
    kept = {
        name: value
        for name, value in attributes.items()
        if not (cut and PLACE_IN_WHOLE.fullmatch(name)) and not GEOREFERENCE.fullmatch(name)
    }
    return kept | sizes | grid


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
        said = source.get(f"{axis}_UNIT", "")
        found[f"{axis}_UNIT"] = said if _unit_name(said) == _unit_name(unit) else _unit_name(unit)
    return found | _crs_attributes(result, source)


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


def _crs_attributes(result: xr.Dataset, source: dict[str, str]) -> dict[str, str]:
    """Name the CRS, unless the source is geocoded and names no other one."""
    if GRID_MAPPING not in result.coords:
        return {}
    crs = pyproj.CRS.from_cf(result.coords[GRID_MAPPING].attrs)
    said = grid_crs(source)
    if "Y_FIRST" in source and (said is None or said.to_epsg() == crs.to_epsg()):
        return {}
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
