"""Maps: one variable of a result, in its colours, with a colour bar, a scale bar and the reference point."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fringefleet.arguments.calls import checked_call
from fringefleet.choices import LengthUnit
from fringefleet.errors import OptionError
from fringefleet.option_words import option
from fringefleet.plot.canvas import axes_for, letters_of, map_page, size_of
from fringefleet.plot.colours import CATEGORIES, NO_DATA, STATUS_COLOURS
from fringefleet.plot.ground import add_scale_bar, edges, is_on_ground, label_axes, mark_reference, stretch
from fringefleet.plot.options import PictureChoice, date_text
from fringefleet.plot.shown import (
    PictureDate,
    PictureSource,
    ShownMap,
    about_words,
    dataset_of,
    rule_for,
    shown_map,
)
from fringefleet.products.appearance import Appearance, colour_limits
from fringefleet.status import Status

_ARROW = 0.05  # of the length of a colour bar
_MOST_STEPS = 12  # of a colour bar of whole numbers that has a colour for each


@checked_call
def map(  # noqa: A001, PLR0913 - plot.map; what people choose in a picture
    source: PictureSource,
    variable: str | None = None,
    *,
    date: PictureDate | None = None,
    unit: LengthUnit | None = None,
    vlim: tuple[float, float] | None = None,
    mask: str | bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of a result.

    The title states the unit, the dates and the reference point. Motion in the line of sight is blue
    towards the satellite (uplift) and red away from it (subsidence). Pixels without data are grey. The
    colour bar ends in arrows where values lie beyond it; of codes, such as the status, it has those that
    occur.

    Parameters
    ----------
    source
        Result of an inversion, or maps of velocity; a single variable; or the path of a store. Lazy ones are
        read at 1000 pixels a side, at most.
    variable
        Name of a variable; None: the velocity, if there is one, or else the displacement; with a date, what
        has dates.
    date
        Date of a variable that has dates; None: the last one.
    unit
        Unit of lengths in the picture; None: cm of displacement, mm of its standard deviation and mm/year.
    vlim
        Values of the first and the last colour, in the unit of the picture; None: without few outliers.
    mask
        Pixels to show, as an expression such as ``"temporal_coherence > 0.7"``; None: the mask that is stored
        in the result, if it has one; False: all.
    ax
        Axes to draw into; None makes a figure whose shape is that of the scene.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the map.

    Raises
    ------
    OptionError
        There is no such variable or date, or another argument cannot be used.

    Examples
    --------
    >>> panel = map("result.zarr", "displacement", unit="mm")
    >>> panel.get_title(loc="left").splitlines()[0]
    'Line-of-sight displacement [mm]'
    """
    choice = PictureChoice(variable, date_text(date), vlim=vlim, mask=mask, unit=unit)
    result = dataset_of(source)
    shown = shown_map(result, choice, rule_for(result, choice))
    n_letter = size_of(shown.data).n_letter if ax is None else letters_of(ax)
    lines = title_lines(shown, n_letter, about_words(result, shown.when))
    panel = axes_for(ax, map_page(shown.data, len(lines) - 1))
    draw_whole_map(panel, result, shown, lines, choice.vlim, is_framed=ax is None)
    return panel


def draw_whole_map(
    panel: Axes,
    result: xr.Dataset,
    shown: ShownMap,
    lines: Sequence[str],
    limits: tuple[float, float] | None,
    *,
    is_framed: bool = True,
) -> None:
    """Draw a map as :func:`draw_map`, and its scale bar and reference point."""
    draw_map(panel, shown, "\n".join(lines), limits, is_framed=is_framed)
    add_scale_bar(panel, shown.data)
    mark_reference(panel, result)


def title_lines(shown: ShownMap, n_letter: int, about: Sequence[str] = ()) -> list[str]:
    """Break the title of a map, and what else is to be said of it, into lines of some letters."""
    joined = ", ".join(about)
    texts = [shown.look.label, *([joined] if len(joined) <= n_letter else about)]
    return [line for text in texts for line in textwrap.wrap(text, n_letter)]


