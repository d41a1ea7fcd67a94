"""Robust norms for a vector of pixels, compiled for the CPU: reweighted until all of its pixels converge.

The rules are those of :mod:`fringefleet.solver.irls`, which explains them. A converged pixel is not changed
by further iterations for others: its result is independent of them.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver import limits
from fringefleet.solver.compiled.jit import exact, fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.steps import backward, factorise_vector, refine, sum_weighted_phases
from fringefleet.solver.compiled.vectors import PART, fill, load, root_of, size_of, store, where

_SMOOTHED, _SHRINK, _STEP, _STILL = limits.SMOOTHED, limits.SHRINK, limits.STEP, limits.STILL
_SETTLED_L1, _SETTLED_HUBER, _FLAT = 1 - limits.SETTLED["l1"], 1 - limits.SETTLED["huber"], 1 - limits.FLAT


# Rows of ``state``
CONVERGED, _THRESHOLD, _TOTAL, _SMALLEST, _N_PAIR, _SUM_OF_ROOTS, _SUM_OF_U, _MINIMISED, _MOVED = range(9)
N_STATE = 9


class Reweighting(NamedTuple):
    """Memory for reweighting a vector of pixels, and its stopping criteria."""

    deviation: Any  # (pair, pixel): square roots of the initial weights
    state: Any  # (N_STATE, pixel)
    is_l1: bool
    threshold: float  # of huber [standard deviations]
    most: int  # iterations


@fast
@no_type_check
def reweigh_vector(cells, walk, rounds):
    """Continue from least squares to a robust norm; residual, weight, series and factor are replaced.

    The row ``CONVERGED`` of the state is set to 1 for converged pixels, else 0.
    """
    _begin(cells, rounds)
    for _ in range(rounds.most):
        _weigh(cells.residual, cells.weight, rounds.deviation, rounds.state)
        n_moving = _update_convergence(cells.change, rounds.state, rounds.is_l1)
        if n_moving == 0:
            break
        sum_weighted_phases(cells, walk)
        factorise_vector(cells, walk)
        backward(cells, walk, cells.change)
        _go(cells, walk, rounds)
    factorise_vector(cells, walk)  # with the last weights, for variances if requested
    cells.change[:] = cells.change.dtype.type(0)


@exact
@no_type_check
def _begin(cells, rounds):
    """Keep the square roots of the weights; no pixel has converged yet."""
    tiny, rounding = np.finfo(cells.series.dtype).tiny, np.finfo(cells.series.dtype).eps
    state, nothing = rounds.state, fill(cells.series, LANES, 0)
    n_pair, sum_of_roots, mean, largest, reach = nothing, nothing, nothing, nothing, nothing
    for row in range(len(cells.weight)):
        root = root_of(load(cells.weight, row, 0, LANES))
        store(rounds.deviation, row, 0, root)
        n_pair = n_pair + where(root > 0, fill(cells.series, LANES, 1), 0)
        mean = mean + size_of(load(cells.residual, row, 0, LANES)) * root
        sum_of_roots = sum_of_roots + root
        largest = where(root > largest, root, largest)
    for place in range(len(cells.series)):
        series = size_of(load(cells.series, place, 0, LANES))
        reach = where(series > reach, series, reach)
    n_pair = where(n_pair > 1, n_pair, 1)
    first = mean / n_pair if rounds.is_l1 else fill(cells.series, LANES, rounds.threshold)
    store(state, CONVERGED, 0, nothing)
    store(state, _THRESHOLD, 0, where(first > tiny, first, tiny))
    store(state, _TOTAL, 0, fill(cells.series, LANES, np.inf))
    store(state, _SMALLEST, 0, rounding * (reach * largest) * n_pair)  # a total that is rounding
    store(state, _N_PAIR, 0, n_pair)
    store(state, _SUM_OF_ROOTS, 0, sum_of_roots)


@fast
@no_type_check
def _weigh(residuals, weights, deviations, state):
    """Weight every pair by its residual; sum u, and the objective."""
    for lane in range(0, LANES, PART):
        threshold = load(state, _THRESHOLD, lane, PART)
        sum_of_u, minimised = fill(state, PART, 0), fill(state, PART, 0)
        for row in range(len(weights)):
            root = load(deviations, row, lane, PART)
            u = size_of(load(residuals, row, lane, PART)) * root
            inside, beyond = where(u < threshold, u, threshold), where(u > threshold, u, threshold)
            sum_of_u = sum_of_u + u
            minimised = minimised + (u - 0.5 * inside) * inside
            store(weights, row, lane, root * root * (threshold / beyond))
        store(state, _SUM_OF_U, lane, sum_of_u)
        store(state, _MINIMISED, lane, minimised)


@exact
@no_type_check
def _update_convergence(changes, state, is_l1):
    """Compare the sums with those of the previous iteration; lower the thresholds of unconverged pixels.

    Returns the number of the latter.
    """
    real = changes.dtype.type
    zero, one = real(0), real(1)
    tiny = real(np.finfo(changes.dtype).tiny)
    settled, threshold, total = state[CONVERGED], state[_THRESHOLD], state[_TOTAL]
    smallest, n_pair, sum_of_roots = state[_SMALLEST], state[_N_PAIR], state[_SUM_OF_ROOTS]
    sum_of_u, minimised, moved = state[_SUM_OF_U], state[_MINIMISED], state[_MOVED]
    most = fill(changes, LANES, 0)
    for place in range(len(changes)):
        change = size_of(load(changes, place, 0, LANES))
        most = where(change > most, change, most)
    store(state, _MOVED, 0, most)
    n_moving = 0
    for p in range(len(settled)):
        if settled[p] > zero:
            continue
        if is_l1:
            lowest = max(sum_of_u[p] / n_pair[p] * real(_SMOOTHED), tiny)
            new_total = sum_of_u[p]
            near_enough = threshold[p] <= 2 * lowest
            at_rest = (new_total >= total[p] * real(_SETTLED_L1)) and near_enough
            at_rest = at_rest or new_total <= smallest[p]
            if not at_rest:  # whose weights are final
                threshold[p] = max(threshold[p] * real(_SHRINK), lowest)
        else:
            new_total = minimised[p] / threshold[p]
            still = moved[p] * sum_of_roots[p] <= sum_of_u[p] * real(_STILL)
            at_rest = (new_total >= total[p] * real(_SETTLED_HUBER)) and (
                still or new_total >= total[p] * real(_FLAT)
            )
            at_rest = at_rest or new_total <= smallest[p]
        total[p] = new_total
        settled[p] = one if at_rest else zero
        n_moving += not at_rest
    return n_moving


@fast
@no_type_check
def _go(cells, walk, rounds):
    """Take a step for the pixels that have not converged."""
    step = _STEP * (1 - load(rounds.state, CONVERGED, 0, LANES))
    for place in range(len(cells.change)):
        store(cells.change, place, 0, load(cells.change, place, 0, LANES) * step)
    refine(cells, walk, rounds.deviation)
