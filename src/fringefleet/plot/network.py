"""Picture of a network: dates, and the pairs between them."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fringefleet.design import date_baselines
from fringefleet.network import Network
from fringefleet.plot.canvas import format_dates, save

WINDOW = 64  # pixels a side, from which the coherence of a pair is estimated
UNIX_EPOCH = np.datetime64("1970-01-01", "s")  # Matplotlib counts days from it


def plot_network(source: xr.Dataset | Network, path: Path) -> None:
    """Draw the pairs as lines between their dates, over the perpendicular baseline if it is known.

    Parameters
    ----------
    source
        A stack, whose pairs are coloured by the coherence in the middle of the scene; or a bare
        network, whose pairs are arcs coloured by their time span.
    """
    network = source if isinstance(source, Network) else _network(source)
    stack = None if isinstance(source, Network) else source
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    panel = figure.subplots()
    times = (network.times - UNIX_EPOCH) / np.timedelta64(1, "D")
    spans = np.abs(np.diff(times[network.pair_array], axis=1)[:, 0])
    if stack is not None and "perpendicular_baseline" in stack.coords:
        heights = date_baselines(network, stack["perpendicular_baseline"].values)
        lines = np.stack([times[network.pair_array], heights[network.pair_array]], axis=-1)
        panel.set_ylabel("Perpendicular baseline [m]")
    else:
        heights = np.zeros_like(times)
        lines = _arcs(times[network.pair_array])
        panel.set_ylabel("Time span [day]")
    colours, label, norm = _pair_colours(stack, spans)
    art = LineCollection(list(lines), array=colours, cmap="viridis", norm=norm, lw=1.1, alpha=0.9)
    panel.add_collection(art)
    panel.plot(times, heights, "o", ms=5, mfc="white", mec="0.15", zorder=3)
    panel.autoscale_view()
    panel.set_title(f"{network.n_date} dates, {network.n_pair} pairs", loc="left")
    figure.colorbar(art, ax=panel, label=label, pad=0.01)
    format_dates(panel)
    save(figure, path)


def _network(stack: xr.Dataset) -> Network:
    return Network.from_dates(stack["reference_date"].values, stack["secondary_date"].values)


def _arcs(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half ellipses over a line of dates, as high as the time between their ends is long."""
    angle = np.linspace(0, np.pi, 33)
    middle, half = ends.mean(axis=1)[:, None], (ends[:, 1] - ends[:, 0])[:, None] / 2
    return np.stack([middle + half * np.cos(angle), 2 * np.abs(half) * np.sin(angle)], axis=-1)


def _pair_colours(
    stack: xr.Dataset | None, spans: NDArray[np.float64]
) -> tuple[NDArray[np.float64], str, Normalize]:
    """Choose what colours the pairs: coherence in a window that is quick to read, or time span."""
    if stack is None or "coherence" not in stack:
        return spans, "Time span [day]", Normalize(0, float(spans.max()))
    starts = {axis: max(0, (stack.sizes[axis] - WINDOW) // 2) for axis in ("y", "x")}
    window = {axis: slice(start, start + WINDOW) for axis, start in starts.items()}
    coherence = stack["coherence"].isel(window).mean(("y", "x")).values
    return coherence, "Mean coherence in the middle of the scene", Normalize(0, 1)
