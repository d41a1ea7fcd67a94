"""Pairs of networks that have a name, as lists of two numbered dates, the earlier one first."""

import numpy as np

from fringefleet.network.network import Network

Pairs = list[tuple[int, int]]


def by_gap(n_date: int, *gaps: int) -> Pairs:
    """Pair every date with those that lie a given number of dates later."""
    return [(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date]


def scattered(n_date: int, n_pair: int) -> Pairs:
    """Pair dates at random: a tree, so that all are connected, and then any two; the same each time."""
    rng = np.random.default_rng(n_date)
    pairs = {(int(rng.integers(date)), date) for date in range(1, n_date)}
    while len(pairs) < n_pair:
        i, j = sorted(rng.integers(n_date, size=2).tolist())
        if i != j:
            pairs.add((i, j))
    return sorted(pairs)


def network_by_gap(n_date: int, *gaps: int) -> Network:
    """Make the network of dates 12 days apart, each paired with those a given number of dates later."""
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    i, j = np.array(by_gap(n_date, *gaps)).T
    return Network.from_dates(days[i], days[j])
