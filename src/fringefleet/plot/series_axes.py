"""Time series of a pixel, with its standard deviation, and the truth where it is known."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from fringefleet.arguments.calls import checked_call
from fringefleet.choices import LengthUnit
from fringefleet.errors import InputError, OptionError
from fringefleet.io.store.result_kind import check_series
from fringefleet.io.writers.expressions import PixelRule
from fringefleet.io.writers.selected import rule_of
from fringefleet.option_words import option
from fringefleet.plot.canvas import SERIES_PAGE, axes_for, format_dates
from fringefleet.plot.ground import edges
from fringefleet.plot.options import PictureChoice
from fringefleet.plot.shown import PictureSource, chosen_pixel, dataset_of, kept, place_words, steps_of, thin
from fringefleet.products.appearance import appearance_of

COHERENCE, RESIDUAL = "temporal_coherence", "residual_rms"  # quality of phases; of offsets
_LABEL = 22  # letters of a line
_SERIES = "series of a pixel"  # mark of its points
_MARGIN = np.timedelta64(10, "D")


@checked_call
def series(
    source: PictureSource,
    *,
    yx: tuple[int, int] | None = None,
    lalo: tuple[float, float] | None = None,
    truth: xr.DataArray | None = None,
    unit: LengthUnit | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the displacement of a pixel over time.

    Dates whose increment is gap-filled, not observed, are hollow; bars are one standard deviation, where the
    result has it. Drawn into the same axes again, pixels have colours that are told apart, and a legend.

    Parameters
    ----------
    source
        Result of an inversion, or the path of its store.
    yx
        Row and column of the pixel, counted from 0.
    lalo
        Latitude and longitude of the pixel, in degrees on WGS 84; without both, the largest motion away from
        the satellite among the better half of the pixels.
    truth
        Displacement [m] on the dates and pixels of the result, drawn as a line; it is referenced to the
        reference point and date of the result.
    unit
        Unit of the picture; None: cm.
    ax
        Axes to draw into; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the series.

    Raises
    ------
    OptionError
        Both ``yx`` and ``lalo`` are given, or outside of the scene.
    InputError
        No pixel has an estimate, and none is given.

    Examples
    --------
    >>> panel = series("result.zarr", yx=(3, 4), unit="mm")
    >>> panel.get_ylabel()
    'Line-of-sight\ndisplacement [mm]'
    """
    choice = PictureChoice(lalo=lalo, yx=yx, unit=unit)
    result = dataset_of(source)
    check_series(result, "a picture of a time series")
    pixel = chosen_pixel(result, choice)
    if pixel is None:
        pixel = next(iter(representative_pixels(result, rule_of(result, None)).values()))
    panel = axes_for(ax, SERIES_PAGE)
    draw_series(panel, result, pixel, truth, unit)
    return panel


def draw_series(
    panel: Axes,
    result: xr.Dataset,
    pixel: tuple[int, int],
    truth: xr.DataArray | None = None,
    unit: LengthUnit | None = None,
) -> None:
    """Draw the series of a pixel; for the parameters see :func:`series`."""
    data = result["displacement"].isel(y=pixel[0], x=pixel[1]).load()
    look = appearance_of("displacement", data.attrs, data.dtype.kind, unit)
    label = textwrap.fill(look.label, _LABEL)
    before = [line for line in panel.lines if line.get_gid() == _SERIES]
    if before and panel.get_ylabel() != label:
        found = " ".join(panel.get_ylabel().split())
        raise OptionError(
            f"found axes with {found}, and a series of {look.label} to add; give both the same "
            f"{option('unit')}."
        )
    if truth is not None:
        known = look.conversion.factor * matched(truth, data, result).load()
        panel.plot(known["date"], known, color="0.25", lw=1.2, label="truth", zorder=1)
    _draw_points(panel, result, pixel, look.conversion.factor)
    panel.set_ylabel(label)
    if not before:
        panel.set_title(", ".join(_about(result, pixel)), loc="left", fontsize=10)
        panel.axhline(0, color="0.8", lw=0.8, zorder=0)
    elif panel.get_title(loc="left").endswith(str(before[0].get_label())):
        panel.set_title("", loc="left")  # which is of one pixel
    handles, labels = panel.get_legend_handles_labels()
    if len(labels) > 1:
        entries = dict(zip(labels, handles, strict=True))  # the truth once
        panel.legend(entries.values(), entries, loc="best", frameon=False, fontsize=9)
    format_dates(panel)


