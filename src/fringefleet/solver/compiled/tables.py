"""Elimination plan as the tables that the compiled kernel follows."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.compiled.steps import KernelPlan
from fringefleet.solver.tables import NO_PAIR, rows_between, tables_of


@lru_cache(maxsize=16)
def kernel_plan(plan: EliminationPlan) -> KernelPlan:
    """Return a plan as the tables that the kernel follows; made once per process and plan."""
    tables = tables_of(plan)
    slots = np.arange(plan.n_slot, dtype=np.int32)
    return KernelPlan(
        firsts=np.ascontiguousarray(tables.firsts[:, [0, 1, 3]]),
        order=tables.order,
        anchor=plan.order.index(plan.network.anchor),
        rows=tables.rows,
        base=np.where(tables.slots[:, 0] == NO_PAIR, NO_PAIR, tables.slots[:, 3]).astype(np.int32),
        later=np.stack([slots, tables.slots[:, 2]], axis=1),
        tied=tables.tied,
        first_update=tables.first_update,
        updates=np.ascontiguousarray(tables.updates[:, :2]),
    )


@lru_cache(maxsize=16)
def paths_of(plan: EliminationPlan) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """List the terms of the covariance of each edge.

    Returns
    -------
    tuple
        Start of the paths of each slot; the paths, as slot of the factor and row of the covariance.
    """
    walk, between = kernel_plan(plan), rows_between(plan)
    n_path, paths = [0], []
    for first, last in zip(walk.firsts[:-2, 0], walk.firsts[1:-1, 0], strict=True):
        ends = walk.later[first:last, 1]
        slots = np.arange(first, last, dtype=np.int32)
        n_path += [len(ends)] * len(ends)
        paths += [np.stack([slots, between[end, ends]], axis=1) for end in ends]
    return np.cumsum(n_path, dtype=np.int32), np.concatenate(paths).astype(np.int32)
