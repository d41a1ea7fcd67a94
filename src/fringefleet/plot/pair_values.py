"""Quantity by which the pairs of a network are coloured: residual, coherence or time span."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from fringefleet.errors import InputError
from fringefleet.io import open_stack
from fringefleet.io.store.open_result import is_result, open_result
from fringefleet.io.store.pair_table import RESIDUAL_RMS
from fringefleet.network.network import Network
from fringefleet.plot.options import EVERYTHING, PictureChoice
from fringefleet.plot.shown import chosen_pixel, place_words

logger = logging.getLogger(__name__)

Pairs = xr.Dataset | Network | str | Path

_WINDOW = 64  # pixels per side, from which the coherence of a pair is estimated


class PairValues(NamedTuple):
    """A network, and a value of each pair.

    Attributes
    ----------
    network
        Dates and pairs.
    values
        (pair,).
    label
        Name of the quantity, with its unit.
    norm, colours
        Its limits, and the name of its colour map.
    is_worse_if_large
        Whether large values are drawn on top.
    """

    network: Network
    values: NDArray[np.float64]
    label: str
    norm: Normalize
    colours: str = "viridis"
    is_worse_if_large: bool = False


def opened_pairs(source: Pairs) -> xr.Dataset | Network:
    """Give a stack, a result or a network as it is, or open the path of one of the first two."""
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    return open_result(path) if is_result(path) else open_stack(path, chunks=None)


def pair_values(data: xr.Dataset | Network, choice: PictureChoice = EVERYTHING) -> PairValues:
    """Choose the quantity that colours the pairs, and read it.

    Parameters
    ----------
    data
        A result with a table of pairs: their residual; a stack: their coherence; or their time span.
    choice
        Pixel of a stack whose coherence is read; without, the mean in the middle of the scene.

    Raises
    ------
    InputError
        A result has no table of pairs, or a pixel is given and there is no coherence.
    """
    network = data if isinstance(data, Network) else _network_of(data)
    spans = np.abs(np.diff(network.times[network.pair_array], axis=1)[:, 0]) / np.timedelta64(1, "D")
    has_coherence = isinstance(data, xr.Dataset) and "coherence" in data
    if (choice.yx is not None or choice.lalo is not None) and not has_coherence:
        raise InputError(
            "found a pixel, and no coherence of pairs to read there; give a stack that has one, or no pixel."
        )
    if isinstance(data, xr.Dataset) and RESIDUAL_RMS in data:
        residual = data[RESIDUAL_RMS].values
        unit = str(data[RESIDUAL_RMS].attrs.get("units", "rad"))
        most = float(np.nanmax(residual)) if np.isfinite(residual).any() else 1.0
        return PairValues(network, residual, f"RMS residual [{unit}]", Normalize(0, most), "magma_r", True)
    if isinstance(data, xr.Dataset) and has_coherence:
        coherence, where = _coherence(data, chosen_pixel(data, choice))
        if choice.yx is not None or choice.lalo is not None or np.isfinite(coherence).any():
            return PairValues(network, coherence, f"Coherence, {where}", Normalize(0, 1))
        logger.info("no coherence in the middle of the scene; the pairs are coloured by their time span")
    return PairValues(network, spans, "Time span [day]", Normalize(0, float(spans.max())))


def counts_of(found: PairValues) -> str:
    """Count dates, pairs, and pairs without a value.

    Examples
    --------
    >>> pairs = pair_values(Network(("2018-01-06", "2018-01-18"), ((0, 1),)))
    >>> counts_of(pairs)
    '2 dates, 1 pair'
    """
    n_pair, n_unknown = found.network.n_pair, int(np.isnan(found.values).sum())
    pairs = "1 pair" if n_pair == 1 else f"{n_pair} pairs"
    without = f", {n_unknown} of them without a value" if n_unknown else ""
    return f"{found.network.n_date} dates, {pairs}{without}"


def _coherence(stack: xr.Dataset, pixel: tuple[int, int] | None) -> tuple[NDArray[np.float64], str]:
    if pixel is not None:
        at = dict(zip(("y", "x"), pixel, strict=True))
        return stack["coherence"].isel(at).values, place_words(stack, pixel)
    starts = {axis: max(0, (stack.sizes[axis] - _WINDOW) // 2) for axis in ("y", "x")}
    window = {axis: slice(start, start + _WINDOW) for axis, start in starts.items()}
    return stack["coherence"].isel(window).mean(("y", "x")).values, "mean of the middle"


def _network_of(source: xr.Dataset) -> Network:
    if "pair" not in source.dims:
        raise InputError(
            "found no table of pairs in the result, which is needed to colour a picture of its network; "
            "invert with --diagnose, or give the stack."
        )
    return Network.from_dates(source["reference_date"].values, source["secondary_date"].values)
