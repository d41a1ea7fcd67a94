r"""Symbolic elimination plan: the order of the dates, and the neighbours of each when it is eliminated.

The normal matrix of a network is a weighted graph Laplacian: dates are nodes, pairs are edges, weights
are conductances. Eliminating a date ``v`` removes it from the graph and connects its neighbours to one
another (star-mesh transform), which is one step of a Cholesky factorisation. The edges that this creates
(*fill*) depend on the network only, not on the weights, so they are determined once per network here, and
:mod:`fringefleet.solver.elimination` only follows the plan for a batch of pixels.

Dates are eliminated in order of minimum degree (Tinney & Walker 1967, doi:10.1109/PROC.1967.6011), which
keeps the fill small; the root (the reference date) comes last. Ties are resolved in favour of the latest
date, so that in a sequential network neighbours are consecutive and one operation handles a whole run.

Vocabulary of the solver: a date's *position* is its place in the elimination order; a *slot* is a row of
the edge array, real edges and fill, sorted by (earlier position, later position); a *row* is a pair, sorted
in the same way.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.network import Network


class IndexRun(NamedTuple):
    """Consecutive members of a list that are also consecutive in another place."""

    start: int  # first member in the list
    stop: int  # one past the last member in the list
    target: int  # index of the first member in the other place

    @property
    def here(self) -> slice:
        """Indices of the run in the list."""
        return slice(self.start, self.stop)

    @property
    def there(self) -> slice:
        """Indices of the run in the other place."""
        return slice(self.target, self.target + self.stop - self.start)


class PlanUpdate(NamedTuple):
    """Edges between one neighbour and a run of later ones, in the star-mesh step of a date."""

    neighbour: int  # index of the first neighbour in the list of neighbours
    run: IndexRun  # later neighbours, in the list of neighbours -> slots of the edges


@dataclass(frozen=True, eq=False)
class EliminationStep:
    """Elimination of one date; lists are in order of position."""

    slots: slice  # its edges to later dates
    neighbours: tuple[IndexRun, ...]  # runs of those edges -> positions
    mesh: NDArray[np.int32]  # (update, 4): the numbers of the updates; a large network has half a million
    rows: slice  # its pairs with later dates
    partners: tuple[IndexRun, ...]  # runs of those pairs -> positions
    pair_slots: tuple[IndexRun, ...]  # runs of those pairs -> slots

    @property
    def updates(self) -> tuple[PlanUpdate, ...]:
        """Edges among its neighbours, run by run; computed anew each time."""
        return tuple(PlanUpdate(a, IndexRun(*run)) for a, *run in self.mesh.tolist())


@dataclass(frozen=True)
class EliminationPlan:
    """Everything about the elimination of a network that does not depend on the pixel.

    It is determined by the network and the root: plans that agree in these are equal.
    """

    network: Network
    root: int  # date index; eliminated last, its phase is zero
    order: tuple[int, ...] = field(compare=False)  # date index of each position
    pair_order: tuple[int, ...] = field(compare=False)  # pair index of each row
    pair_sign: tuple[int, ...] = field(compare=False)  # +1: the pair measures phase[earlier] - phase[later]
    turns: tuple[EliminationStep, ...] = field(compare=False)  # one for each position except the root's
    n_slot: int = field(compare=False)

    @property
    def n_neighbour(self) -> int:
        """Largest number of edges that any date has when it is eliminated."""
        return max(run.stop for turn in self.turns for run in turn.neighbours)

    @property
    def n_fill(self) -> int:
        """Number of edges that are not pairs."""
        return self.n_slot - self.network.n_pair


@lru_cache(maxsize=16)
def plan_elimination(network: Network, root: int = 0) -> EliminationPlan:
    """Compute the elimination plan of a network, once per process and network.

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
    order, tied = _minimum_degree(network, root)
    later = np.triu(tied[np.ix_(order, order)], 1)
    ends = np.argsort(order)[network.pair_array]  # positions of the dates of each pair
    rows = np.lexsort((ends.max(1), ends.min(1)))
    return EliminationPlan(
        network=network,
        root=root,
        order=tuple(order.tolist()),
        pair_order=tuple(rows.tolist()),
        pair_sign=tuple(np.where(ends[rows, 1] < ends[rows, 0], 1, -1).tolist()),
        turns=_turns(later, np.sort(ends[rows])),
        n_slot=int(np.count_nonzero(later)),
    )


