"""How the pairs of a network tie its dates together, and where it would break."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fringefleet.network import Network, date_name


@dataclass(frozen=True)
class Connectivity:
    """How the pairs tie the dates together.

    ``components``: dates of each connected part. ``bridges``: pairs without which there would be a part
    more. ``single_pair_dates``: dates that one pair alone holds. ``n_dropped``: pairs that the file has and
    ``dropIfgram`` leaves out. ``shortest``, ``longest``: time spans of the pairs [day].
    """

    n_pair: int
    n_dropped: int
    shortest: float
    longest: float
    components: tuple[tuple[str, ...], ...]
    bridges: tuple[str, ...]
    single_pair_dates: tuple[str, ...]


def connectivity(network: Network, n_dropped: int = 0) -> Connectivity:
    """Say how the pairs of a network tie its dates together.

    Examples
    --------
    >>> days = tuple(f"2018-01-0{day}T00:00:00" for day in range(1, 5))
    >>> facts = connectivity(Network(days, ((0, 1), (1, 2), (0, 2), (2, 3))))
    >>> facts.bridges, facts.single_pair_dates
    (('20180103_20180104',), ('20180104',))
    """
    names = [date_name(date) for date in network.dates]
    labels = network.component_labels()
    spans = np.abs(np.diff(network.times[network.pair_array], axis=1)) / np.timedelta64(1, "D")
    degrees = np.bincount(network.pair_array.ravel(), minlength=network.n_date)
    return Connectivity(
        n_pair=network.n_pair,
        n_dropped=n_dropped,
        shortest=float(spans.min()),
        longest=float(spans.max()),
        components=tuple(
            tuple(names[i] for i in np.flatnonzero(labels == label)) for label in range(labels.max() + 1)
        ),
        bridges=tuple(network.pair_name(pair) for pair in sorted(_bridges(network))),
        single_pair_dates=tuple(names[i] for i in np.flatnonzero(degrees == 1)),
    )


def _bridges(network: Network) -> Iterator[int]:
    """Find the pairs on no cycle: those of a spanning forest over which no other pair closes one."""
    forest = list(_spanning_forest(network))
    others = set(range(network.n_pair)) - {pair for _, _, pair in forest}
    open_cycles = [0] * network.n_date  # below a date; a bit for each of the other pairs
    for bit, pair in enumerate(others):
        for date in network.pairs[pair]:
            open_cycles[date] ^= 1 << bit
    for date, parent, pair in reversed(forest):
        if not open_cycles[date]:
            yield pair
        open_cycles[parent] ^= open_cycles[date]


def _spanning_forest(network: Network) -> Iterator[tuple[int, int, int]]:
    """Walk from date to date along the pairs; yields each date but the roots, its parent and their pair."""
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(network.n_date)]
    for pair, (i, j) in enumerate(network.pairs):
        neighbours[i].append((j, pair))
        neighbours[j].append((i, pair))
    found: set[int] = set()
    for root in range(network.n_date):
        waiting = [] if root in found else [root]
        found.add(root)
        while waiting:
            parent = waiting.pop()
            for date, pair in neighbours[parent]:
                if date not in found:
                    found.add(date)
                    waiting.append(date)
                    yield date, parent, pair
