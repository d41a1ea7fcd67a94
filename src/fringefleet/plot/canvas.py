"""Common steps of all figures: decimate data, draw one map, label axes, save."""

import math
import textwrap
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

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
_MAP_AREA = 15.0  # [inch^2]
_NARROWEST, _WIDEST, _HIGHEST = 1.6, 7.0, 7.5  # [inch] of a map
_LEAST_BAR = 1.6  # [inch]
_BESIDE, _ABOVE_AND_BELOW = 1.7, 0.75  # [inch] for a colour bar and labels, and for a title
_TICK_WIDTH, _TICK_HEIGHT = 0.75, 0.3  # [inch]
_LETTERS = 13  # of a title, per inch
_FIGURE_SHAPE = 1.5  # width by height
_UNIT_SYMBOLS = {DEGREES: "°", NUMBERS: ""}


def thin(data: Xarray) -> Xarray:
    """Keep every n-th row and column, so that no side is longer than 1000 pixels."""
    steps = {axis: -(-data.sizes[axis] // MAX_PIXELS) for axis in ("y", "x")}
    return data.isel({axis: slice(None, None, step) for axis, step in steps.items()})


class MapSize(NamedTuple):
    """Width and height of a map in a picture [inch], by the shape of the scene."""

    width: float
    height: float

    @property
    def bar_height(self) -> float:
        """Height of its colour bar: at least that of the labels."""
        return max(self.height, _LEAST_BAR)


def size_of(data: xr.DataArray | xr.Dataset) -> MapSize:
    """Choose the size of a map of so many rows and columns.

    Examples
    --------
    >>> both = [size_of(xr.Dataset(coords={"y": range(n), "x": range(100)})) for n in (100, 10)]
    >>> [(round(size.width, 1), round(size.height, 1)) for size in both]
    [(3.9, 3.9), (7.0, 0.7)]
    """
    (left, right), (top, bottom) = _edges(data["x"].values), _edges(data["y"].values)
    ratio = abs((bottom - top) / (right - left)) * _stretch(data)
    width = min(max(math.sqrt(_MAP_AREA / ratio), _NARROWEST), _WIDEST)
    height = width * ratio
    return MapSize(width, height) if height <= _HIGHEST else MapSize(_HIGHEST / ratio, _HIGHEST)


def map_panels(data: xr.DataArray | xr.Dataset, n_map: int) -> tuple[Figure, list[Axes]]:
    """Make a figure with a panel for each of some maps of a scene, row by row.

    Parameters
    ----------
    data
        The scene, with its coordinates.
    n_map
        Number of panels.
    """
    size = size_of(data)
    pitch = max(size.width, _NARROWEST) + _BESIDE, size.bar_height + _ABOVE_AND_BELOW
    n_column = min(range(1, n_map + 1), key=lambda n: _ugliness(n, n_map, pitch))
    n_row = -(-n_map // n_column)
    figure = Figure(figsize=(n_column * pitch[0], n_row * pitch[1]), layout="constrained")
    panels = list(figure.subplots(n_row, n_column, sharex=True, sharey=True, squeeze=False).flat)
    for number, panel in enumerate(panels):
        if number >= n_map:
            panel.remove()
        panel.tick_params(labelbottom=number + n_column >= n_map, labelleft=number % n_column == 0)
    return figure, panels[:n_map]


def _ugliness(n_column: int, n_map: int, pitch: tuple[float, float]) -> float:
    """Rate a number of columns: by the shape of the figure, and by empty places."""
    n_row = -(-n_map // n_column)
    shape = n_column * pitch[0] / (n_row * pitch[1])
    return abs(math.log(shape / _FIGURE_SHAPE)) + 0.3 * (n_column * n_row / n_map - 1)


def draw_map(panel: Axes, data: xr.DataArray, title: str, unit: str, **style: Any) -> Colorbar:
    """Draw one map in its coordinates, with a colour bar; pixels without data are grey."""
    image = _show(panel, data, **style)
    size = size_of(data)
    named = f"{title} [{unit}]" if unit else title
    n_letter = int(_LETTERS * (max(size.width, _NARROWEST) + _BESIDE - 0.5))
    panel.set_title(textwrap.fill(named, n_letter), loc="left", fontsize=10)
    below = (1 - size.bar_height / size.height) / 2
    place = 1 + 0.1 / size.width, below, 0.16 / size.width, size.bar_height / size.height
    bar: Colorbar = panel.figure.colorbar(image, cax=panel.inset_axes(place))
    bar.ax.tick_params(labelsize=8)
    return bar


def _show(panel: Axes, data: xr.DataArray, **style: Any) -> AxesImage:
    panel.set_facecolor(_NO_DATA)
    (left, right), (top, bottom) = _edges(data["x"].values), _edges(data["y"].values)
    image = panel.imshow(data.values, extent=(left, right, bottom, top), origin="upper", **style)
    panel.set_aspect(_stretch(data))
    panel.set(xlabel=_axis_label(data["x"], "column"), ylabel=_axis_label(data["y"], "row"))
    panel.ticklabel_format(useOffset=False)
    size = size_of(data)
    panel.tick_params(labelsize=8)
    panel.locator_params(axis="x", nbins=_ticks(size.width / _TICK_WIDTH), min_n_ticks=1)
    panel.locator_params(axis="y", nbins=_ticks(size.height / _TICK_HEIGHT), min_n_ticks=1)
    _label_outer(panel)
    return image


def _ticks(room: float) -> int:
    return min(5, max(1, int(room)))


def _label_outer(panel: Axes) -> None:
    """Leave the names of axes to the panels whose ticks have labels."""
    if not panel.xaxis.get_tick_params()["labelbottom"]:
        panel.set_xlabel("")
    if not panel.yaxis.get_tick_params()["labelleft"]:
        panel.set_ylabel("")


def _stretch(data: xr.DataArray | xr.Dataset) -> float:
    """Return how much longer a step in y is than one in x that has the same number."""
    if axis_unit(data["y"].attrs.get("units")) != DEGREES:
        return 1.0
    return float(1 / np.cos(np.radians(float(data["y"].mean()))))


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
