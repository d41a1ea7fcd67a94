"""Picture of a network: dates, and the pairs between them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fringefleet.errors import InputError
from fringefleet.io.store.pair_table import RESIDUAL_RMS
from fringefleet.network.design_matrix import date_baselines
from fringefleet.network.network import Network
from fringefleet.plot.canvas import format_dates, save

_WINDOW = 64  # pixels per side, from which the coherence of a pair is estimated
_UNIX_EPOCH = np.datetime64("1970-01-01", "s")  # Matplotlib counts days from it


def plot_network(source: xr.Dataset | Network, path: Path) -> None:
    """Draw the pairs as lines between their dates, over the perpendicular baseline if known.

    Parameters
    ----------
    source
        A result with a table of pairs, which are coloured by their residual, the largest on top; a stack,
        whose pairs are coloured by the coherence in the middle of the scene; or a bare network, whose pairs
        are arcs coloured by their time span.
    path
        PNG file to write.

    Raises
    ------
    InputError
        The result has no table of pairs.
    """
    network = source if isinstance(source, Network) else _network(source)
    data = None if isinstance(source, Network) else source
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    panel = figure.subplots()
    times = (network.times - _UNIX_EPOCH) / np.timedelta64(1, "D")
    ends = times[network.pair_array]
    if data is not None and "perpendicular_baseline" in data.coords:
        heights = _heights(network, data["perpendicular_baseline"])
        lines = np.stack([ends, heights[network.pair_array]], axis=-1)
        panel.set_ylabel("Perpendicular baseline [m]")
    else:
        heights = np.zeros_like(times)
        lines = _arcs(ends)
        panel.set_ylabel("Time span [day]")
    colours, style = _pair_colours(data, np.abs(np.diff(ends, axis=1)[:, 0]))
    best_first = np.argsort(colours) if style.worst_on_top else np.arange(len(colours))
    art = LineCollection(
        list(lines[best_first]),
        array=colours[best_first],
        cmap=style.colour_map,
        norm=style.norm,
        lw=1.1,
        alpha=0.9,
    )
    panel.add_collection(art)
    panel.plot(times, heights, "o", ms=5, mfc="white", mec="0.15", zorder=3)
    panel.autoscale_view()
    panel.set_title(f"{network.n_date} dates, {network.n_pair} pairs", loc="left")
    figure.colorbar(art, ax=panel, label=style.label, pad=0.01)
    format_dates(panel)
    save(figure, path)


class _Style(NamedTuple):
    """Mapping of the value of each pair to a colour."""

    label: str
    norm: Normalize
    colour_map: str = "viridis"
    worst_on_top: bool = False


def _network(source: xr.Dataset) -> Network:
    if "pair" not in source.dims:
        raise InputError(
            "found no table of pairs in the result, which is needed to colour a picture of its network; "
            "invert with --diagnose, or give the stack."
        )
    return Network.from_dates(source["reference_date"].values, source["secondary_date"].values)


def _heights(network: Network, baseline: xr.DataArray) -> NDArray[np.float32]:
    """Return the perpendicular baseline of every date [m]: a result contains it, a stack that of pairs."""
    heights: NDArray[np.float32] = baseline.values
    return heights if baseline.dims == ("date",) else date_baselines(network, heights)


def _arcs(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half ellipses over a line of dates, as high as the time between their ends."""
    angle = np.linspace(0, np.pi, 33)
    middle, half = ends.mean(axis=1)[:, None], (ends[:, 1] - ends[:, 0])[:, None] / 2
    return np.stack([middle + half * np.cos(angle), 2 * np.abs(half) * np.sin(angle)], axis=-1)


def _pair_colours(data: xr.Dataset | None, spans: NDArray[np.float64]) -> tuple[NDArray[np.float64], _Style]:
    """Choose the colour of the pairs: residual, coherence in a window that is quick to read, or time span."""
    if data is not None and RESIDUAL_RMS in data:
        residual = data[RESIDUAL_RMS].values
        style = _Style("RMS residual [rad]", Normalize(0, np.nanmax(residual)), "magma_r", worst_on_top=True)
        return residual, style
    if data is None or "coherence" not in data:
        return spans, _Style("Time span [day]", Normalize(0, float(spans.max())))
    starts = {axis: max(0, (data.sizes[axis] - _WINDOW) // 2) for axis in ("y", "x")}
    window = {axis: slice(start, start + _WINDOW) for axis, start in starts.items()}
    coherence = data["coherence"].isel(window).mean(("y", "x")).values
    return coherence, _Style("Mean coherence in the middle of the scene", Normalize(0, 1))
