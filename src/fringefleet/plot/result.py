"""Pictures of a result, alone or against the truth."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from fringefleet.errors import InputError
from fringefleet.io.store.stored_mask import MASK, where_kept
from fringefleet.plot.canvas import (
    MAX_PIXELS,
    draw_map,
    format_dates,
    map_panels,
    mark_reference,
    save,
    thin,
)
from fringefleet.products.base import MapStyle
from fringefleet.products.colour_limits import LIMITS, robust
from fringefleet.products.registry import all_variables, is_variable, variable_named
from fringefleet.status import Status

STRIP_BYTES = 24 * 1024**2  # of one array, read for the error map
CENTIMETRES = 100.0  # per metre
STATUS_COLOURS = (
    *("#4c9f70", "#f2b134", "#9aa0a6", "#3f5e8c", "#c8553d"),
    *("#111111", "#b58a3c", "#7a4f9a", "#e07bb0", "#f4f4f4"),
)
_PIXEL_COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#7b3294")


_ALWAYS = ("displacement", "pair_count")  # in every result; and one of these two:
COHERENCE, RESIDUAL = "temporal_coherence", "residual_rms"  # of phases; of offsets


def plot_maps(result: xr.Dataset, path: Path) -> None:
    """Draw the maps of a result: displacement, quality, pairs used, status, and optional products.

    Parameters
    ----------
    result
        As ``invert`` returns it; may be lazy. Standard deviation, closure and DEM error are drawn if
        present.
    path
        PNG file to write.
    """
    always = [*_ALWAYS, _quality(result)]
    styles = styles_in(result)
    names = [*always, *(name for name in styles if name not in (*always, RESIDUAL))]
    maps = thin(result[[*names, "status", *_mask_in(result)]]).isel(date=-1).load()
    last = str(np.datetime_as_string(maps["date"].values, unit="D"))
    figure, panels = map_panels(maps, len(names) + 1)
    for panel, name in zip(panels, names, strict=False):
        shown = where_kept(maps[name].where(maps["pair_count"] > 0), maps)
        _draw(panel, shown, styles[name], last)
    _draw_status(panels[-1], maps["status"])
    for panel in panels:
        mark_reference(panel, result)
    save(figure, path)


def plot_velocity(maps: xr.Dataset, path: Path) -> None:
    """Draw the maps that functions of time gave.

    Parameters
    ----------
    maps
        As ``velocity`` returns them; may be lazy.
    path
        PNG file to write.
    """
    styles = styles_in(maps)
    shown = thin(maps[[*styles, *_mask_in(maps)]]).load()
    figure, panels = map_panels(shown, len(styles))
    for panel, (name, style) in zip(panels, styles.items(), strict=True):
        _draw(panel, where_kept(shown[name], shown), style, "")
        mark_reference(panel, maps)
    save(figure, path)


def styles_in(result: xr.Dataset) -> dict[str, MapStyle]:
    """Return how the variables of a result are drawn as maps, by name, if they are."""
    known = all_variables()
    names = [
        *(name for name in known if name in result),
        *(str(name) for name in result if name not in known),
    ]
    variables = ((name, variable_named(name)) for name in names if is_variable(name))
    return {name: variable.style for name, variable in variables if variable.style is not None}


def _draw(panel: Axes, values: xr.DataArray, style: MapStyle, last: str) -> None:
    data = style.scale * values
    limits = LIMITS[style.limits](data.values)
    draw_map(panel, data, style.title.format(last), style.unit, cmap=style.colours, **limits)


def plot_histograms(result: xr.Dataset, path: Path) -> None:
    """Draw how the values of the maps of a result are distributed, of pixels that have an estimate.

    For the parameters see :func:`plot_maps`.
    """
    styles = styles_in(result)
    if _quality(result) == COHERENCE:
        styles.pop(RESIDUAL, None)
    maps = thin(result[[*styles, *_mask_in(result)]])
    maps = (maps.isel(date=-1) if "date" in maps.dims else maps).load()
    n_column = min(3, len(styles))
    n_row = -(-len(styles) // n_column)
    figure = Figure(figsize=(3.6 * n_column, 2.6 * n_row), layout="constrained")
    panels = list(figure.subplots(n_row, n_column, squeeze=False).flat)
    for panel, (name, style) in zip(panels, styles.items(), strict=False):
        values = style.scale * where_kept(maps[name], maps).values
        values = values[np.isfinite(values)]
        is_count = maps[name].dtype.kind in "iu" and values.size > 0
        bins = np.arange(values.min() - 0.5, values.max() + 1) if is_count else 60
        panel.hist(values, bins=bins, color="#3f5e8c")
        last = str(np.datetime_as_string(maps["date"].values, unit="D")) if "date" in maps.coords else ""
        panel.set_title(style.title.format(last), loc="left", fontsize=10)
        panel.set(xlabel=f"[{style.unit}]" if style.unit else "", ylabel="Pixels")
    for panel in panels[len(styles) :]:
        panel.remove()
    save(figure, path)


def plot_series(result: xr.Dataset, truth: xr.DataArray | None, path: Path) -> None:
    """Draw the displacement of a few representative pixels, with the truth as a line where known.

    Parameters
    ----------
    truth
        Displacement [m] on the dates and pixels of the result; it is referenced to the result's reference.
    """
    chosen = _representative_pixels(result)
    figure = Figure(figsize=(9, 1.0 + 2.1 * len(chosen)), layout="constrained")
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    for panel, colour, (name, pixel) in zip(panels, _PIXEL_COLOURS, chosen.items(), strict=False):
        series = result["displacement"].isel(pixel).load()
        if truth is not None:
            known = CENTIMETRES * _match(truth, series, result).load()
            panel.plot(known["date"], known, color="0.25", lw=1.2, label="truth", zorder=1)
        dates, values = series["date"].values, CENTIMETRES * series.values
        if "displacement_std" in result:
            spread = CENTIMETRES * result["displacement_std"].isel(pixel).values
            panel.errorbar(dates, values, spread, fmt="none", ecolor=colour, elinewidth=0.8, zorder=1.5)
        style = {"mfc": colour, "mec": "white", "mew": 0.6, "zorder": 2}
        panel.plot(dates, values, "o", ms=5, label="inverted", **style)
        quality = _quality(result)
        value = float(result[quality].isel(pixel))
        panel.set_title(
            f"{name}: row {pixel['y']}, column {pixel['x']}, {quality.replace('_', ' ')} {value:.2f}",
            loc="left",
            fontsize=10,
        )
        panel.set_ylabel("Displacement [cm]")
        panel.axhline(0, color="0.8", lw=0.8, zorder=0)
        panel.legend(loc="best", frameon=False, fontsize=9)
    format_dates(panels[-1])
    save(figure, path)


def plot_error(result: xr.Dataset, truth: xr.DataArray, path: Path) -> None:
    """Draw the difference between a result and the truth: a map of the RMS over dates, and its histogram.

    For the parameters see :func:`plot_series`.
    """
    error = _rms_error(result, truth)
    values = error.values[np.isfinite(error.values)]
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    limits = {"vmin": 0, "vmax": robust(values)["vmax"]}
    draw_map(left, error, "RMS error over all dates", "mm", cmap="magma_r", **limits)
    mark_reference(left, result)
    right.hist(values, bins=80, range=(0, limits["vmax"]), color="#3f5e8c")
    right.set(xlim=(0, limits["vmax"]), xlabel="RMS error [mm]", ylabel="Pixels")
    right.set_title("Distribution", loc="left", fontsize=11)
    if values.size:
        middle, high = np.percentile(values, [50, 95])
        right.axvline(middle, color="#c8553d", lw=1.5, label=f"median {middle:.2f} mm")
        right.axvline(high, color="#c8553d", lw=1.5, ls=":", label=f"95 % below {high:.2f} mm")
        right.legend(frameon=False)
    save(figure, path)


def _quality(result: xr.Dataset) -> str:
    """Return the name of the map of a pixel's quality of fit."""
    return COHERENCE if COHERENCE in result else RESIDUAL


