"""Network of interferograms: dates are its nodes, pairs its edges.

This is the lowest layer: plain numbers, no array library but NumPy, no files. A :class:`Network` is
frozen and hashable, so that anything that depends on it alone (the symbolic elimination plan) is computed
once per process, and it travels to workers as a few kilobytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import NetworkError

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Network:
    """Dates in ascending order and the pairs between them.

    Parameters
    ----------
    dates
        Acquisition times, ascending, each once; ISO 8601 strings as NumPy writes them at a
        resolution of seconds, for example ``"2018-01-06T00:00:00"``.
    pairs
        ``(i, j)`` indices into ``dates``: the interferogram measures ``phase[j] - phase[i]`` [rad].
        ``j`` may lie before ``i``.

    Raises
    ------
    NetworkError
        Fewer than two dates, dates that do not ascend, a pair of a date with itself, the same two dates
        paired twice, or a date that no pair uses.
    """

    dates: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        """Check what all later steps rely on."""
        if len(self.dates) < 2:
            raise NetworkError(
                f"found {len(self.dates)} date(s) in {len(self.pairs)} pair(s); "
                "a time series needs at least 2 dates. Keep more interferograms."
            )
        if any(first >= second for first, second in pairwise(self.dates)):
            raise NetworkError(f"found dates that do not ascend: {shorten(self.dates)}; sort them.")
        _check_dates_used(self.dates, self.pairs)
        _check_no_self_pairs(self.dates, self.pairs)
        _check_no_duplicates(self.dates, self.pairs)

    @classmethod
    def from_dates(
        cls,
        reference: Sequence[np.datetime64] | NDArray[np.datetime64],
        secondary: Sequence[np.datetime64] | NDArray[np.datetime64],
    ) -> "Network":
        """Build the network from two columns of dates, finding and sorting the distinct dates.

        Examples
        --------
        >>> import numpy as np
        >>> days = np.array(["2018-01-06", "2018-01-18", "2018-01-30"], "datetime64[s]")
        >>> Network.from_dates(days[[0, 1]], days[[1, 2]]).pairs
        ((0, 1), (1, 2))
        """
        first = np.asarray(reference, dtype="datetime64[s]")
        second = np.asarray(secondary, dtype="datetime64[s]")
        dates, index = np.unique(np.concatenate([first, second]), return_inverse=True)
        n_pair = len(first)
        pairs = zip(index[:n_pair].tolist(), index[n_pair:].tolist(), strict=True)
        return cls(tuple(dates.astype(str).tolist()), tuple(pairs))

    @property
    def n_date(self) -> int:
        """Number of dates."""
        return len(self.dates)

    @property
    def n_pair(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """Acquisition times, shape (date,), ``datetime64[s]``."""
        return np.array(self.dates, dtype="datetime64[s]")

    @cached_property
    def years(self) -> NDArray[np.float64]:
        """Time since the first date [year of 365.25 days], shape (date,)."""
        seconds = (self.times - self.times[0]).astype("timedelta64[s]").astype(np.float64)
        years: NDArray[np.float64] = seconds / (86400 * _DAYS_PER_YEAR)
        return years

    @cached_property
    def pair_array(self) -> NDArray[np.int64]:
        """The pairs as an array of date indices, shape (pair, 2)."""
        return np.array(self.pairs, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def anchor(self) -> int:
        """Index of the date that MintPy excludes from its unknowns.

        The first date; or the common reference date where all pairs share one (a single-reference
        network). It determines which dates the redundancy test examines, and which component of a
        disconnected network the minimum-norm phase leaves unchanged. MintPy:
        ``ifgramStack.get_design_matrix4timeseries``.
        """
        references = {i for i, _ in self.pairs}
        return references.pop() if len(references) == 1 else 0

    def component_labels(self) -> NDArray[np.int64]:
        """Labels of the connected components of the whole network, shape (date,), in order of first date.

        Every date takes the smallest label among itself and its neighbours, then that date's own label
        (pointer jumping), until nothing changes.
        """
        first, second = self.pair_array.T
        labels = np.arange(self.n_date)
        while (labels[first] != labels[second]).any():
            lowest = np.minimum(labels[first], labels[second])
            np.minimum.at(labels, first, lowest)
            np.minimum.at(labels, second, lowest)
            labels = labels[labels]
        return np.unique(labels, return_inverse=True)[1].astype(np.int64)

    def pair_name(self, index: int) -> str:
        """Return the conventional name of a pair: ``20180106_20180118``."""
        i, j = self.pairs[index]
        return f"{date_name(self.dates[i])}_{date_name(self.dates[j])}"

    def pair_names(self, indices: Iterable[int], *, at_most: int = 10) -> str:
        """Return the names of some pairs for a message; a long list is cut, with the total number."""
        return shorten([self.pair_name(index) for index in indices], at_most=at_most)


def date_name(date: str) -> str:
    """Return the conventional form of an ISO date: ``20180106``, with ``T001225`` where it has a time.

    Examples
    --------
    >>> date_name("2018-01-06T00:00:00"), date_name("2018-01-06T00:12:25")
    ('20180106', '20180106T001225')
    """
    day, _, time = date.partition("T")
    compact = time.replace(":", "")
    return day.replace("-", "") + (f"T{compact}" if compact.strip("0") else "")


def shorten(names: Sequence[str], *, at_most: int = 10) -> str:
    """Join names for a message; a long list is cut, with the total number.

    Examples
    --------
    >>> shorten(["a", "b", "c"], at_most=2)
    'a, b, ... (3 in all)'
    """
    if len(names) <= at_most:
        return ", ".join(names)
    return ", ".join([*names[:at_most], f"... ({len(names)} in all)"])


def _check_dates_used(dates: Sequence[str], pairs: Sequence[tuple[int, int]]) -> None:
    used = {date for pair in pairs for date in pair}
    found = [date_name(name) for date, name in enumerate(dates) if date not in used]
    if found:
        raise NetworkError(
            f"found {len(found)} date(s) without a pair: {shorten(found)}; exclude them from the network."
        )


def _check_no_self_pairs(dates: Sequence[str], pairs: Sequence[tuple[int, int]]) -> None:
    found = [date_name(dates[i]) for i, j in pairs if i == j]
    if found:
        raise NetworkError(
            f"found {len(found)} pair(s) of a date with itself: {shorten(found)}; a pair needs two "
            "different dates. Drop them from the stack (dropIfgram = False) or correct their dates."
        )


def _check_no_duplicates(dates: Sequence[str], pairs: Sequence[tuple[int, int]]) -> None:
    seen: set[tuple[int, int]] = set()
    found = []
    for i, j in pairs:
        key = (min(i, j), max(i, j))
        if key in seen:
            found.append(f"{date_name(dates[i])}_{date_name(dates[j])}")
        seen.add(key)
    if found:
        raise NetworkError(
            f"found {len(found)} duplicate pair(s), the same two dates given again: {shorten(found)}; "
            "every pair may occur only once. Drop the duplicates from the stack (dropIfgram = False)."
        )
