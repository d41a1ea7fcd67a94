"""Connectivity of a network: connected parts, bridges, and dates that a single pair holds."""

from dataclasses import dataclass

import numpy as np

from fringefleet.network.network import Network, date_name


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
    import networkx as nx  # noqa: PLC0415 - a quarter of a second, for a command that needs it

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
