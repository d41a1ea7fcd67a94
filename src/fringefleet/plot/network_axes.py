"""Picture of a network: dates, and the pairs between them; bridges are marked."""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.dates import date2num
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fringefleet.arguments.calls import checked_call
from fringefleet.network.connectivity import connectivity
from fringefleet.network.design_matrix import date_baselines
from fringefleet.network.network import Network, date_name
from fringefleet.plot.canvas import NETWORK_PAGE, axes_for, format_dates
from fringefleet.plot.colours import CATEGORIES, UNKNOWN, WARNING
from fringefleet.plot.pair_values import Pairs, PairValues, counts_of, opened_pairs, pair_values


@checked_call
def network(source: Pairs, *, ax: Axes | None = None) -> Axes:
    """Draw the pairs as lines between their dates, over the perpendicular baseline if known.

    A bridge, without which dates are cut off from the others, has a wide line beneath it. If there are
    several connected components, the dates of each have a colour of their own. Pairs without a value are
    grey.

    Parameters
    ----------
    source
        A result with a table of pairs (``diagnose``), which are coloured by their residual, the largest on
        top; a stack, whose pairs are coloured by the coherence in the middle of the scene; the path of one of
        them; or a bare network, whose pairs are arcs coloured by their time span.
    ax
        Axes to draw into; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the network.

    Raises
    ------
    InputError
        The result has no table of pairs.

    Examples
    --------
    >>> network("stack.zarr").get_ylabel()
    'Perpendicular baseline [m]'
    """
    data = opened_pairs(source)
    found = pair_values(data)
    panel = axes_for(ax, NETWORK_PAGE)
    times = date2num(found.network.times)  # type: ignore[no-untyped-call]
    ends = times[found.network.pair_array]
    if isinstance(data, xr.Dataset) and "perpendicular_baseline" in data.coords:
        heights = _heights(found.network, data["perpendicular_baseline"])
        lines = np.stack([ends, heights[found.network.pair_array]], axis=-1)
        panel.set_ylabel("Perpendicular baseline [m]")
    else:
        heights = np.zeros_like(times)
        lines = _arcs(ends)
        panel.set_ylabel("Time span [day]")
    _draw(panel, found, lines, (times, heights))
    format_dates(panel)
    return panel


def _draw(
    panel: Axes,
    found: PairValues,
    lines: NDArray[np.floating],
    places: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> None:
    facts = connectivity(found.network)
    marked = set(facts.bridges)
    bridges = [line for index, line in enumerate(lines) if found.network.pair_name(index) in marked]
    if bridges:
        panel.add_collection(LineCollection(bridges, colors=WARNING, lw=5, alpha=0.6, zorder=1))
    is_known = np.isfinite(found.values)
    worst_last = np.argsort(np.where(is_known, found.values, -np.inf))
    order = worst_last if found.is_worse_if_large else np.argsort(is_known, kind="stable")
    art = LineCollection(
        list(lines[order]),
        array=np.ma.masked_invalid(found.values[order]),
        cmap=colormaps[found.colours].with_extremes(bad=UNKNOWN),
        norm=found.norm,
        lw=1.1,
        alpha=0.9,
        zorder=2,
    )
    panel.add_collection(art)
    _draw_dates(panel, found.network, facts.components, places)
    panel.autoscale_view()
    title = counts_of(found)
    if len(facts.components) > 1:
        title += f", {len(facts.components)} components"
    panel.set_title(title, loc="left", fontsize=10)
    if bridges:
        n = len(bridges)
        said = "1 bridge, without which" if n == 1 else f"{n} bridges, without any of which"
        mark = Line2D([], [], color=WARNING, lw=5, alpha=0.6, label=f"{said} dates are cut off")
        panel.legend(handles=[mark], frameon=False, fontsize=9)
    panel.figure.colorbar(art, ax=panel, label=found.label, pad=0.01)


def _draw_dates(
    panel: Axes,
    network: Network,
    components: tuple[tuple[str, ...], ...],
    places: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> None:
    """Draw the dates: white, or in the colour of their component where there are several."""
    number = {name: index for index, dates in enumerate(components) for name in dates}
    of_date = np.array([number[date_name(date)] for date in network.dates])
    for index in range(len(components)):
        colour = "white" if len(components) == 1 else CATEGORIES[index % len(CATEGORIES)]
        here = of_date == index
        panel.plot(places[0][here], places[1][here], "o", ms=5, mfc=colour, mec="0.15", zorder=3)


def _heights(network: Network, baseline: xr.DataArray) -> NDArray[np.float32]:
    """Return the perpendicular baseline of every date [m]: a result contains it, a stack that of pairs."""
    heights: NDArray[np.float32] = baseline.values
    return heights if baseline.dims == ("date",) else date_baselines(network, heights)


def _arcs(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half ellipses over a line of dates, as high as the time between their ends."""
    angle = np.linspace(0, np.pi, 33)
    middle, half = ends.mean(axis=1)[:, None], (ends[:, 1] - ends[:, 0])[:, None] / 2
    return np.stack([middle + half * np.cos(angle), 2 * np.abs(half) * np.sin(angle)], axis=-1)
