"""Steps of the elimination of a vector of pixels, compiled for the CPU.

A row is one value of each pixel of a vector, and every step iterates over rows: sums are held in registers,
and every operation works on whole vectors (:mod:`fringefleet.solver.compiled.vectors`). A pixel therefore
gets the same bits wherever it is in a vector and whatever its neighbours are.

Nothing may be reassociated. Products and sums may be contracted into one instruction with one rounding, which
is the same for all pixels.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.compiled.jit import fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.vectors import PART, fill, load, root_of, rounded_to, store, to_double, where


class VectorBuffers(NamedTuple):
    """Memory for one vector of pixels; rows in the order of the plan."""

    residual: Any  # (pair, pixel): phases [rad], then residuals
    weight: Any  # (pair, pixel) [rad^-2]; zero where an observation is missing
    right: Any  # (position, pixel): right-hand side, then as it is substituted forward
    sums: Any  # (N_SUM, pixel): see kernel.py
    factor: Any  # (slot, pixel): weights of edges times the root of their earlier date
    root: Any  # (position, pixel): that of 1 / d, or 0
    exact: Any  # (position, pixel): the right-hand side in float64
    series: Any  # (position, pixel) [rad]
    change: Any  # (position, pixel): by the refinement
    scratch: Any  # (2, pixel)


class KernelPlan(NamedTuple):
    """Elimination plan as tables of numbers, which a kernel follows."""

    firsts: Any  # (position and one, 3): of each position in slots, rows, tied
    order: Any  # (position,): date
    anchor: int  # position of the date whose pairs are not counted
    rows: Any  # (pair, 3): pair, its sign, position of the later date
    base: Any  # (slot,): row of its pair; NO_PAIR of fill
    later: Any  # (slot, 2): slot, position of the later date
    tied: Any  # (slot, 2): slot, position of the earlier date; by later date
    first_update: Any  # (slot and one,): of each slot in updates
    updates: Any  # (update, 2): slot of f, slot of e


@fast
@no_type_check
def factorise_vector(cells, walk):
    """Eliminate date by date: the factors, their roots, and the right-hand side substituted forward.

    A root is that of 1 / d, or 0 where d is 0. A factor is the weight of its edge times the root: one row
    per edge is therefore enough, as a later edge is updated by the product of two factors.
    """
    n_turn = len(walk.order) - 1
    for place in range(n_turn):
        first, last = walk.firsts[place, 0], walk.firsts[place + 1, 0]
        total = fill(cells.root, LANES, 0)
        for slot in range(first, last):
            row = walk.base[slot]
            edge = load(cells.weight, row, 0, LANES) if row >= 0 else fill(cells.root, LANES, 0)
            for update in range(walk.first_update[slot], walk.first_update[slot + 1]):
                one = load(cells.factor, walk.updates[update, 0], 0, LANES)
                edge = edge + one * load(cells.factor, walk.updates[update, 1], 0, LANES)
            store(cells.factor, slot, 0, edge)
            total = total + edge
        share = 1 / total
        root = root_of(where(share < np.inf, share, 0))
        right = load(cells.right, place, 0, LANES) * root
        store(cells.root, place, 0, root)
        store(cells.right, place, 0, right)
        for slot in range(first, last):
            later = walk.later[slot, 1]
            factor = load(cells.factor, slot, 0, LANES) * root
            store(cells.factor, slot, 0, factor)
            store(cells.right, later, 0, load(cells.right, later, 0, LANES) + factor * right)
    store(cells.root, n_turn, 0, fill(cells.root, LANES, 0))


@fast
@no_type_check
def sum_weighted_phases(cells, walk):
    """Sum weight times phase at every date."""
    cells.right[:] = 0
    for place in range(len(walk.firsts) - 2):
        near = load(cells.right, place, 0, LANES)
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            partner = walk.rows[row, 2]
            pull = load(cells.weight, row, 0, LANES) * load(cells.residual, row, 0, LANES)
            near = near + pull
            store(cells.right, partner, 0, load(cells.right, partner, 0, LANES) - pull)
        store(cells.right, place, 0, near)


@fast
@no_type_check
def forward(cells, walk):
    """Substitute a new right-hand side forward; :func:`factorise_vector` does so with its own."""
    for place in range(len(walk.firsts) - 2):
        right = load(cells.right, place, 0, LANES)
        for tie in range(walk.firsts[place, 2], walk.firsts[place + 1, 2]):
            earlier = load(cells.right, walk.tied[tie, 1], 0, LANES)
            right = right + load(cells.factor, walk.tied[tie, 0], 0, LANES) * earlier
        store(cells.right, place, 0, right * load(cells.root, place, 0, LANES))


@fast
@no_type_check
def backward(cells, walk, solution):
    """Substitute backward the right-hand side that was substituted forward."""
    n_turn = len(walk.firsts) - 2
    store(solution, n_turn, 0, fill(solution, LANES, 0))
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        value = load(cells.right, place, 0, LANES)
        for slot in range(walk.firsts[place, 0], walk.firsts[place + 1, 0]):
            later = load(solution, walk.later[slot, 1], 0, LANES)
            value = value + load(cells.factor, slot, 0, LANES) * later
        store(solution, place, 0, value * load(cells.root, place, 0, LANES))


@fast
@no_type_check
def subtract_model_vector(cells, walk, series):
    """Subtract the phase differences of a series from the residual; sum the weighted rest in float64.

    At the solution these sums vanish although their terms do not: in float32 the sum would be the rounding
    error of the heaviest pair, and the lightest pair would follow it.
    """
    cells.exact[:] = 0.0
    for place in range(len(walk.firsts) - 2):
        first, last = walk.firsts[place, 1], walk.firsts[place + 1, 1]
        for lane in range(0, LANES, PART):
            value, near = load(series, place, lane, PART), load(cells.exact, place, lane, PART)
            for row in range(first, last):
                partner = walk.rows[row, 2]
                residual = load(cells.residual, row, lane, PART)
                residual = residual + (load(series, partner, lane, PART) - value)
                store(cells.residual, row, lane, residual)
                pull = to_double(load(cells.weight, row, lane, PART)) * to_double(residual)
                near = near + pull
                store(cells.exact, partner, lane, load(cells.exact, partner, lane, PART) - pull)
            store(cells.right, place, lane, rounded_to(near, cells.right))


@fast
@no_type_check
def refine(cells, walk, validity):
    """Add the change to the series, and subtract it from the residuals of valid pairs.

    ``validity``, (pair, pixel), is above zero where a pair is valid.
    """
    for place in range(len(walk.order)):
        series = load(cells.series, place, 0, LANES)
        store(cells.series, place, 0, series + load(cells.change, place, 0, LANES))
    for place in range(len(walk.order) - 1):
        change = load(cells.change, place, 0, LANES)
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            other, residual = (
                load(cells.change, walk.rows[row, 2], 0, LANES),
                load(cells.residual, row, 0, LANES),
            )
            rest = residual + (other - change)
            store(cells.residual, row, 0, where(load(validity, row, 0, LANES) > 0, rest, 0))
