"""Variances of the dates of a vector of pixels, compiled for the CPU, from the factor of the solution.

It computes the same as :func:`fringefleet.solver.uncertainty.selected_variances`: backward over the dates,
the covariance of a date with each of its neighbours,

    Z_va = sum_b f_b Z_ba,        Z_vv = 1/d + sum_a f_a Z_va

where every Z_ba has a row in the order of the slots, and every Z_aa one after them. Every f_a is the factor
that is kept, times the root of 1/d.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.compiled.jit import exact, fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.vectors import fill, load, store


class VectorVariances(NamedTuple):
    """Memory for the variances of a vector of pixels, and tables of their terms."""

    covariance: Any  # (slot and position, pixel)
    tie: Any  # (position, pixel): 1 within rounding in the root's component, else 0
    first_path: Any  # (slot and one,): of each slot in paths
    paths: Any  # (path, 2): slot of f_b, row of Z_ba


@fast
@no_type_check
def find_variances(cells, walk, spread):
    """Compute the variance of every date relative to the root, in the rows after those of the slots."""
    n_turn, n_slot = len(walk.order) - 1, len(walk.base)
    store(spread.covariance, n_slot + n_turn, 0, fill(cells.root, LANES, 0))
    store(spread.tie, n_turn, 0, fill(cells.root, LANES, 1))
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        first, last = walk.firsts[place, 0], walk.firsts[place + 1, 0]
        root = load(cells.root, place, 0, LANES)
        for slot in range(first, last):
            shared = fill(cells.root, LANES, 0)
            for path in range(spread.first_path[slot], spread.first_path[slot + 1]):
                factor = load(cells.factor, spread.paths[path, 0], 0, LANES)
                shared = shared + factor * load(spread.covariance, spread.paths[path, 1], 0, LANES)
            store(spread.covariance, slot, 0, shared * root)
        variance, tie = root, fill(cells.root, LANES, 0)
        for slot in range(first, last):
            factor = load(cells.factor, slot, 0, LANES)
            variance = variance + factor * load(spread.covariance, slot, 0, LANES)
            tie = tie + factor * load(spread.tie, walk.later[slot, 1], 0, LANES)
        store(spread.covariance, n_slot + place, 0, variance * root)
        store(spread.tie, place, 0, tie * root)


@exact
@no_type_check
def keep_variances(walk, spread, first, n_here, variance):
    """Write the variances of a vector to those of the batch, (date, pixel); NaN where unconnected."""
    n_slot = len(walk.base)
    for place in range(len(walk.order)):
        found, tie = spread.covariance[n_slot + place], spread.tie[place]
        into = variance[walk.order[place], first : first + n_here]
        for p in range(n_here):
            into[p] = found[p] if tie[p] > 0 else np.nan
