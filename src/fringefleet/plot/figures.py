"""Whole pages of pictures of a result: its maps, distributions, time series and errors; light on memory."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from fringefleet.choices import LengthUnit
from fringefleet.io.writers.expressions import PixelRule
from fringefleet.plot.canvas import (
    MATRIX_PAGE,
    NETWORK_PAGE,
    SERIES_PAGE,
    map_page,
    map_panels,
    panels_in_rows,
    size_of,
)
from fringefleet.plot.colours import BARS, CATEGORIES, WARNING
from fringefleet.plot.ground import add_scale_bar, mark_pixel, mark_reference
from fringefleet.plot.histogram_axes import draw_histogram
from fringefleet.plot.map_axes import draw_map, draw_whole_map, title_lines
from fringefleet.plot.matrix_axes import matrix
from fringefleet.plot.network_axes import network
from fringefleet.plot.options import PictureChoice
from fringefleet.plot.pair_values import Pairs
from fringefleet.plot.series_axes import (
    RESIDUAL,
    draw_series,
    matched,
    quality_of,
    representative_pixels,
)
from fringefleet.plot.shown import ShownMap, about_words, kept, shown_map, thin
from fringefleet.products.appearance import Appearance, colour_limits
from fringefleet.products.registry import all_variables, is_variable, variable_named
from fringefleet.products.units import UnitChange, conversion

STRIP_BYTES = 24 * 1024**2  # of one array, read for the error map

_ALWAYS = ("displacement", "pair_count")  # in every result


def drawn_names(result: xr.Dataset) -> list[str]:
    """Name the variables of a result that are drawn if nothing is chosen; displacement and quality first."""
    known = all_variables()
    ours = [*(name for name in known if name in result)]
    ours += [str(name) for name in result if name not in known and is_variable(str(name))]
    styled = [name for name in ours if variable_named(name).style is not None]
    if "displacement" not in styled:
        return styled
    first = [name for name in (*_ALWAYS, quality_of(result)) if name in styled]
    return [*first, *(name for name in styled if name not in (*first, RESIDUAL))]


def maps_figure(
    result: xr.Dataset,
    *,
    date: str | None = None,
    unit: LengthUnit | None = None,
    rule: PixelRule | None = None,
) -> Figure:
    """Draw all maps of a result that are worth it, and the status where there is one.

    Parameters
    ----------
    result
        As ``invert`` or ``velocity`` return it; may be lazy.
    date, unit
        As of :func:`fringefleet.plot.map`; a unit counts for what is a length.
    rule
        Pixels to show; None: all.
    """
    names = [*drawn_names(result), *(["status"] if "status" in result else [])]
    shown = [
        shown_map(result, _choice_of(result, name, date, unit), None if name == "status" else rule)
        for name in names
    ]
    over = shown[-1].when  # all dates
    figure, panels = map_panels(result, len(shown))
    for panel, each in zip(panels, shown, strict=True):
        about = [each.when] if each.when != over else []
        draw_map(panel, each, "\n".join(title_lines(each, size_of(result).n_letter, about)))
        mark_reference(panel, result)
    add_scale_bar(panels[0], shown[0].data)
    figure.suptitle(", ".join(about_words(result, over)), x=0.01, ha="left", fontsize=11)
    return figure


def _choice_of(result: xr.Dataset, name: str, date: str | None, unit: LengthUnit | None) -> PictureChoice:
    """Give date and unit to the variables that have them."""
    is_length = conversion(str(result[name].attrs.get("units", "")), unit) is not None
    has_dates = "date" in result[name].dims
    return PictureChoice(name, date if has_dates else None, unit=unit if is_length else None)


def map_figure(
    result: xr.Dataset,
    shown: ShownMap,
    limits: tuple[float, float] | None = None,
    pixel: tuple[int, int] | None = None,
) -> Figure:
    """Draw one map on a page of its shape, with a pixel marked."""
    lines = title_lines(shown, size_of(shown.data).n_letter, about_words(result, shown.when))
    figure = Figure(figsize=map_page(shown.data, len(lines) - 1), layout="constrained")
    panel = figure.subplots()
    draw_whole_map(panel, result, shown, lines, limits)
    if pixel is not None:
        mark_pixel(panel, result, pixel, CATEGORIES[1])
    return figure


def histograms_figure(
    result: xr.Dataset,
    *,
    date: str | None = None,
    unit: LengthUnit | None = None,
    rule: PixelRule | None = None,
) -> Figure:
    """Draw how the values of the maps of a result are distributed, for the maps of :func:`maps_figure`."""
    names = drawn_names(result)
    figure, panels = panels_in_rows(len(names), (3.8, 2.6))
    for panel, name in zip(panels, names, strict=True):
        draw_histogram(panel, shown_map(result, _choice_of(result, name, date, unit), rule))
    return figure


def series_figure(
    result: xr.Dataset,
    truth: xr.DataArray | None = None,
    *,
    unit: LengthUnit | None = None,
    pixels: dict[str, tuple[int, int]] | None = None,
    rule: PixelRule | None = None,
) -> Figure:
    """Draw the displacement of a few pixels, with the truth as a line where known.

    Parameters
    ----------
    result, truth, unit
        As of :func:`fringefleet.plot.series`.
    pixels
        Rows and columns, by what is said of them; None: representative ones.
    rule
        Pixels among which they are chosen; None: all.
    """
    chosen = representative_pixels(result, rule) if pixels is None else pixels
    height = 1.0 + 2.1 * len(chosen)
    figure = Figure(figsize=(SERIES_PAGE[0], height), layout="constrained")
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    for number, (panel, (name, pixel)) in enumerate(zip(panels, chosen.items(), strict=True)):
        panel.set_prop_cycle(color=CATEGORIES[number:])
        draw_series(panel, result, pixel, truth, unit)
        if name:
            panel.set_title(f"{name}: {panel.get_title(loc='left')}", loc="left", fontsize=10)
    return figure


def error_figure(result: xr.Dataset, truth: xr.DataArray, rule: PixelRule | None = None) -> Figure:
    """Draw the difference between a result and the truth: a map of the RMS over dates, and its histogram.

    For the parameters see :func:`series_figure`.
    """
    error = rms_error(result, truth, rule)
    values = error.values[np.isfinite(error.values)]
    look = Appearance("RMS error over all dates", UnitChange("mm", 1.0), "magma_r", "from 0")
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    limits = colour_limits(values, look.limits)
    draw_map(left, ShownMap(error, look, ""), look.label, limits)
    add_scale_bar(left, error)
    mark_reference(left, result)
    right.hist(values, bins=80, range=limits, color=BARS)
    right.set(xlim=limits, xlabel="RMS error [mm]", ylabel="Pixels")
    right.set_title("Distribution", loc="left", fontsize=11)
    if values.size:
        middle, high = np.percentile(values, [50, 95])
        right.axvline(middle, color=WARNING, lw=1.5, label=f"median {middle:.2f} mm")
        right.axvline(high, color=WARNING, lw=1.5, ls=":", label=f"95 % below {high:.2f} mm")
        right.legend(frameon=False)
    return figure


def rms_error(result: xr.Dataset, truth: xr.DataArray, rule: PixelRule | None = None) -> xr.DataArray:
    """Compute the root mean square over the dates [mm], read in strips of rows."""
    maps = thin(result[sorted({"displacement", *(() if rule is None else rule.names)})])
    sizes = maps["displacement"].sizes
    rows = max(1, STRIP_BYTES // (4 * sizes["date"] * sizes["x"]))
    parts, keeps = [], []
    for top in range(0, sizes["y"], rows):
        strip = maps.isel(y=slice(top, top + rows)).load()
        error = strip["displacement"] - matched(truth, strip["displacement"], result).load()
        parts.append(1000 * (error**2).mean("date", skipna=False) ** 0.5)
        keeps.append(strip.drop_dims("date"))
    return kept(xr.concat(parts, "y"), xr.concat(keeps, "y"), rule)


def network_figure(source: Pairs) -> Figure:
    """Draw a network on a page of its own; see :func:`fringefleet.plot.network`."""
    figure = Figure(figsize=NETWORK_PAGE, layout="constrained")
    network(source, ax=figure.subplots())
    return figure


def matrix_figure(source: Pairs) -> Figure:
    """Draw the matrix of the pairs on a page of its own; see :func:`fringefleet.plot.matrix`."""
    figure = Figure(figsize=MATRIX_PAGE, layout="constrained")
    matrix(source, ax=figure.subplots())
    return figure
