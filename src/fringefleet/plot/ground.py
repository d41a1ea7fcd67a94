"""Place of a map on the ground: axes in latitude and longitude, a scale bar, the reference point."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator
from matplotlib_scalebar.scalebar import ScaleBar
from numpy.typing import NDArray
from pyproj import Geod, Transformer

from fringefleet.io.georeference import DEGREES, KILOMETRES, METRES, NUMBERS, axis_unit, crs_unit
from fringefleet.io.grid import map_crs
from fringefleet.io.places import degrees_along

_TICK_WIDTH, _TICK_HEIGHT = 0.75, 0.3  # [inch]
_UNIT_SYMBOLS = {DEGREES: "°", NUMBERS: ""}
_METRES = {METRES: 1.0, KILOMETRES: 1000.0, "feet": 0.3048}
_NAMES = {"x": "Longitude [°]", "y": "Latitude [°]"}
_FALLBACK, _ON_GROUND = {"x": "column", "y": "row"}, {"x": "easting", "y": "northing"}
_HALF_TURN = 180.0  # [degree]


def edges(data: xr.DataArray | xr.Dataset, dim: str) -> tuple[float, float]:
    """Return the outer edges of the first and the last pixel."""
    centres, half = data[dim].values, 0.5 * _step(data, dim)
    return float(centres[0]) - half, float(centres[-1]) + half


def _step(data: xr.DataArray | xr.Dataset, dim: str) -> float:
    """Return the signed step of a coordinate; of a single pixel, what its source says, or the other axis."""
    for axis in (dim, {"y": "x", "x": "y"}[dim]):
        centres = data[axis].values
        if len(centres) > 1:
            return (float(centres[-1]) - float(centres[0])) / (len(centres) - 1)
        if f"{axis.upper()}_STEP" in data.attrs:
            return float(data.attrs[f"{axis.upper()}_STEP"])
    return 1.0


def _unit(data: xr.DataArray | xr.Dataset, dim: str) -> str | None:
    """Return the unit of a coordinate, or of the CRS where the coordinate has none."""
    unit = axis_unit(data[dim].attrs.get("units"))
    crs = map_crs(data) if unit is None else None
    return unit if crs is None else crs_unit(crs)


def is_on_ground(data: xr.DataArray | xr.Dataset) -> bool:
    """Return whether y and x are places on the ground, so that north is up and east is right."""
    return _unit(data, "x") in (DEGREES, *_METRES)


def stretch(data: xr.DataArray | xr.Dataset) -> float:
    """Return how much longer a step in y is than one in x that has the same number."""
    if _unit(data, "y") != DEGREES:
        return 1.0
    return float(1 / np.cos(np.radians(float(data["y"].mean()))))


def label_axes(panel: Axes, data: xr.DataArray, room: tuple[float, float]) -> None:
    """Label the axes of a map: in degrees wherever its place is known, else as its coordinates are.

    Parameters
    ----------
    panel
        Its x and y are the coordinates of the scene.
    data
        The map, with its coordinates.
    room
        Width and height of the map [inch].
    """
    panel.ticklabel_format(useOffset=False, style="plain")
    panel.tick_params(labelsize=8)
    degrees = {dim: degrees_along(data, dim) for dim in "xy"} if _is_projected(data) else {}
    ticks = room[0] / _TICK_WIDTH, room[1] / _TICK_HEIGHT
    for dim, axis, most in zip("xy", (panel.xaxis, panel.yaxis), ticks, strict=True):
        n_tick = min(5, max(1, int(most)))
        along = degrees.get(dim)
        if along is not None and None not in degrees.values():
            label = _NAMES[dim]
            _tick_degrees(axis, *along, n_tick)
        else:
            label = _axis_label(data, dim)
            axis.set_major_locator(MaxNLocator(n_tick, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
            if dim == "x" and label == _NAMES["x"] and np.abs(data["x"]).max() > _HALF_TURN:
                axis.set_major_formatter(FuncFormatter(lambda degree, _: f"{_within_turn(degree):g}"))
        has_labels = axis.get_tick_params()["labelbottom" if dim == "x" else "labelleft"]
        axis.set_label_text(label if has_labels else "")


def _is_projected(data: xr.DataArray) -> bool:
    crs = map_crs(data)
    return crs is not None and not crs.is_geographic


def _within_turn(degree: float) -> float:
    """Return the longitude from -180 to 180 degrees, without the noise of the turn."""
    return round((degree + _HALF_TURN) % (2 * _HALF_TURN) - _HALF_TURN, 9)


def _tick_degrees(axis: Any, at: NDArray[np.float64], degrees: NDArray[np.float64], n_tick: int) -> None:
    """Put ticks at whole degrees of an edge of the scene, or at decimal parts of them."""
    ticks = MaxNLocator(n_tick, min_n_ticks=1).tick_values(degrees.min(), degrees.max())
    ticks = ticks[(ticks >= degrees.min()) & (ticks <= degrees.max())]
    order = np.argsort(degrees)
    decimals = next(n for n in range(16) if np.allclose(ticks, ticks.round(n), rtol=0, atol=1e-9))
    axis.set_major_locator(FixedLocator(np.interp(ticks, degrees[order], at[order])))
    axis.set_major_formatter(FixedFormatter([f"{_within_turn(tick):.{decimals}f}" for tick in ticks]))


def _axis_label(data: xr.DataArray, dim: str) -> str:
    coordinate, known = data[dim], _unit(data, dim)
    unit = _UNIT_SYMBOLS.get(known or "", known or "")
    if known == DEGREES:
        return _NAMES[dim]
    fallback = _ON_GROUND[dim] if is_on_ground(data) else _FALLBACK[dim]
    name = str(coordinate.attrs.get("long_name", coordinate.attrs.get("standard_name", fallback)))
    name = name[:1].upper() + name[1:].replace("_", " ")
    return f"{name} [{unit}]" if unit else name


def add_scale_bar(panel: Axes, data: xr.DataArray) -> None:
    """Add a scale bar, for the middle of the scene, where the size of a pixel on the ground is known."""
    metres = metres_per_x(data)
    if metres is not None:
        panel.add_artist(
            ScaleBar(
                metres,
                "m",
                location="lower right",
                length_fraction=0.25,
                rotation="horizontal-only",
                border_pad=0.3,
                box_alpha=0.7,
                font_properties={"size": 7},
            )
        )


def metres_per_x(data: xr.DataArray) -> float | None:
    """Return the length on the ground of a step of 1 in x, in the middle of the scene [m].

    Returns
    -------
    float or None
        None in radar geometry.

    Examples
    --------
    >>> row = xr.DataArray([0, 0], coords={"x": ("x", [0.0, 0.1], {"units": "degrees_east"})}, dims="x")
    >>> round(metres_per_x(row.expand_dims(y=[60.0])))
    55800
    """
    unit, crs = _unit(data, "x"), map_crs(data)
    y, half = float(data["y"].mean()), 0.5 * _step(data, "x")
    ends = np.array([float(data["x"].mean()) - half, float(data["x"].mean()) + half])
    if crs is not None:
        transformer = Transformer.from_crs(crs, 4326, always_xy=True)
        longitude, latitude = transformer.transform(ends, np.array([y, y]))
    elif unit == DEGREES:
        longitude, latitude = ends, np.array([y, y])
    else:
        return _METRES.get(unit or "")
    distance = Geod(ellps="WGS84").inv(longitude[0], latitude[0], longitude[1], latitude[1])[2]
    return float(distance / abs(2 * half))


def mark_reference(panel: Axes, result: xr.Dataset) -> None:
    """Mark the reference point, if the data contain it."""
    if "reference_point_y" not in result.attrs:
        return
    place = [float(result.attrs[f"reference_point_{dim}"]) for dim in ("x", "y")]
    sides = [sorted(edges(result, dim)) for dim in ("x", "y")]
    if all(low <= at <= high for at, (low, high) in zip(place, sides, strict=True)):
        panel.plot(*place, "s", ms=6, mfc="black", mec="white", label="reference point")


def mark_pixel(panel: Axes, result: xr.Dataset, pixel: tuple[int, int], colour: str) -> None:
    """Mark a pixel of a scene on its map."""
    y, x = (float(result[axis].values[at]) for axis, at in zip("yx", pixel, strict=True))
    panel.plot(x, y, "o", ms=7, mfc=colour, mec="white", label=f"row {pixel[0]}, column {pixel[1]}")