def _minimum_degree(network: Network, root: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the dates in order of elimination, and the neighbours of each at its elimination, (date, date).

    A date counts as its own neighbour: that adds one to every degree and avoids a special case in every
    union.
    """
    n_date = network.n_date
    first, second = network.pair_array.T
    tied = np.eye(n_date, dtype=np.bool_)
    tied[first, second] = tied[second, first] = True
    degree = tied.sum(1)
    never = n_date + 1
    order = np.full(n_date, root)
    for place in range(n_date - 1):
        degree[root] = never
        date = order[place] = n_date - 1 - degree[::-1].argmin()  # the latest of those with equal degree
        others = np.flatnonzero(tied[date])
        others = others[others != date]
        ties = tied[others] | tied[date]
        ties[:, date] = False
        tied[others] = ties
        degree[others] = ties.sum(1)
        degree[date] = never
    return order, tied


def _turns(later: NDArray[np.bool_], pair_ends: NDArray[np.int64]) -> tuple[EliminationStep, ...]:
    """Number the edges and cut everything into runs.

    Parameters
    ----------
    later
        Whether a position is connected to a later one, (position, position).
    pair_ends
        Positions of the two dates of each row, earlier and later, ascending, (pair, 2).
    """
    n_date = len(later)
    slot = later.cumsum(dtype=np.int32).reshape(later.shape) - 1
    first_slot = np.insert(later.sum(1).cumsum(), 0, 0).tolist()
    first_row = np.searchsorted(pair_ends[:, 0], np.arange(n_date)).tolist()
    turns = []
    for place in range(n_date - 1):
        rows = slice(first_row[place], first_row[place + 1])
        neighbours, partners = np.flatnonzero(later[place]), pair_ends[rows, 1]
        turns.append(
            EliminationStep(
                slots=slice(first_slot[place], first_slot[place + 1]),
                neighbours=_runs(neighbours),
                mesh=_mesh(slot, neighbours),
                rows=rows,
                partners=_runs(partners),
                pair_slots=_runs(slot[place, partners]),
            )
        )
    return tuple(turns)


def _mesh(slot: NDArray[np.int32], neighbours: NDArray[np.int64]) -> NDArray[np.int32]:
    """Cut the edges from each neighbour to later ones into runs of consecutive slots.

    A run can end only where the neighbours themselves have a gap, which is rare towards the end, where
    neighbours are many.

    Parameters
    ----------
    slot
        Slot of the edge between any two connected positions, earlier first; it does not decrease along a
        row and is constant up to the diagonal, so that no run begins there.
    neighbours
        Positions, ascending.

    Examples
    --------
    >>> slot = np.array([[0, 4, 5, 6, 7], [7, 7, 8, 8, 9], [9] * 5, [9, 9, 9, 9, 10], [10] * 5])
    >>> _mesh(slot, np.array([0, 1, 2, 4])).tolist()
    [[0, 1, 3, 4], [0, 3, 4, 7], [1, 2, 4, 8], [2, 3, 4, 9]]
    """
    n_neighbour = len(neighbours)
    begins = np.eye(n_neighbour, k=1, dtype=np.bool_)  # every list of later neighbours begins a run
    gaps = np.flatnonzero(np.diff(neighbours) > 1) + 1
    rows = slot[neighbours]
    begins[:, gaps] |= rows[:, neighbours[gaps]] - rows[:, neighbours[gaps - 1]] > 1
    neighbour, start = np.divmod(np.flatnonzero(begins), max(n_neighbour, 1))
    stop = np.where(np.diff(neighbour, append=-1) == 0, np.append(start[1:], 0), n_neighbour)
    return np.stack([neighbour, start, stop, rows[neighbour, neighbours[start]]], axis=1, dtype=np.int32)


def _runs(numbers: NDArray[np.integer]) -> tuple[IndexRun, ...]:
    """Cut an ascending list into runs of consecutive numbers.

    Examples
    --------
    >>> _runs(np.array([4, 5, 9]))
    (IndexRun(start=0, stop=2, target=4), IndexRun(start=2, stop=3, target=9))
    """
    if not len(numbers):
        return ()
    cuts = np.flatnonzero(np.diff(numbers) != 1) + 1
    return tuple(IndexRun(a, b, int(numbers[a])) for a, b in pairwise([0, *cuts.tolist(), len(numbers)]))
