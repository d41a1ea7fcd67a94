r"""The symbolic elimination plan: in which order the dates go, and who is tied to whom by then.

The normal matrix of a network is a weighted graph Laplacian: dates are nodes, pairs are edges, weights
are conductances. Eliminating a date ``v`` removes it from the graph and ties its neighbours to one
another (star-mesh transform), which is one step of a Cholesky factorisation. Which edges that creates
(*fill*) depends on the network only, not on the weights, so it is worked out once per network here, and
:mod:`fringefleet.solver.elimination` only follows the plan for a batch of pixels.

Dates go in order of minimum degree (Tinney & Walker 1967, doi:10.1109/PROC.1967.6011), which keeps the
fill small; the root (the reference date) goes last. Among equals the latest date goes first, so that in a
sequential network neighbours are consecutive and whole runs of them are handled by one operation.

Vocabulary, used in all of the solver: a date's *position* is its place in the elimination order; a
*slot* is a row of the edge array, real edges and fill, sorted by (earlier position, later position); a
*row* is a pair, sorted in the same way.
"""

import heapq
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from fringefleet.network import Network


class Run(NamedTuple):
    """Consecutive members of a list that are also consecutive somewhere else."""

    start: int  # first member in the list
    stop: int  # one past the last member in the list
    target: int  # where the first member is in the other place

    @property
    def here(self) -> slice:
        """The run in the list."""
        return slice(self.start, self.stop)

    @property
    def there(self) -> slice:
        """The run in the other place."""
        return slice(self.target, self.target + self.stop - self.start)


class Update(NamedTuple):
    """Edges between one neighbour and a run of later ones, in the star-mesh step of a date."""

    neighbour: int  # index of the one neighbour among the neighbours
    run: Run  # the later ones among the neighbours -> slots of the edges


@dataclass(frozen=True)
class Turn:
    """What happens when one date is eliminated; lists are in order of position."""

    slots: slice  # its edges to later dates
    neighbours: tuple[Run, ...]  # runs of those edges -> positions
    updates: tuple[Update, ...]  # edges among its neighbours
    rows: slice  # its pairs with later dates
    partners: tuple[Run, ...]  # runs of those pairs -> positions
    pair_slots: tuple[Run, ...]  # runs of those pairs -> slots


@dataclass(frozen=True)
class Plan:
    """Everything about the elimination of a network that does not depend on the pixel."""

    network: Network
    root: int  # date index; eliminated last, its phase is zero
    order: tuple[int, ...]  # date index of each position
    pair_order: tuple[int, ...]  # pair index of each row
    pair_sign: tuple[int, ...]  # +1 where the pair measures phase[earlier position] - phase[later]
    turns: tuple[Turn, ...]  # one for each position but the root's
    n_slot: int

    @property
    def n_neighbour(self) -> int:
        """Largest number of edges that any date has when its turn comes."""
        return max(run.stop for turn in self.turns for run in turn.neighbours)

    @property
    def n_fill(self) -> int:
        """Number of edges that are no pair."""
        return self.n_slot - self.network.n_pair


@lru_cache(maxsize=16)
def plan_elimination(network: Network, root: int = 0) -> Plan:
    """Work out the elimination of a network; made once per process and network.

    Parameters
    ----------
    network
        The dates and pairs.
    root
        Index of the reference date, eliminated last.

    Examples
    --------
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> plan = plan_elimination(Network(tuple(days), ((0, 1), (1, 2), (0, 2))))
    >>> plan.order, plan.n_fill
    ((2, 1, 0), 0)
    """
    order, later = _minimum_degree(network, root)
    position = {date: place for place, date in enumerate(order)}
    neighbours = [sorted(position[date] for date in later[date_v]) for date_v in order]
    slot: dict[tuple[int, int], int] = {}
    for place, ends in enumerate(neighbours):
        for end in ends:
            slot[place, end] = len(slot)
    rows = sorted(
        (min(position[i], position[j]), max(position[i], position[j]), index)
        for index, (i, j) in enumerate(network.pairs)
    )
    turns = []
    n_row = 0
    for place, ends in enumerate(neighbours[:-1]):
        partners = [end for start, end, _ in rows[n_row : n_row + len(ends)] if start == place]
        turns.append(_turn(place, ends, partners, n_row, slot))
        n_row += len(partners)
    return Plan(
        network=network,
        root=root,
        order=order,
        pair_order=tuple(index for _, _, index in rows),
        pair_sign=tuple(1 if position[network.pairs[k][1]] == p else -1 for p, _, k in rows),
        turns=tuple(turns),
        n_slot=len(slot),
    )


def _minimum_degree(network: Network, root: int) -> tuple[tuple[int, ...], list[set[int]]]:
    """Return the elimination order and, for each date, its neighbours when its turn comes."""
    adjacent: list[set[int]] = [set() for _ in range(network.n_date)]
    for i, j in network.pairs:
        adjacent[i].add(j)
        adjacent[j].add(i)
    queue = [(len(adjacent[date]), -date) for date in range(network.n_date) if date != root]
    heapq.heapify(queue)
    gone: set[int] = set()
    order = []
    while queue:
        degree, negative = heapq.heappop(queue)
        date = -negative
        if date in gone or degree != len(adjacent[date]):
            continue  # an outdated entry; the date is in the queue again
        gone.add(date)
        order.append(date)
        around = adjacent[date]
        for other in around:
            adjacent[other] |= around
            adjacent[other] -= {other, date}
            if other != root:
                heapq.heappush(queue, (len(adjacent[other]), -other))
    return (*order, root), adjacent


def _turn(
    place: int, ends: list[int], partners: list[int], n_row: int, slot: dict[tuple[int, int], int]
) -> Turn:
    first = slot[place, ends[0]] if ends else 0
    updates = [
        Update(a, Run(a + 1 + run.start, a + 1 + run.stop, run.target))
        for a, end in enumerate(ends)
        for run in _runs([slot[end, other] for other in ends[a + 1 :]])
    ]
    return Turn(
        slots=slice(first, first + len(ends)),
        neighbours=_runs(ends),
        updates=tuple(updates),
        rows=slice(n_row, n_row + len(partners)),
        partners=_runs(partners),
        pair_slots=_runs([slot[place, end] for end in partners]),
    )


def _runs(numbers: list[int]) -> tuple[Run, ...]:
    """Cut an ascending list where it is not consecutive.

    Examples
    --------
    >>> _runs([4, 5, 9])
    (Run(start=0, stop=2, target=4), Run(start=2, stop=3, target=9))
    """
    if not numbers:
        return ()
    cuts = [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1] + 1]
    return tuple(Run(a, b, numbers[a]) for a, b in pairwise([0, *cuts, len(numbers)]))
