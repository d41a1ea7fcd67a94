"""Elimination plan as tables of numbers that a kernel can follow.

Every sum that a kernel forms at a date or at an edge has its terms listed here, so that it is gathered: each
value is stored once, complete, and no loop adds to a value stored by another.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan, IndexRun

NO_PAIR = -1  # of an edge that is fill


class Tables(NamedTuple):
    """Lists in order of position, and the start of the part of each position or slot in them.

    A pair's sign is +1 where it measures phase[earlier] - phase[later], else -1.
    """

    firsts: Int32[np.ndarray, "date_and_one 4"]  # of each position in: slots, rows, earlier, tied
    order: Int32[np.ndarray, "date"]  # date of each position
    slots: Int32[np.ndarray, "slot 4"]  # pair or NO_PAIR, its sign, position of the later date, row
    rows: Int32[np.ndarray, "pair 3"]  # pair, its sign, position of the later date
    earlier: Int32[np.ndarray, "pair 4"]  # pair, its sign, position of the earlier date, row; by later date
    tied: Int32[np.ndarray, "slot 2"]  # slot, position of the earlier date; by later date
    first_update: Int32[np.ndarray, "slot_and_one"]  # of each slot in: updates
    updates: Int32[np.ndarray, "update 3"]  # terms f * e of a slot: slot of f, slot of e, their position


@lru_cache(maxsize=16)
def tables_of(plan: EliminationPlan) -> Tables:
    """Return a plan as tables; made once per process and plan.

    Examples
    --------
    >>> from fringefleet.network.network import Network
    >>> from fringefleet.network.elimination_order import plan_elimination
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> plan = plan_elimination(Network(tuple(days), ((0, 1), (1, 2), (0, 2))))
    >>> for table in tables_of(plan):
    ...     print(table.tolist())
    [[0, 0, 0, 0], [2, 2, 0, 0], [3, 3, 1, 1], [3, 3, 3, 3]]
    [2, 1, 0]
    [[1, 1, 1, 0], [2, 1, 2, 1], [0, 1, 2, 2]]
    [[1, 1, 1], [2, 1, 2], [0, 1, 2]]
    [[1, 1, 0, 0], [2, 1, 0, 1], [0, 1, 1, 2]]
    [[0, 0], [1, 0], [2, 1]]
    [0, 0, 0, 1]
    [[0, 1, 0]]
    """
    turns = plan.turns
    n_slot = [turn.slots.stop - turn.slots.start for turn in turns]
    n_row = [turn.rows.stop - turn.rows.start for turn in turns]
    neighbours = _targets(run for turn in turns for run in turn.neighbours)
    partners = _targets(run for turn in turns for run in turn.partners)
    pairs = np.stack([plan.pair_order, plan.pair_sign], axis=1).astype(np.int32)
    rows = np.column_stack([pairs, partners])
    numbers = np.arange(len(rows), dtype=np.int32)
    slots = np.full((plan.n_slot, 4), NO_PAIR, np.int32)
    slots[_targets(run for turn in turns for run in turn.pair_slots)] = np.column_stack([rows, numbers])
    slots[:, 2] = neighbours
    position_of_slot, position_of_row = (np.repeat(np.arange(len(turns)), n) for n in (n_slot, n_row))
    by_partner, by_neighbour = (np.argsort(ends, kind="stable") for ends in (partners, neighbours))
    first_update, updates = _updates(plan)
    return Tables(
        firsts=np.stack(
            [
                _firsts(np.append(n_slot, 0)),
                _firsts(np.append(n_row, 0)),
                _firsts(np.bincount(partners, minlength=len(turns) + 1)),
                _firsts(np.bincount(neighbours, minlength=len(turns) + 1)),
            ],
            axis=1,
        ),
        order=np.array(plan.order, np.int32),
        slots=slots,
        rows=rows,
        earlier=np.column_stack([pairs, position_of_row, numbers]).astype(np.int32)[by_partner],
        tied=np.column_stack([by_neighbour, position_of_slot[by_neighbour]]).astype(np.int32),
        first_update=first_update,
        updates=updates,
    )


def rows_between(plan: EliminationPlan) -> Int32[np.ndarray, "date date"]:
    """Number the covariances of any two positions by their slot; of each with itself, after the slots.

    Examples
    --------
    >>> from fringefleet.network.network import Network
    >>> from fringefleet.network.elimination_order import plan_elimination
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> rows_between(plan_elimination(Network(tuple(days), ((0, 1), (1, 2))))).tolist()
    [[2, 0, -1], [0, 3, 1], [-1, 1, 4]]
    """
    n_date = len(plan.order)
    rows = np.full((n_date, n_date), NO_PAIR, np.int32)
    np.fill_diagonal(rows, plan.n_slot + np.arange(n_date))
    slot, earlier = tables_of(plan).tied.T
    later = tables_of(plan).slots[slot, 2]
    rows[earlier, later] = rows[later, earlier] = slot
    return rows


def _updates(plan: EliminationPlan) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """List, slot by slot, the updates of an edge by the elimination of earlier dates, in order of position.

    Examples
    --------
    >>> from fringefleet.network.network import Network
    >>> from fringefleet.network.elimination_order import plan_elimination
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 2, 3, 4)]
    >>> plan = plan_elimination(Network(tuple(days), ((0, 1), (0, 2), (0, 3))), root=3)
    >>> [table.tolist() for table in _updates(plan)]
    [[0, 0, 0, 0], []]
    """
    turns = plan.turns
    position = np.repeat(np.arange(len(turns)), [len(turn.mesh) for turn in turns])
    first = np.array([turn.slots.start for turn in turns])[position]
    neighbour, start, stop, target = np.concatenate([turn.mesh for turn in turns]).T
    n = stop - start
    of_run = np.repeat(np.arange(len(n)), n)
    step = np.arange(len(of_run)) - np.repeat(np.cumsum(n) - n, n)
    targets = target[of_run] + step
    found = np.stack([(first + neighbour)[of_run], (first + start)[of_run] + step, position[of_run]], axis=1)
    by_target = np.argsort(targets, kind="stable")
    return _firsts(np.bincount(targets, minlength=plan.n_slot)), found[by_target].astype(np.int32)


def _firsts(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the index of the first member of each group, and one past the last group."""
    return np.cumsum(np.insert(counts, 0, 0), dtype=np.int32)


def _targets(runs: Iterable[IndexRun]) -> NDArray[np.int32]:
    """List the members of some runs in the other place."""
    return np.concatenate([np.arange(run.there.start, run.there.stop, dtype=np.int32) for run in runs])