def _draw_status(panel: Axes, status: xr.DataArray) -> None:
    colours = ListedColormap(STATUS_COLOURS[: len(Status)])
    norm = BoundaryNorm(np.arange(len(Status) + 1) - 0.5, len(Status))
    bar = draw_map(panel, status, "Status", "", cmap=colours, norm=norm, interpolation="nearest")
    shares = [100 * float((status == code).mean()) for code in Status]
    labels = [f"{status.words} {share:.1f} %" for status, share in zip(Status, shares, strict=True)]
    bar.set_ticks(range(len(Status)), labels=labels, fontsize=7)
    bar.minorticks_off()
    bar.ax.tick_params(length=0)


def _mask_in(result: xr.Dataset) -> list[str]:
    """Name the mask of a result, if it has one."""
    return [MASK] if MASK in result else []


def _representative_pixels(result: xr.Dataset) -> dict[str, dict[str, int]]:
    """Find representative pixels, as indices by dimension: the largest motions, usual and poor quality."""
    maps = thin(result[["displacement", _quality(result), *_mask_in(result)]]).isel(date=-1).load()
    steps = [-(-result.sizes[axis] // MAX_PIXELS) for axis in ("y", "x")]
    motion, quality = where_kept(maps["displacement"], maps).values, maps[_quality(result)].values
    kind = "coherence"
    if COHERENCE not in result:
        kind, quality = "residual", -quality  # smaller is better
    answered = np.isfinite(motion) & np.isfinite(quality)
    if not answered.any():
        raise InputError(
            f"found no pixel with an estimate among {motion.size}; a plot of time series needs one. "
            "Check the status of the result for the reason."
        )
    poor, usual = np.percentile(quality[answered], [2, 50])
    trusted = answered & (quality >= usual)
    scores = {
        "Largest motion away from satellite": np.where(trusted, motion, np.inf),
        "Largest motion towards satellite": np.where(trusted, -motion, np.inf),
        f"Median {kind}": np.where(answered, np.abs(quality - usual), np.inf),
        f"Poor {kind}": np.where(answered, np.abs(quality - poor), np.inf),
    }
    chosen = {}
    for name, score in scores.items():
        row, column = np.unravel_index(np.argmin(score), score.shape)
        chosen[name] = {"y": int(row) * steps[0], "x": int(column) * steps[1]}
    return chosen


def _match(truth: xr.DataArray, wanted: xr.DataArray, result: xr.Dataset) -> xr.DataArray:
    """Return the truth on the dates and pixels of a part of the result, with the result's reference."""
    known = truth.sel(date=wanted["date"].values)
    known_there = known.sel(y=wanted["y"].values, x=wanted["x"].values, method="nearest")
    known_there = known_there.assign_coords(y=wanted["y"], x=wanted["x"])
    if "reference_point_y" in result.attrs:
        place = {axis: result.attrs[f"reference_point_{axis}"] for axis in ("y", "x")}
        known_there = known_there - known.sel(place, method="nearest").drop_vars(["y", "x"])
    if "reference_date" in result.attrs:
        known_there = known_there - known_there.sel(date=result.attrs["reference_date"])
    return known_there


def _rms_error(result: xr.Dataset, truth: xr.DataArray) -> xr.DataArray:
    """Compute the root mean square over the dates [mm], read in strips of rows."""
    maps = thin(result[["displacement", *_mask_in(result)]])
    estimate = maps["displacement"]
    rows = max(1, STRIP_BYTES // (4 * estimate.sizes["date"] * estimate.sizes["x"]))
    parts = []
    for top in range(0, estimate.sizes["y"], rows):
        strip = estimate.isel(y=slice(top, top + rows)).load()
        error = where_kept(strip - _match(truth, strip, result), maps.isel(y=slice(top, top + rows))).load()
        parts.append(1000 * (error**2).mean("date", skipna=False) ** 0.5)
    return xr.concat(parts, "y")