def draw_map(
    panel: Axes,
    shown: ShownMap,
    title: str,
    limits: tuple[float, float] | None = None,
    *,
    is_framed: bool = True,
) -> Colorbar:
    """Draw a map with its colour bar.

    Parameters
    ----------
    panel
        Axes.
    shown
        The map.
    title
        Lines of text above it.
    limits
        Values of the first and the last colour; None: by the rule of the variable.
    is_framed
        Whether the panel has room beside it for the colour bar, as those of :mod:`fringefleet.plot.canvas`
        have; else a layout engine makes room, or, without one, the bar takes its room from the panel.
    """
    data, look = shown.data, shown.look
    size = size_of(data)
    codes = _codes(data) if look.classes else np.empty(0)
    values = np.searchsorted(codes, data.values).astype(float) if look.classes else data.values
    colours, norm = _colours(data.values, codes, look, limits)
    panel.set_facecolor(NO_DATA)
    (left, right), (top, bottom) = edges(data, "x"), edges(data, "y")
    is_exact = look.is_count or bool(look.classes)
    image = panel.imshow(
        np.where(np.isfinite(data.values), values, np.nan),
        extent=(left, right, bottom, top),
        origin="upper",
        cmap=colours,
        norm=norm,
        interpolation="nearest" if is_exact else None,
    )
    if is_on_ground(data):  # north is up, however rows are stored
        panel.set(xlim=sorted((left, right)), ylim=sorted((bottom, top)))
    panel.set_aspect(stretch(data))
    label_axes(panel, data, size)
    panel.set_title(title, loc="left", fontsize=10)
    below = (1 - size.bar_height / size.height) / 2
    place = 1 + 0.1 / size.width, below, 0.16 / size.width, size.bar_height / size.height
    room: dict[str, Any] = {"ax": panel}
    if is_framed or panel.figure.get_figure(root=True).get_layout_engine() is not None:
        panel.set_anchor("W")
        room = {"cax": panel.inset_axes(place)}
    arrows = _arrows(data.values, norm, look)
    bar: Colorbar = panel.figure.colorbar(image, extend=arrows, extendfrac=_ARROW, **room)
    bar.ax.tick_params(labelsize=8)
    _label_bar(bar, data.values, codes, look)
    return bar


def _codes(data: xr.DataArray) -> NDArray[np.float64]:
    return np.unique(data.values[np.isfinite(data.values)])


def _colours(
    values: NDArray[Any], codes: NDArray[Any], look: Appearance, limits: tuple[float, float] | None
) -> tuple[Colormap, Normalize]:
    """Choose the colours of a map: of classes that occur, of whole numbers, or of a scale."""
    if look.classes and limits is not None:
        raise OptionError(
            f"found {option('vlim', limits)} for {look.title}, whose values are codes. Leave it out."
        )
    if look.classes:
        colours = ListedColormap([class_colour(int(code), look) for code in codes] or [NO_DATA])
        return colours, BoundaryNorm(np.arange(max(1, len(codes)) + 1) - 0.5, max(1, len(codes)))
    low, high = limits or colour_limits(values, look.limits)
    if look.is_count and limits is None and np.isfinite(values).any():
        high = min(high, float(np.nanmax(values)))
    if look.is_count and round(high) - round(low) < _MOST_STEPS:
        steps = np.arange(round(low), round(high) + 1)
        shades = colormaps[look.colours](np.linspace(0, 1, len(steps)))
        return ListedColormap(shades), BoundaryNorm(np.append(steps, steps[-1] + 1) - 0.5, len(steps))
    return colormaps[look.colours], Normalize(low, high)


def class_colour(code: int, look: Appearance) -> str:
    """Give the colour of a class: of a status its own, of others by their place."""
    if set(look.classes.values()) == {status.words for status in Status}:
        return STATUS_COLOURS[Status(code)]
    return CATEGORIES[sorted(look.classes).index(code) % len(CATEGORIES)]


def _arrows(values: NDArray[Any], norm: Normalize, look: Appearance) -> str:
    """Choose which ends of a colour bar are arrows, as values lie beyond them."""
    finite = values[np.isfinite(values)]
    if look.classes or not finite.size:
        return "neither"
    is_below, is_above = finite.min() < norm.vmin, finite.max() > norm.vmax
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get(
        (is_below, is_above), "neither"
    )


def _label_bar(bar: Colorbar, values: NDArray[Any], codes: NDArray[Any], look: Appearance) -> None:
    if look.classes:
        n_pixel = max(1, np.isfinite(values).sum())
        shares = [100 * float((values == code).sum() / n_pixel) for code in codes]
        words = [look.classes.get(int(code), f"{code:g}") for code in codes]
        labels = [f"{word} {share_words(share)}" for word, share in zip(words, shares, strict=True)]
        bar.set_ticks(range(len(codes)), labels=labels, fontsize=7)
        bar.minorticks_off()
        bar.ax.tick_params(length=0)
        return
    if isinstance(bar.norm, BoundaryNorm):
        bar.set_ticks([float(edge) + 0.5 for edge in bar.norm.boundaries[:-1]])
    elif look.is_count:
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    if look.is_count:
        bar.minorticks_off()
    if look.ends is not None:
        away, towards = look.ends
        bar.set_label(f"← {away}  {towards} →", fontsize=7)


def share_words(share: float) -> str:
    """Write a share of the pixels [%]; one that is not 0 does not look like it.

    Examples
    --------
    >>> share_words(12.34), share_words(0.01), share_words(0)
    ('12.3 %', '< 0.1 %', '0.0 %')
    """
    return "< 0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"
