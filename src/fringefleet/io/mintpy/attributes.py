"""Attributes of MintPy's files, from those of a result and from its coordinates.

All of them are strings. MintPy positions the grid by the outer corner of its first pixel (``Y_FIRST``,
``X_FIRST``), we by the centres of all pixels, so that a subset of a result has the right position, too.
"""

import logging
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.grid import REFERENCE_PLACES, attributes_raster
from fringefleet.io.mintpy.grid import (
    FIRST_PIXEL,
    is_in_radar_geometry,
    with_grid,
    with_size,
    without_place,
)
from fringefleet.io.mintpy.metadata import derived_attributes
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.io.mintpy.reference_point import ROW_AND_COLUMN, row_and_column, with_reference_point
from fringefleet.io.store.conventions import CONVENTION_PREFIXES, with_own_conventions
from fringefleet.io.store.unfinished import FINGERPRINT
from fringefleet.products.provenance import EXTRA_PROVENANCE, PROVENANCE

logger = logging.getLogger(__name__)

_OF_GRID_OR_DATES = re.compile(
    r"LENGTH|WIDTH|[XY]_(FIRST|STEP|UNIT)|EPSG|UTM_ZONE|[XY](MIN|MAX)|SUBSET_[XY](MIN|MAX)|(LAT|LON)_REF[1-4]"
    r"|STARTING_RANGE|RANGE_PIXEL_SIZE|REF_(Y|X|LAT|LON|DATE)|(START|END)_DATE|DATE12|FILE_TYPE|UNIT"
)
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
        FIRST_PIXEL,
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
        name: value
        for name, value in _texts(result.attrs).items()
        if name not in _OWN_ATTRIBUTES and not name.startswith(CONVENTION_PREFIXES)
    }
    attributes.pop("REF_DATE", None)
    with readable("an attribute of the result"):
        source = attributes | _first_and_last(result)
        attributes = source | _radar_attributes(result.attrs, source) | config_attributes(result.attrs)
        made = with_reference_point(result, with_grid(result, attributes), source)
    if "reference_point_y" in result.attrs and "REF_Y" not in made:
        logger.warning(
            "the reference point, y %s and x %s, is outside of this part: no REF_Y and REF_X",
            *(result.attrs[name] for name in REFERENCE_PLACES),
        )
    return made


def with_own_attributes(result: xr.Dataset) -> xr.Dataset:
    """Correct what attributes say of the grid, the dates, the reference and the kind of another result.

    A part has those of its source, until this is called. Attributes under MintPy's names are corrected where
    the source has them, and left out where they no longer apply: ``REF_Y`` and ``REF_X`` of a point outside,
    latitude and longitude of another point where they are not known. ``reference_point`` is row and column in
    this grid, or left out; the coordinates of the point stay.

    Parameters
    ----------
    result
        With coordinates y and x.
    """
    said = {name: text for name, text in _texts(result.attrs).items() if _OF_GRID_OR_DATES.fullmatch(name)}
    own = _own_texts(result, said) if said else {}
    kept = {name: value for name, value in result.attrs.items() if name not in said and name != FIRST_PIXEL}
    same = {name: result.attrs[name] for name, text in own.items() if said.get(name) == text}
    corrected = result.copy(deep=False)
    corrected.attrs = _with_own_point(result, kept) | own | same | _first_pixel_of(result, said)
    return with_own_conventions(corrected)


def _with_own_point(result: xr.Dataset, attrs: dict[Hashable, Any]) -> dict[Hashable, Any]:
    """Count row and column of the reference point in this grid; leave them out where it is outside."""
    if not all(name in attrs for name in REFERENCE_PLACES):
        return attrs
    found = row_and_column(result, [float(attrs[name]) for name in REFERENCE_PLACES])
    kept = {name: value for name, value in attrs.items() if name != "reference_point"}
    return kept if found is None else kept | {"reference_point": found}


def _first_pixel_of(result: xr.Dataset, said: dict[str, str]) -> dict[str, list[int]]:
    """Give what rows and columns in the attributes count from, where that is not the first pixel of all."""
    if not said or not is_in_radar_geometry(result):
        return {}
    first = [int(result[dim].values[0]) if dim in result.coords else 0 for dim in ("y", "x")]
    return {FIRST_PIXEL: first} if any(first) else {}


def _own_texts(result: xr.Dataset, said: dict[str, str]) -> dict[str, str]:
    """Give the attributes of the grid, the dates, the reference and the kind."""
    try:
        is_placed = is_in_radar_geometry(result) or attributes_raster(said, (0, 0)) is not None
        grid = (with_grid if is_placed else with_size)(result, said)
    except StackFormatError:  # pixels at unequal distances
        grid = without_place(with_size(result, said))
    found = with_reference_point(result, grid, said) | _first_and_last(result) | _kind(result)
    if "reference_date" in result.attrs:
        found["REF_DATE"] = mintpy_date_name(result, result.attrs["reference_date"])
    ends = said.keys() & found.keys() & {"START_DATE", "END_DATE"}
    if any(said[name] != found[name] for name in ends):  # else DATE12 may be the source's first pair
        found["DATE12"] = f"{found['START_DATE']}_{found['END_DATE']}"
    added = ROW_AND_COLUMN if {"LENGTH", "WIDTH"} <= said.keys() else ()
    return {name: text for name, text in found.items() if name in said or name in added}


def _texts(attrs: Mapping[Any, Any]) -> dict[str, str]:
    """Give attributes that are text or numbers as text."""
    return {
        str(name): str(value)
        for name, value in attrs.items()
        if isinstance(value, str | int | float | np.generic)
    }


def _first_and_last(result: xr.Dataset) -> dict[str, str]:
    """Give the first and the last date: of the series, or of those that a fit used."""
    if "date" in result.coords:
        names = sorted(date_names(result))
        return {"START_DATE": names[0], "END_DATE": names[-1]}
    used = {"START_DATE": "first_date_used", "END_DATE": "last_date_used"}
    return {name: str(result.attrs[ours]) for name, ours in used.items() if ours in result.attrs}


def _kind(result: xr.Dataset) -> dict[str, str]:
    """Give MintPy's type of file, and the unit of what it is named after."""
    of_first = {"displacement": ("timeseries", "m"), "velocity": ("velocity", "m/year")}
    found = next((kind for name, kind in of_first.items() if name in result.data_vars), None)
    return {} if found is None else dict(zip(("FILE_TYPE", "UNIT"), found, strict=True))


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
