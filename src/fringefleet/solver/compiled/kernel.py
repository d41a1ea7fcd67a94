"""The elimination of batches of pixels, compiled for the CPU: one vector of pixels after the other, in cache.

It computes the same as :mod:`fringefleet.solver.elimination`, with the same arithmetic: single precision, and
one refinement whose right-hand side is summed in float64. But where that passes through the memory of a whole
batch with every operation, this completes one vector before it starts the next: each value of the file is
read once, and only the result is written.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.compiled.irls import CONVERGED, reweigh_vector
from fringefleet.solver.compiled.jit import exact, fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.observe import observe_vector
from fringefleet.solver.compiled.steps import (
    VectorBuffers,
    backward,
    factorise_vector,
    forward,
    refine,
    subtract_model_vector,
)
from fringefleet.solver.compiled.time_factor import keep_parameters, substitute_parameters
from fringefleet.solver.compiled.variances import find_variances, keep_variances
from fringefleet.solver.compiled.vectors import (
    PART,
    fill,
    floor_of,
    load,
    multiply_add,
    size_of,
    store,
    where,
)
from fringefleet.solver.limits import LARGEST_CHANGE, LARGEST_SPREAD

# Cosine less 1 in powers of the square of x, and sine over x likewise, for x half turns, up to a quarter of
# a turn; by least largest error, which is below 3e-10
C1, C2, C3, C4, C5 = (
    -4.9348021560,
    4.0587095988,
    -1.3352160910,
    2.3495385157e-1,
    -2.4420564813e-2,
)
S0, S1, S2, S3, S4, S5 = (
    3.1415926536,
    -5.1677127693,
    2.5501634256,
    -5.9925319001e-1,
    8.2054414513e-2,
    -7.0342667798e-3,
)
# Turns per radian, to 24 bits, and the remainder
_PER_TURN = float(np.float32(0.5 / np.pi))
_PER_TURN_LOW = 0.5 / np.pi - _PER_TURN

# Rows of ``sums``: over the valid pairs of a pixel
_SQUARE, _COSINE, _SINE, _WEIGHTED, _COUNT = range(5)
_N_SUM = 4  # of these are in the result
N_SUM = 5

_SMALLEST_SHARE = LARGEST_SPREAD**-0.5  # of roots


class VectorMemory(NamedTuple):
    """Memory for solving a vector of pixels, besides :class:`ObservationBuffers`; see ``VectorBuffers``."""

    factor: Any
    root: Any
    exact: Any
    series: Any
    change: Any
    scratch: Any


class VectorAnswer(NamedTuple):
    """Result of a batch; arrays that are not requested are empty."""

    series: Any  # (date, pixel) [rad], in the order of the network; of the batch, or of more
    first: int  # the first pixel of the batch in it
    sums: Any  # (4, pixel): of squares, cosines, sines, weighted squares of the residuals
    counts: Any  # (4, pixel): components, pairs, fewest pairs of a date, is unsettled
    labels: Any  # (date, pixel): index of the component of each date; only where there are several
    residual: Any  # (pair, pixel), in the rows of the plan: residual phases
    weight: Any  # likewise
    factor: Any  # (slot, pixel): f of the edges
    inverse: Any  # (position, pixel): 1 / d
    variance: Any  # (date, pixel) relative to the root, in the order of the network, for weights of variances
    converged: Any  # (pixel,): whether the reweighting converged
    covariance: Any  # (parameter times parameter, pixel) of parameters of the series, likewise


@exact
@no_type_check
def invert_vectors(source, strip, memory, walk, rounds, spread, parameters, fewest_of_all, answer):
    """Invert all pixels of a batch: load observations of several vectors, then solve vector after vector.

    ``rounds``, ``spread`` and ``parameters`` are None where not requested: code that needs them is then not
    even compiled.
    """
    n_pixel = answer.sums.shape[1]
    n_lane = strip.residual.shape[0] * LANES
    for begin in range(0, n_pixel, n_lane):
        n_strip = min(n_lane, n_pixel - begin)
        observe_vector(source, walk, begin, n_strip, strip)
        for member in range((n_strip + LANES - 1) // LANES):
            first = begin + member * LANES
            n_here = min(LANES, n_pixel - first)
            cells = VectorBuffers(
                strip.residual[member],
                strip.weight[member],
                strip.right[member],
                strip.sums[member],
                memory.factor,
                memory.root,
                memory.exact,
                memory.series,
                memory.change,
                memory.scratch,
            )
            _invert_vector(cells, walk, rounds, spread, parameters, first, n_here, fewest_of_all, answer)


@exact
@no_type_check
def _invert_vector(cells, walk, rounds, spread, parameters, first, n_here, fewest_of_all, answer):
    """Invert the pixels of a vector, whose observations are loaded."""
    here = slice(first, first + n_here)
    _solve(cells, walk)
    if rounds is not None:
        refine(cells, walk, cells.weight)
        judge(cells, answer.counts[0, here], answer.counts[3, here])
        reweigh_vector(cells, walk, rounds)
        settled, converged = rounds.state[CONVERGED], answer.converged[here]
        for p in range(n_here):
            converged[p] = settled[p] > 0
        measure_vector(cells, walk, rounds.deviation)
    else:
        measure_vector(cells, walk, cells.weight)
        judge(cells, answer.counts[0, here], answer.counts[3, here])
    if spread is not None or parameters is not None or len(answer.factor):
        sum_weighted_squares(cells)
    if spread is not None:
        find_variances(cells, walk, spread)
        keep_variances(walk, spread, first, n_here, answer.variance)
    if parameters is not None:
        substitute_parameters(cells.factor, cells.root, walk, parameters)
        keep_parameters(parameters, first, n_here, answer.covariance)
    _keep(cells, walk, first, n_here, fewest_of_all, answer)


@fast
@no_type_check
def _solve(cells, walk):
    """Find the series of the loaded observations, each component of a disconnected network grounded.

    It is not refined: ``change`` is to be added.
    """
    factorise_vector(cells, walk)
    backward(cells, walk, cells.series)
    subtract_model_vector(cells, walk, cells.series)
    forward(cells, walk)
    backward(cells, walk, cells.change)


@fast
@no_type_check
def measure_vector(cells, walk, validity):
    """Refine the series; sum up the residuals.

    ``validity``, (pair, pixel), is above zero where a pair is valid.
    """
    for place in range(len(walk.firsts) - 1):
        series = load(cells.series, place, 0, LANES)
        store(cells.series, place, 0, series + load(cells.change, place, 0, LANES))
    for lane in range(0, LANES, PART):
        square, cosine, sine = (
            fill(cells.sums, PART, 0),
            fill(cells.sums, PART, 0),
            fill(cells.sums, PART, 0),
        )
        for place in range(len(walk.firsts) - 2):
            change = load(cells.change, place, lane, PART)
            for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
                other = load(cells.change, walk.rows[row, 2], lane, PART)
                rest = load(cells.residual, row, lane, PART) + (other - change)
                rest = where(load(validity, row, lane, PART) > 0, rest, 0)
                store(cells.residual, row, lane, rest)
                square = square + rest * rest
                turns = rest * _PER_TURN_LOW + multiply_add(
                    rest, _PER_TURN, 0 - floor_of(rest * _PER_TURN + 0.5)
                )
                z = turns * turns
                c = 1 + z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * C5))))
                s = turns * (S0 + z * (S1 + z * (S2 + z * (S3 + z * (S4 + z * S5)))))
                cosine = cosine + s * s  # of the whole angle: 1 - 2 s^2 and 2 s c
                sine = sine + (s * walk.rows[row, 1]) * c  # as the pair was given, not as the plan turns it
        store(cells.sums, _SQUARE, lane, square)
        store(cells.sums, _COSINE, lane, load(cells.sums, _COUNT, lane, PART) - 2 * cosine)
        store(cells.sums, _SINE, lane, 2 * sine)


@fast
@no_type_check
def sum_weighted_squares(cells):
    """Sum the weighted squares of the residuals, for an estimate of the variance."""
    total = fill(cells.sums, LANES, 0)
    for row in range(len(cells.weight)):
        residual = load(cells.residual, row, 0, LANES)
        total = total + load(cells.weight, row, 0, LANES) * residual * residual
    store(cells.sums, _WEIGHTED, 0, total)


@exact
@no_type_check
def _keep(cells, walk, first, n_here, fewest_of_all, answer):
    """Write the results of a vector to those of the batch."""
    here, begin = slice(first, first + n_here), answer.first + first
    for place in range(len(walk.order)):
        series, into = cells.series[place], answer.series[walk.order[place], begin : begin + n_here]
        for p in range(n_here):
            into[p] = series[p]
    for which in range(_N_SUM):
        total, into = cells.sums[which], answer.sums[which, here]
        for p in range(n_here):
            into[p] = total[p]
    count, into = cells.sums[_COUNT], answer.counts[1, here]
    for p in range(n_here):
        into[p] = np.int32(count[p])
    components = answer.counts[0, here]
    is_cut = False
    for p in range(n_here):
        if components[p] > 1:
            is_cut = True
            _label(cells, walk, p, answer.labels[:, first + p])
    into = answer.counts[2, here]
    into[:] = len(walk.rows)
    if is_cut or fewest_of_all:
        _count_pairs(cells, walk)
        for place in range(len(walk.order)):
            if place != walk.anchor:
                count = cells.right[place]
                for p in range(n_here):
                    into[p] = min(into[p], np.int32(count[p]))
    _keep_rows(cells, walk, here, n_here, answer)


@exact
@no_type_check
def _keep_rows(cells, walk, here, n_here, answer):
    """Write the requested data of pairs and edges."""
    if len(answer.weight):
        for row in range(len(walk.rows)):
            residual, weight = cells.residual[row], cells.weight[row]
            left, used = answer.residual[row, here], answer.weight[row, here]
            for p in range(n_here):
                left[p] = residual[p]
                used[p] = weight[p]
    if len(answer.factor):
        for place in range(len(walk.order)):
            root, into = cells.root[place], answer.inverse[place, here]
            for p in range(n_here):
                into[p] = root[p] * root[p]
            for slot in range(walk.firsts[place, 0], walk.firsts[place + 1, 0]):
                factor, into = cells.factor[slot], answer.factor[slot, here]
                for p in range(n_here):
                    into[p] = factor[p] * root[p]


@exact
@no_type_check
def judge(cells, components, is_unsettled):
    """Count the connected components of each pixel; find where weights spread too far for float32."""
    for lane in range(0, LANES, PART):
        nothing = fill(cells.root, PART, 0)
        changed, reach, most, parts = nothing, nothing, nothing, nothing
        least = fill(cells.root, PART, np.inf)
        for place in range(len(cells.root)):
            change = size_of(load(cells.change, place, lane, PART))
            series = size_of(load(cells.series, place, lane, PART))
            root = load(cells.root, place, lane, PART)
            changed = where(change > changed, change, changed)
            reach = where(series > reach, series, reach)
            most = where(root > most, root, most)
            least = where((root > 0) & (root < least), root, least)
            parts = parts + where(root > 0, nothing, 1)
        loose = (changed > reach * LARGEST_CHANGE) | (most * _SMALLEST_SHARE > least)
        store(cells.scratch, 0, lane, parts)
        store(cells.scratch, 1, lane, where(loose, nothing + 1, 0))
    for p in range(len(components)):
        components[p] = np.int32(cells.scratch[0, p])
        is_unsettled[p] = np.int32(cells.scratch[1, p])


@exact
@no_type_check
def _label(cells, walk, p, labels):
    """Number the components of a pixel from 0, that of the root."""
    n_turn = len(walk.order) - 1
    number = 0
    labels[walk.order[n_turn]] = 0
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        label = 0
        if cells.root[place, p] == 0:
            number += 1
            label = number
        else:  # all neighbours are in one component
            for slot in range(walk.firsts[place, 0], walk.firsts[place + 1, 0]):
                if cells.factor[slot, p] > 0:
                    label = labels[walk.order[walk.later[slot, 1]]]
        labels[walk.order[place]] = label


@exact
@no_type_check
def _count_pairs(cells, walk):
    """Count the valid pairs of every date, in place of the right-hand side."""
    cells.right[:] = 0
    for place in range(len(walk.order) - 1):
        near = load(cells.right, place, 0, LANES)
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            partner = walk.rows[row, 2]
            valid = where(load(cells.weight, row, 0, LANES) > 0, fill(cells.right, LANES, 1), 0)
            near = near + valid
            store(cells.right, partner, 0, load(cells.right, partner, 0, LANES) + valid)
        store(cells.right, place, 0, near)
