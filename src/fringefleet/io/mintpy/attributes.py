"""Attributes of MintPy's files, from those of a result and from its coordinates.

All of them are strings. MintPy positions the grid by the outer corner of its first pixel (``Y_FIRST``,
``X_FIRST``), we by the centres of all pixels, so that a subset of a result has the right position, too.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.mintpy.grid import with_grid
from fringefleet.io.mintpy.metadata import derived_attributes
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.io.store.unfinished import FINGERPRINT
from fringefleet.products.provenance import EXTRA_PROVENANCE, PROVENANCE

logger = logging.getLogger(__name__)

_CONFIG_PREFIX = "mintpy.networkInversion."
# Attributes of ours that are not in the source; the others go into MintPy's files.
_OWN_ATTRIBUTES = frozenset(
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


def common_attributes(result: xr.Dataset) -> dict[str, str]:
    """Collect the attributes of the source, corrected for this grid and these dates, and our options.

    Raises
    ------
    StackFormatError
        The coordinates are not a grid that MintPy can describe, or an attribute has another type.
    """
    attributes = {
        str(name): str(value)
        for name, value in result.attrs.items()
        if name not in _OWN_ATTRIBUTES and isinstance(value, str | int | float | np.generic)
    }
    attributes.pop("REF_DATE", None)
    with readable("an attribute of the result"):
        names = sorted(date_names(result))
        attributes |= {"START_DATE": names[0], "END_DATE": names[-1]}
        attributes |= _radar_attributes(result.attrs, attributes)
        attributes |= config_attributes(result.attrs)
        return _with_reference_point(result, with_grid(result, attributes))


def date_names(result: xr.Dataset) -> list[str]:
    """Return all dates in the format of the source."""
    return [mintpy_date_name(result, date) for date in result["date"].values]


def mintpy_date_name(result: xr.Dataset, date: np.datetime64 | str) -> str:
    """Return one date, given as ISO text or ``datetime64``, in the format of the source."""
    time: datetime = np.array(date, dtype="datetime64[s]").item()
    return time.strftime(result.attrs.get("date_format", "%Y%m%d"))


def config_attributes(options: Mapping[Any, Any]) -> dict[str, str]:
    """Return the options of the inversion under MintPy's names, which it compares in ``--update``."""
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
        _CONFIG_PREFIX + key: str(convert(options[ours]))
        for ours, (key, convert) in spelled.items()
        if ours in options
    }


def _radar_attributes(ours: Mapping[Any, Any], source: dict[str, str]) -> dict[str, str]:
    """Return the wavelength and looks used; where the source has the same value, its digits are kept."""
    found: dict[str, str] = {}
    said = _derived(source, "WAVELENGTH") | _derived(source, "NCORRLOOKS", "ALOOKS", "RLOOKS")
    if "wavelength" in ours and said.get("wavelength") != float(ours["wavelength"]):
        found["WAVELENGTH"] = str(float(ours["wavelength"]))
    if "looks" in ours and said.get("looks") != int(ours["looks"]):
        found["NCORRLOOKS"] = str(int(ours["looks"]))
    return found


def _derived(source: dict[str, str], *names: str) -> dict[str, Any]:
    """Parse some attributes of the source as on opening; empty if they are not numbers."""
    try:
        return derived_attributes({name: source[name] for name in names if name in source})
    except StackFormatError:
        return {}


def _with_reference_point(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Set the reference point in this grid; drop that of another grid in the source."""
    options = result.attrs
    if "reference_point_y" not in options or "reference_point_x" not in options:
        return attributes
    values = {dim: float(options[f"reference_point_{dim}"]) for dim in ("y", "x")}
    found = {f"REF_{dim.upper()}": _position(result, dim, value) for dim, value in values.items()}
    original = dict(zip(("REF_Y", "REF_X"), options.get("reference_point", ()), strict=False))
    moved = any(attributes.get(name) != str(index) for name, index in original.items())
    outside = None in found.values()
    if outside:
        logger.warning("the reference point %s is outside this subset: no REF_Y and REF_X", values)
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
