"""Common steps of all figures: decimate data, draw one map, label axes, save."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from fringefleet.io.georeference import DEGREES, NUMBERS, axis_unit
from fringefleet.io.store.atomic_files import staged_files

Xarray = TypeVar("Xarray", xr.Dataset, xr.DataArray)

MAX_PIXELS = 1000  # per side of a map
_NO_DATA = "0.85"
_UNIT_SYMBOLS = {DEGREES: "°", NUMBERS: ""}


def thin(data: Xarray) -> Xarray:
    """Keep every n-th row and column, so that no side is longer than 1000 pixels."""
    steps = {axis: -(-data.sizes[axis] // MAX_PIXELS) for axis in ("y", "x")}
    return data.isel({axis: slice(None, None, step) for axis, step in steps.items()})


def draw_map(panel: Axes, data: xr.DataArray, title: str, unit: str, **style: Any) -> Colorbar:
    """Draw one map in its coordinates, with a colour bar; pixels without data are grey."""
    image = _show(panel, data, **style)
    panel.set_title(title, loc="left", fontsize=11)
    beside = panel.inset_axes((1.03, 0, 0.045, 1))  # as high as the map, whatever its shape
    bar = panel.figure.colorbar(image, cax=beside)
    bar.set_label(f"[{unit}]" if unit else "")
    return bar


def _show(panel: Axes, data: xr.DataArray, **style: Any) -> AxesImage:
    panel.set_facecolor(_NO_DATA)
    (left, right), (top, bottom) = _edges(data["x"].values), _edges(data["y"].values)
    image = panel.imshow(data.values, extent=(left, right, bottom, top), origin="upper", **style)
    if axis_unit(data["y"].attrs.get("units")) == DEGREES:
        panel.set_aspect(1 / np.cos(np.radians(float(data["y"].mean()))))
    panel.set(xlabel=_axis_label(data["x"], "column"), ylabel=_axis_label(data["y"], "row"))
    panel.ticklabel_format(useOffset=False)
    panel.locator_params(nbins=5)
    return image


def mark_reference(panel: Axes, result: xr.Dataset) -> None:
    """Mark the reference point, if the data contain it."""
    if "reference_point_y" not in result.attrs:
        return
    place = [float(result.attrs[f"reference_point_{dim}"]) for dim in ("x", "y")]
    edges = [sorted(_edges(result[dim].values)) for dim in ("x", "y")]
    if all(low <= at <= high for at, (low, high) in zip(place, edges, strict=True)):
        panel.plot(*place, "s", ms=6, mfc="black", mec="white", label="reference point")


def format_dates(panel: Axes) -> None:
    """Label the horizontal axis with dates, as concisely as possible."""
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_formatter(formatter)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, without a display."""
    with staged_files([path]) as (part,):
        FigureCanvasAgg(figure).print_figure(part, dpi=150, bbox_inches="tight", pad_inches=0.15)


def _edges(centres: NDArray[Any]) -> tuple[float, float]:
    """Return the outer edges of the first and the last pixel."""
    half = 0.5 * (float(centres[-1]) - float(centres[0])) / max(len(centres) - 1, 1) or 0.5
    return float(centres[0]) - half, float(centres[-1]) + half


def _axis_label(coordinate: xr.DataArray, fallback: str) -> str:
    known = axis_unit(coordinate.attrs.get("units")) or ""
    unit = _UNIT_SYMBOLS.get(known, known)
    name = str(coordinate.attrs.get("long_name", coordinate.attrs.get("standard_name", fallback)))
    name = name[:1].upper() + name[1:].replace("_", " ")
    return f"{name} [{unit}]" if unit else name
