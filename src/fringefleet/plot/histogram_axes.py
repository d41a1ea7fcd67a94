"""Distribution of the values of a map."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fringefleet.arguments.calls import checked_call
from fringefleet.choices import LengthUnit
from fringefleet.plot.canvas import axes_for, letters_of
from fringefleet.plot.colours import BARS
from fringefleet.plot.map_axes import class_colour, share_words
from fringefleet.plot.options import PictureChoice, date_text
from fringefleet.plot.shown import PictureDate, PictureSource, ShownMap, dataset_of, rule_for, shown_map
from fringefleet.products.appearance import colour_limits

_MOST_BARS, _MOST_NAMED = 60, 10
_PAGE = (5.0, 3.4)  # [inch]


@checked_call
def histogram(
    source: PictureSource,
    variable: str | None = None,
    *,
    date: PictureDate | None = None,
    unit: LengthUnit | None = None,
    mask: str | bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the values of a map are distributed, over pixels that have an estimate.

    The range is that of the colours of its map; the title states how many pixels are beyond. Counts have a
    bar for each whole number, or for as many in each; codes, such as the status, one for each that occurs.

    Parameters
    ----------
    source, variable, date, unit, mask
        As of :func:`fringefleet.plot.map`.
    ax
        Axes to draw into; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the histogram.

    Raises
    ------
    OptionError
        As :func:`fringefleet.plot.map`.

    Examples
    --------
    >>> histogram("result.zarr", "temporal_coherence").get_xlabel()
    'Temporal coherence'
    """
    choice = PictureChoice(variable, date_text(date), mask=mask, unit=unit)
    result = dataset_of(source)
    shown = shown_map(result, choice, rule_for(result, choice))
    panel = axes_for(ax, _PAGE)
    draw_histogram(panel, shown)
    return panel


def draw_histogram(panel: Axes, shown: ShownMap) -> None:
    """Draw the distribution of a map as it is shown."""
    values, look = shown.data.values, shown.look
    values = values[np.isfinite(values)]
    if look.classes:
        codes, counts = np.unique(values, return_counts=True)
        names = [look.classes.get(int(code), f"{code:g}") for code in codes]
        colours = [class_colour(int(code), look) for code in codes]
        panel.barh(names, counts, color=colours, edgecolor="0.4", lw=0.5)
        panel.invert_yaxis()
        panel.set_xlabel("Pixels")
        title = ", ".join(text for text in (look.title, shown.when) if text)
        panel.set_title(textwrap.fill(title, letters_of(panel)), loc="left", fontsize=10)
        return
    bins = (_whole_bins(values) if look.is_count else _bins(values, shown)).tolist()
    panel.hist(values, bins=bins, color=BARS)
    beyond = 100 * float(((values < bins[0]) | (values > bins[-1])).mean()) if values.size else 0.0
    panel.set(xlabel=look.label, ylabel="Pixels", xlim=(bins[0], bins[-1]))
    panel.set_title(textwrap.fill(_title(shown, beyond), letters_of(panel)), loc="left", fontsize=10)
    if look.is_count and len(bins) <= _MOST_NAMED:
        panel.set_xticks([int(edge) for edge in np.ceil(bins[:-1])])
    elif look.is_count:
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _whole_bins(values: NDArray[Any]) -> NDArray[np.floating]:
    """Give bars for whole numbers, each in the middle of its bar, or for as many in each."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = -(-(high - low + 1) // _MOST_BARS)
    return np.arange(low, high + width + 1, width) - 0.5


def _bins(values: NDArray[Any], shown: ShownMap) -> NDArray[np.floating]:
    return np.linspace(*colour_limits(values, shown.look.limits), _MOST_BARS + 1)


def _title(shown: ShownMap, beyond: float) -> str:
    parts = [shown.when, f"{share_words(beyond)} of pixels beyond" if beyond else ""]
    return ", ".join(part for part in parts if part)
