"""Pages of pictures: their size from the shape of the scene, panels for maps, axes of a notebook, files."""

import math
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from fringefleet.io.store.atomic_files import staged_files
from fringefleet.io.writers.failures import REMEDY, failures_explained
from fringefleet.plot.colours import CATEGORIES
from fringefleet.plot.ground import edges, stretch
from fringefleet.plot.options import EVERYTHING

_MAP_AREA = 15.0  # [inch^2]
_NARROWEST, _WIDEST, _HIGHEST = 1.6, 7.0, 7.5  # [inch] of a map
_LEAST_BAR = 1.6  # [inch]
_BESIDE, _ABOVE_AND_BELOW = 1.7, 0.75  # [inch] for a colour bar and labels, and for a title
_LINE = 0.2  # [inch] of a title
_LETTERS, _LEAST_LETTERS = 12, 20  # of a title, per inch; at least
_FIGURE_SHAPE = 1.5  # width by height
NETWORK_PAGE, MATRIX_PAGE, SERIES_PAGE = (10.0, 4.8), (6.0, 5.0), (9.0, 3.1)  # [inch]
_STILL: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


class MapSize(NamedTuple):
    """Width and height of a map in a picture [inch], by the shape of the scene."""

    width: float
    height: float

    @property
    def bar_height(self) -> float:
        """Height of its colour bar: at least that of the labels."""
        return max(self.height, _LEAST_BAR)

    @property
    def n_letter(self) -> int:
        """Letters of a line of its title."""
        return int(_LETTERS * (max(self.width, _NARROWEST) + _BESIDE - 0.7))

    @property
    def pitch(self) -> tuple[float, float]:
        """Width and height of a panel, with its colour bar and its labels."""
        return max(self.width, _NARROWEST) + _BESIDE, self.bar_height + _ABOVE_AND_BELOW


def size_of(data: xr.DataArray | xr.Dataset) -> MapSize:
    """Choose the size of a map of so many rows and columns.

    Examples
    --------
    >>> both = [size_of(xr.Dataset(coords={"y": range(n), "x": range(100)})) for n in (100, 10)]
    >>> [(round(size.width, 1), round(size.height, 1)) for size in both]
    [(3.9, 3.9), (7.0, 0.7)]
    """
    (left, right), (top, bottom) = edges(data, "x"), edges(data, "y")
    ratio = abs((bottom - top) / (right - left)) * stretch(data)
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
    pitch = size_of(data).pitch
    n_column = min(range(1, n_map + 1), key=lambda n: _ugliness(n, n_map, pitch))
    n_row = -(-n_map // n_column)
    figure = Figure(figsize=(n_column * pitch[0], n_row * pitch[1] + 2 * _LINE), layout="constrained")
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


def panels_in_rows(n_panel: int, size: tuple[float, float], n_column: int = 3) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels of one size [inch] in rows of some."""
    n_column = min(n_column, n_panel)
    n_row = -(-n_panel // n_column)
    figure = Figure(figsize=(size[0] * n_column, size[1] * n_row), layout="constrained")
    panels = list(figure.subplots(n_row, n_column, squeeze=False).flat)
    for panel in panels[n_panel:]:
        panel.remove()
    return figure, panels[:n_panel]


def axes_for(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Give the axes to draw into: those of the caller, or else those of a new figure of pyplot.

    Parameters
    ----------
    ax
        Axes of the caller.
    size
        Width and height of a new figure [inch].
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # noqa: PLC0415 - chooses a backend, which only a new figure needs

    panel: Axes = plt.figure(figsize=size, layout="constrained").subplots()
    panel.set_prop_cycle(color=CATEGORIES)
    return panel


def letters_of(panel: Axes) -> int:
    """Return the letters of a line of the title of axes that somebody else made."""
    width = panel.get_position().width * panel.figure.get_figure(root=True).get_figwidth()
    return max(_LEAST_LETTERS, int(_LETTERS * width))


def map_page(data: xr.DataArray, n_line: int) -> tuple[float, float]:
    """Choose the size of a page with one map, whose title has some lines [inch]."""
    width, height = size_of(data).pitch
    return width, height + _LINE * n_line


def format_dates(panel: Axes) -> None:
    """Label the horizontal axis with dates, as concisely as possible."""
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_formatter(formatter)


def save(figure: Figure, path: Path, dpi: float = EVERYTHING.dpi) -> None:
    """Write a figure in the format that the name ends with."""
    content = rendered(figure, path.suffix[1:], dpi)
    with failures_explained(path.parent, REMEDY), staged_files([path]) as (part,):
        part.write_bytes(content)


def rendered(figure: Figure, form: str, dpi: float = EVERYTHING.dpi) -> bytes:
    """Draw a figure without a display, as the bytes of a file of some format; the same ones each time."""
    buffer = BytesIO()
    with rc_context({"svg.hashsalt": "fringefleet"}):
        figure.savefig(
            buffer, format=form, dpi=dpi, bbox_inches="tight", pad_inches=0.15, metadata=_STILL.get(form)
        )
    return buffer.getvalue()
