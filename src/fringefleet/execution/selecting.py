"""Application of a selection to a stack: the pairs that are kept, and the rows and columns."""

import logging
from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import MissingMetadataError, NetworkError, OptionError, StackFormatError
from fringefleet.execution.selection import Selection
from fringefleet.io import stack_network
from fringefleet.io.dates import DAY, find_date, read_dates
from fringefleet.io.places import PixelWindow, window_of_bbox
from fringefleet.network.network import Network, date_name, shorten
from fringefleet.option_words import option

logger = logging.getLogger(__name__)

Kept = NDArray[np.bool_]  # (pair,)


def select_pairs(
    stack: xr.Dataset, selection: Selection, mean_coherence: NDArray[np.float64] | None = None
) -> xr.Dataset:
    """Leave out the pairs that a selection omits; nothing of them is read.

    Parameters
    ----------
    stack
        All pairs.
    selection
        What is kept.
    mean_coherence
        Of all pairs, (pair,), where the selection asks for it.

    Raises
    ------
    OptionError
        A date or a pair that is to be omitted is not there, or a text is none.
    MissingMetadataError
        The perpendicular baseline of a pair is not known, and has a limit.
    NetworkError
        No pair is left.
    """
    if not selection.of_pairs:
        return stack
    network = stack_network(stack)
    kept = np.ones(network.n_pair, np.bool_)
    for name in selection.of_pairs:
        if name == "min_coherence":
            kept &= _coherent(selection, mean_coherence)
        else:
            kept &= _RULES[name](stack, network, selection)
    if not kept.any():
        said = ", ".join(option(name, _said(value)) for name, value in selection.of_pairs.items())
        raise NetworkError(f"found no pair with {said}; none of {network.n_pair} is left. Keep some of them.")
    if kept.all():
        return stack
    logger.info("%d of %d pairs are selected", kept.sum(), network.n_pair)
    return stack.isel(pair=np.flatnonzero(kept))


def find_window(stack: xr.Dataset, selection: Selection) -> PixelWindow:
    """Find the rows and columns that a selection keeps.

    Raises
    ------
    OptionError
        They are not in the scene.
    """
    if selection.bbox is not None:
        return window_of_bbox(stack, selection.bbox)
    rows, columns = (
        _range(name, getattr(selection, name), stack.sizes[dim])
        for name, dim in (("rows", "y"), ("columns", "x"))
    )
    return rows, columns


def _range(name: str, wanted: tuple[int, int] | None, size: int) -> slice:
    if wanted is None:
        return slice(0, size)
    if wanted[1] > size:
        raise OptionError(
            f"found {option(name, f'({wanted[0]}, {wanted[1]})')} of a scene that has {size} {name}; the "
            f"second number is at most {size}."
        )
    return slice(*map(int, wanted))


def _said(value: object) -> str:
    return shorten(list(map(str, value))) if isinstance(value, tuple) else str(value)


def _from_start(_: xr.Dataset, network: Network, selection: Selection) -> Kept:
    first, _length = _bound("start_date", selection.start_date)
    return _with_both(network, network.times >= first)


def _to_end(_: xr.Dataset, network: Network, selection: Selection) -> Kept:
    last, length = _bound("end_date", selection.end_date)
    return _with_both(network, network.times < last + length)


def _with_both(network: Network, dates: Kept) -> Kept:
    first, second = network.pair_array.T
    both: Kept = dates[first] & dates[second]
    return both


def _bound(name: str, text: str | None) -> tuple[np.datetime64, np.timedelta64]:
    """Read a date, which none of the stack has to be, and how long it lasts."""
    try:
        (time,), (length,), _ = read_dates([str(text).strip()])
    except StackFormatError as error:
        raise OptionError(f"{option(name)}: {error.marked}") from error
    return time, np.timedelta64(int(length), "s")


def _without_dates(_: xr.Dataset, network: Network, selection: Selection) -> Kept:
    excluded = np.zeros(network.n_date, np.bool_)
    for text in selection.exclude_dates or ():
        excluded[_dates_of("exclude_dates", text, network)] = True
    return _with_both(network, ~excluded)


def _dates_of(name: str, text: str, network: Network) -> list[int]:
    try:
        found = find_date(text, network.times)
    except StackFormatError as error:
        raise OptionError(f"{option(name)}: {error.marked}") from error
    if not found:
        names = shorten([date_name(date) for date in network.dates])
        raise OptionError(
            f"found {option(name, text)}, and the stack has no such date; it has {names}. Leave it out, or "
            "correct it."
        )
    return found


def _without_pairs(_: xr.Dataset, network: Network, selection: Selection) -> Kept:
    kept = np.ones(network.n_pair, np.bool_)
    for text in selection.exclude_pairs or ():
        ends = text.split("_")
        if len(ends) != 2:
            raise OptionError(
                f"found {option('exclude_pairs', text)}; a pair has the form YYYYMMDD_YYYYMMDD."
            )
        one, other = (_dates_of("exclude_pairs", end, network) for end in ends)
        first, second = network.pair_array.T
        found = (np.isin(first, one) & np.isin(second, other)) | (
            np.isin(first, other) & np.isin(second, one)
        )
        if not found.any():
            raise OptionError(
                f"found {option('exclude_pairs', text)}, and the stack has no pair of these dates. Leave it "
                "out, or correct it."
            )
        kept &= ~found
    return kept


def _near_in_time(_: xr.Dataset, network: Network, selection: Selection) -> Kept:
    most = float(selection.max_temporal_baseline or 0)
    first, second = network.times[network.pair_array.T]
    apart = np.abs((second - first).astype(np.float64))
    return np.asarray(apart <= most * DAY)


def _near_in_space(stack: xr.Dataset, network: Network, selection: Selection) -> Kept:
    most = float(selection.max_perpendicular_baseline or 0)
    if "perpendicular_baseline" not in stack.coords:
        raise MissingMetadataError(
            "found no perpendicular_baseline in the stack, which "
            f"{option('max_perpendicular_baseline', most)} needs. Add it (MintPy: the dataset bperp), or "
            "leave the option out."
        )
    baselines = np.asarray(stack["perpendicular_baseline"].values, np.float64)
    if len(unknown := np.flatnonzero(~np.isfinite(baselines))):
        raise MissingMetadataError(
            f"found no perpendicular baseline of {network.pair_names(unknown)}; "
            f"{option('max_perpendicular_baseline', most)} needs those of all pairs. Complete them, or leave "
            "the option out."
        )
    kept: Kept = np.abs(baselines) <= most
    return kept


def _coherent(selection: Selection, means: NDArray[np.float64] | None) -> Kept:
    if means is None:
        raise OptionError(
            f"found {option('min_coherence', selection.min_coherence)}, for which the coherence is read "
            "once, and a lazy inversion reads nothing beforehand; use fringefleet.run."
        )
    kept: Kept = means >= float(selection.min_coherence or 0)
    return kept


_RULES: dict[str, Callable[[xr.Dataset, Network, Selection], Kept]] = {
    "start_date": _from_start,
    "end_date": _to_end,
    "exclude_dates": _without_dates,
    "exclude_pairs": _without_pairs,
    "max_temporal_baseline": _near_in_time,
    "max_perpendicular_baseline": _near_in_space,
}