def _draw_points(panel: Axes, result: xr.Dataset, pixel: tuple[int, int], scale: float) -> None:
    """Draw the points of a series, multiplied by a factor; hollow where gap-filled, with error bars."""
    at = dict(zip(("y", "x"), pixel, strict=True))
    dates, values = result["date"].values, scale * result["displacement"].isel(at).values
    filled = (
        result["gap_filled"].isel(at).values == 1 if "gap_filled" in result else np.zeros(len(dates), bool)
    )
    (points,) = panel.plot(dates, np.where(filled, np.nan, values), "o", ms=5, mew=0.6, zorder=2, gid=_SERIES)
    points.set_label(f"row {pixel[0]}, column {pixel[1]}")
    points.set_markeredgecolor("white")
    colour = points.get_color()
    if filled.any():
        (hollow,) = panel.plot(dates[filled], values[filled], "o", color=colour, ms=5, mfc="white", zorder=2)
        hollow.set_label("gap-filled")
    if "displacement_std" in result:
        spread = scale * result["displacement_std"].isel(at).values
        panel.errorbar(dates, values, spread, fmt="none", ecolor=colour, elinewidth=0.8, zorder=1.5)
    if not np.isfinite(values).any():
        panel.set_xlim(dates[0] - _MARGIN, dates[-1] + _MARGIN)


def _about(result: xr.Dataset, pixel: tuple[int, int]) -> list[str]:
    """Describe where a pixel is, and how good."""
    place = place_words(result, pixel)
    found = [] if place.startswith("row") else [place]
    quality = quality_of(result)
    if quality in result:
        value = float(result[quality].isel(y=pixel[0], x=pixel[1]))
        is_known = np.isfinite(value)
        found.append(f"{quality.replace('_', ' ')} {value:.2f}" if is_known else "no estimate")
    return [*found, f"row {pixel[0]}, column {pixel[1]}"]


def quality_of(result: xr.Dataset) -> str:
    """Return the name of the map of a pixel's quality of fit."""
    return COHERENCE if COHERENCE in result else RESIDUAL


def representative_pixels(result: xr.Dataset, rule: PixelRule | None = None) -> dict[str, tuple[int, int]]:
    """Find representative pixels: the largest motions, usual and poor quality.

    Raises
    ------
    InputError
        No pixel has an estimate.
    """
    steps = steps_of(result)
    of_rule = () if rule is None else rule.names
    wanted = {name for name in ("displacement", quality_of(result), *of_rule) if name in result}
    maps = thin(result[sorted(wanted)]).isel(date=-1).load()
    motion = kept(maps["displacement"], maps, rule).values
    kind = "coherence"
    quality = maps[quality_of(result)].values if quality_of(result) in maps else np.ones_like(motion)
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
    places = {name: np.unravel_index(np.argmin(score), score.shape) for name, score in scores.items()}
    return {name: (int(row) * steps["y"], int(column) * steps["x"]) for name, (row, column) in places.items()}


def matched(truth: xr.DataArray, wanted: xr.DataArray, result: xr.Dataset) -> xr.DataArray:
    """Return the truth on the dates and pixels of a part of the result, with the result's reference.

    Raises
    ------
    InputError
        It lacks some of them.
    """
    reach = max(np.ptp(edges(truth, dim)) / truth.sizes[dim] for dim in "yx")  # a pixel
    try:
        here = truth.sel(y=wanted["y"].values, x=wanted["x"].values, method="nearest", tolerance=reach)
        here = here.assign_coords(y=wanted["y"], x=wanted["x"])
        if "reference_point_y" in result.attrs:
            place = {axis: result.attrs[f"reference_point_{axis}"] for axis in ("y", "x")}
            at_reference = truth.sel(place, method="nearest", tolerance=reach).drop_vars(["y", "x"])
            here = here - at_reference
        known = here.sel(date=wanted["date"].values)
        return (
            known - here.sel(date=result.attrs["reference_date"])
            if "reference_date" in result.attrs
            else known
        )
    except KeyError as error:
        raise InputError(
            f"found a truth that lacks pixels or dates of the result, or its reference ({error.args[0]}). "
            "Give the truth of the same scene."
        ) from error
