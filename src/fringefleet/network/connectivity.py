"""Connectivity of a network: components, bridges, and dates with a single pair."""

from dataclasses import dataclass

import numpy as np

from fringefleet.network.network import Network, date_name


@dataclass(frozen=True)
class Connectivity:
    """Connectivity of the dates of a network.

    Attributes
    ----------
    n_pair, n_dropped
        Number of pairs, and of pairs in the file that ``dropIfgram`` excludes.
    shortest, longest
        Extremes of the time spans of the pairs [day].
    components
        Dates of each connected component.
    bridges
        Pairs whose removal would split a component.
    single_pair_dates
        Dates with one pair only.
    """

    n_pair: int
    n_dropped: int
    shortest: float
    longest: float
    components: tuple[tuple[str, ...], ...]
    bridges: tuple[str, ...]
    single_pair_dates: tuple[str, ...]


def connectivity(network: Network, n_dropped: int = 0) -> Connectivity:
    """Describe how the pairs of a network connect its dates.

    Examples
    --------
    >>> days = tuple(f"2018-01-0{day}T00:00:00" for day in range(1, 5))
    >>> facts = connectivity(Network(days, ((0, 1), (1, 2), (0, 2), (2, 3))))
    >>> facts.bridges, facts.single_pair_dates
    (('20180103_20180104',), ('20180104',))
    """
    import networkx as nx  # noqa: PLC0415 - takes a quarter of a second, only one command needs it

    graph = nx.Graph(network.pairs)
    names = [date_name(date) for date in network.dates]
    spans = np.abs(np.diff(network.times[network.pair_array], axis=1)) / np.timedelta64(1, "D")
    components = sorted(sorted(dates) for dates in nx.connected_components(graph))
    bridges = {frozenset(pair) for pair in nx.bridges(graph)}
    return Connectivity(
        n_pair=network.n_pair,
        n_dropped=n_dropped,
        shortest=float(spans.min()),
        longest=float(spans.max()),
        components=tuple(tuple(names[date] for date in dates) for dates in components),
        bridges=tuple(
            network.pair_name(index) for index, pair in enumerate(network.pairs) if frozenset(pair) in bridges
        ),
        single_pair_dates=tuple(names[date] for date in sorted(graph) if graph.degree[date] == 1),
    )
