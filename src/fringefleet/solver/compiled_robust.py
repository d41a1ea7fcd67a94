"""Robust norms for a vector of pixels, compiled for the CPU: it is reweighed until all of its pixels rest.

The rules are those of :mod:`fringefleet.solver.robust`, which explains them. A pixel that has come to rest
stays as it is, whoever goes on: its answer is its own.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver import robust
from fringefleet.solver.compiled_steps import factorise, refine, substitute, sum_pulls
from fringefleet.solver.jit import exact, fast

_SMOOTHED, _SHRINK, _STEP, _STILL = robust.SMOOTHED, robust.SHRINK, robust.STEP, robust.STILL
_SETTLED_L1, _SETTLED_HUBER, _FLAT = 1 - robust.SETTLED["l1"], 1 - robust.SETTLED["huber"], 1 - robust.FLAT


class Rounds(NamedTuple):
    """Memory for reweighing a vector of pixels, and what ends it."""

    deviation: Any  # (pair, pixel): roots of the weights that it begins with
    state: Any  # (10, pixel)
    is_l1: bool
    threshold: float  # of huber [standard deviations]
    most: int  # rounds


@fast
@no_type_check
def reweigh(cells, walk, rounds):
    """Go on from least squares to a robust norm; residual, weight, series and factor are replaced.

    In ``state[0]`` is left who has come to rest, as 1 and 0.
    """
    _begin(cells, rounds)
    for _ in range(rounds.most):
        _weigh(cells.residual, cells.weight, rounds.deviation, rounds.state)
        n_moving = _see_who_rests(cells.change, rounds.state, rounds.is_l1)
        if n_moving == 0:
            break
        factorise(cells, walk)
        sum_pulls(cells, walk)
        substitute(cells, walk, cells.change)
        _go(cells, walk, rounds)
    factorise(cells, walk)  # with the last weights, for whoever asks for variances
    cells.change[:] = cells.change.dtype.type(0)


@exact
@no_type_check
def _begin(cells, rounds):
    """Keep the roots of the weights; nobody rests yet."""
    real = cells.series.dtype.type
    zero, one = real(0), real(1)
    tiny, rounding = np.finfo(cells.series.dtype).tiny, np.finfo(cells.series.dtype).eps
    state = rounds.state
    settled, threshold, total, smallest, n_pair = state[0], state[1], state[2], state[3], state[4]
    sum_of_roots, mean, largest, reach = state[5], state[6], state[7], state[8]
    state[:] = zero
    for row in range(len(cells.weight)):
        weight, residual, root = cells.weight[row], cells.residual[row], rounds.deviation[row]
        for p in range(len(root)):
            root[p] = np.sqrt(weight[p])
            n_pair[p] += one if root[p] > zero else zero
            mean[p] += abs(residual[p]) * root[p]
            sum_of_roots[p] += root[p]
            largest[p] = max(largest[p], root[p])
    for place in range(len(cells.series)):
        series = cells.series[place]
        for p in range(len(reach)):
            reach[p] = max(reach[p], abs(series[p]))
    for p in range(len(settled)):
        n_pair[p] = max(n_pair[p], one)
        first = mean[p] / n_pair[p] if rounds.is_l1 else real(rounds.threshold)
        threshold[p] = max(first, real(tiny))
        smallest[p] = real(rounding) * (reach[p] * largest[p]) * n_pair[p]  # a total that is rounding
        total[p] = np.inf


@fast
@no_type_check
def _weigh(residuals, weights, deviations, state):
    """Weigh every pair by its residual; sum u, and what is minimised."""
    real = weights.dtype.type
    half = real(0.5)
    threshold, sum_of_u, minimised = state[1], state[6], state[7]
    sum_of_u[:] = real(0)
    minimised[:] = real(0)
    for row in range(len(weights)):
        residual, weight, root = residuals[row], weights[row], deviations[row]
        for p in range(len(threshold)):
            u = abs(residual[p]) * root[p]
            inside = u if u < threshold[p] else threshold[p]
            beyond = u if u > threshold[p] else threshold[p]
            sum_of_u[p] += u
            minimised[p] += (u - half * inside) * inside
            weight[p] = root[p] * root[p] * (threshold[p] / beyond)


@exact
@no_type_check
def _see_who_rests(changes, state, is_l1):
    """Compare the sums with those of the round before; lower the thresholds of those that go on.

    Returns how many those are.
    """
    real = changes.dtype.type
    zero, one = real(0), real(1)
    tiny = real(np.finfo(changes.dtype).tiny)
    settled, threshold, total, smallest, n_pair = state[0], state[1], state[2], state[3], state[4]
    sum_of_roots, sum_of_u, minimised, moved, further = state[5], state[6], state[7], state[8], state[9]
    moved[:] = zero
    for place in range(len(changes)):
        change = changes[place]
        for p in range(len(moved)):
            further[p] = abs(change[p]) if abs(change[p]) > moved[p] else moved[p]
        moved, further = further, moved
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
    """Take a step, those that do not rest."""
    real = cells.series.dtype.type
    one, step = real(1), real(_STEP)
    settled = rounds.state[0]
    for place in range(len(cells.change)):
        change = cells.change[place]
        for p in range(len(settled)):
            change[p] *= step * (one - settled[p])
    refine(cells, walk, rounds.deviation)
