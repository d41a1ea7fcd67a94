"""Variances of the dates of a vector of pixels, compiled for the CPU, from the factor that the solution left.

What it computes is what :func:`fringefleet.solver.uncertainty.selected_variances` computes: backward over the
dates, the covariance of a date with each of its neighbours,

    Z_va = sum_b f_b Z_ba,        Z_vv = 1/d + sum_a f_a Z_va

where every Z_ba has a row in the order of the slots, and every Z_aa one after them.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.compiled_steps import add_products
from fringefleet.solver.jit import exact, fast


class Spread(NamedTuple):
    """Memory for the variances of a vector of pixels, and the way through it."""

    covariance: Any  # (slot and position, pixel)
    tie: Any  # (position, pixel): 1 within rounding in the root's part, else 0
    first_path: Any  # (slot and one,): of each slot in paths
    paths: Any  # (path, 2): slot of f_b, row of Z_ba
    same: Any  # (slot, 2): slot of f_a, row of Z_va, which are the same


@fast
@no_type_check
def find_variances(cells, walk, spread):
    """Find the variance of every date relative to the root, in the rows after those of the slots."""
    real = cells.inverse.dtype.type
    n_turn, n_slot = len(walk.order) - 1, len(walk.base)
    spread.covariance[n_slot + n_turn][:] = real(0)
    spread.tie[n_turn][:] = real(1)
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        first, last = walk.firsts[place, 0], walk.firsts[place + 1, 0]
        for slot in range(first, last):
            shared = spread.covariance[slot]
            shared[:] = real(0)
            begin, end = spread.first_path[slot], spread.first_path[slot + 1]
            add_products(shared, cells.factor, spread.covariance, spread.paths, begin, end)
        variance, inverse = spread.covariance[n_slot + place], cells.inverse[place]
        for p in range(len(variance)):
            variance[p] = inverse[p]
        add_products(variance, cells.factor, spread.covariance, spread.same, first, last)
        tie = spread.tie[place]
        tie[:] = real(0)
        add_products(tie, cells.factor, spread.tie, walk.later, first, last)


@exact
@no_type_check
def keep_variances(walk, spread, first, n_here, variance):
    """Write the variances of a vector to those of the batch, (date, pixel); NaN where nothing ties."""
    n_slot = len(walk.base)
    for place in range(len(walk.order)):
        found, tie = spread.covariance[n_slot + place], spread.tie[place]
        into = variance[walk.order[place], first : first + n_here]
        for p in range(n_here):
            into[p] = found[p] if tie[p] > 0 else np.nan
