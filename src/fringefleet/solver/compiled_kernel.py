"""The elimination of batches of pixels, compiled for the CPU: a vector of pixels after the other, in cache.

What it computes is what :mod:`fringefleet.solver.elimination` computes, with the same arithmetic: single
precision, and one refinement whose right-hand side is summed in float64. But where that goes through the
memory of a whole batch with every operation, this does everything with one vector before it begins the next:
each number of the file is read once, and only the answer is written.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.compiled_observe import observe
from fringefleet.solver.compiled_robust import reweigh
from fringefleet.solver.compiled_steps import factorise, refine, substitute, subtract_model
from fringefleet.solver.compiled_variances import find_variances, keep_variances
from fringefleet.solver.elimination import LARGEST_SPREAD, SETTLED
from fringefleet.solver.jit import exact, fast

# Cosine, and sine over the angle, up to a quarter turn: 1 and these times powers of the square of the angle,
# by least largest error: 3e-10 and 3e-11
COSINE = (-4.9999999549e-01, 4.1666640718e-02, -1.3888403364e-03, 2.4761878437e-05, -2.6076960995e-07)
SINE = (-1.6666666632e-01, 8.3333313260e-03, -1.9840894404e-04, 2.7526633259e-06, -2.3909485765e-08)
# Half a turn in three numbers; products of the first two with whole numbers up to 2^12 are exact in float32
HALF_TURN = (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)

# Rows of ``scratch``: sums over the valid pairs of a pixel; the others are for what is at work
_SQUARE, _COSINE, _SINE, _WEIGHTED, _COUNT = range(5)
_N_SUM = 4  # of these are in the answer
N_SCRATCH = 14

_SMALLEST_SHARE = 1 / LARGEST_SPREAD


class Answer(NamedTuple):
    """What a batch comes to; arrays that nobody wants are empty."""

    series: Any  # (date, pixel) [rad], in the order of the network
    sums: Any  # (4, pixel): of squares, cosines, sines, weighted squares of what is left
    counts: Any  # (4, pixel): parts, pairs, fewest pairs of a date, is unsettled
    labels: Any  # (date, pixel): number of the part of each date; only where there are several
    residual: Any  # (pair, pixel), in the rows of the plan: what is left of the phases
    weight: Any  # likewise
    factor: Any  # (slot, pixel): f of the edges
    inverse: Any  # (position, pixel): 1 / d
    variance: Any  # (date, pixel) relative to the root, in the order of the network, for weights of variances
    converged: Any  # (pixel,): whether reweighing came to rest


@exact
@no_type_check
def invert(source, cells, walk, rounds, spread, fewest_of_all, answer):
    """Invert all pixels of a batch, vector after vector.

    ``rounds`` and ``spread`` are None where nobody asks: then what needs them is not even compiled.
    """
    n_lane = cells.residual.shape[1]
    n_pixel = answer.series.shape[1]
    for first in range(0, n_pixel, n_lane):
        n_here = min(n_lane, n_pixel - first)
        here = slice(first, first + n_here)
        observe(source, walk, first, n_here, cells, cells.scratch[_COUNT])
        solve(cells, walk)
        if rounds is not None:
            refine(cells, walk, cells.weight)
            judge(cells, answer.counts[0, here], answer.counts[3, here])
            reweigh(cells, walk, rounds)
            settled, converged = rounds.state[0], answer.converged[here]
            for p in range(n_here):
                converged[p] = settled[p] > 0
            measure(cells, walk, rounds.deviation)
        else:
            measure(cells, walk, cells.weight)
            judge(cells, answer.counts[0, here], answer.counts[3, here])
        if spread is not None or len(answer.factor):
            weigh_rest(cells)
        if spread is not None:
            find_variances(cells, walk, spread)
            keep_variances(walk, spread, first, n_here, answer.variance)
        keep(cells, walk, first, n_here, fewest_of_all, answer)


@fast
@no_type_check
def solve(cells, walk):
    """Find the series of the observations that are loaded, each part of a cut network grounded.

    It is not refined: ``change`` is what is to be added.
    """
    factorise(cells, walk)
    substitute(cells, walk, cells.series)
    subtract_model(cells, walk, cells.series)
    substitute(cells, walk, cells.change)


@fast
@no_type_check
def measure(cells, walk, validity):
    """Refine the series; sum up what it leaves of the phases, in the rows of ``scratch``.

    ``validity``, (pair, pixel), is above zero where a pair is valid.
    """
    real = cells.series.dtype.type
    zero, one, half = real(0), real(1), real(0.5)
    per_turn, quarter = real(1 / np.pi), real(np.pi / 2)
    high, middle, low = real(HALF_TURN[0]), real(HALF_TURN[1]), real(HALF_TURN[2])
    c1, c2, c3, c4, c5 = real(COSINE[0]), real(COSINE[1]), real(COSINE[2]), real(COSINE[3]), real(COSINE[4])
    s1, s2, s3, s4, s5 = real(SINE[0]), real(SINE[1]), real(SINE[2]), real(SINE[3]), real(SINE[4])
    square, cosine, sine = cells.scratch[_SQUARE], cells.scratch[_COSINE], cells.scratch[_SINE]
    square[:] = zero
    cosine[:] = zero
    sine[:] = zero
    n = len(square)
    for place in range(len(walk.firsts) - 1):
        series, change = cells.series[place], cells.change[place]
        for p in range(n):
            series[p] += change[p]
    for place in range(len(walk.firsts) - 2):
        change = cells.change[place]
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            other = cells.change[walk.rows[row, 2]]
            sign = real(walk.rows[row, 1])  # as the pair was given, not as the plan turns it
            residual, counts = cells.residual[row], validity[row]
            for p in range(n):
                valid = one if counts[p] > zero else zero
                rest = (residual[p] + (other[p] - change[p])) * valid
                residual[p] = rest
                square[p] += rest * rest
                turns = np.floor(rest * per_turn + half)
                angle = ((rest - turns * high) - turns * middle) - turns * low
                angle = angle if angle < quarter else quarter  # beyond float32's digits: any angle will do
                angle = angle if angle > -quarter else -quarter
                parity = one - real(2) * (turns - real(2) * np.floor(turns * half))
                z = angle * angle
                c = one + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * c5))))
                s = angle + angle * (z * (s1 + z * (s2 + z * (s3 + z * (s4 + z * s5)))))
                cosine[p] += c * (parity * valid)
                sine[p] += s * (parity * sign)


@fast
@no_type_check
def weigh_rest(cells):
    """Sum up the weighted squares of what is left of the phases, for who estimates a variance from them."""
    weighted = cells.scratch[_WEIGHTED]
    weighted[:] = weighted.dtype.type(0)
    for row in range(len(cells.weight)):
        weight, residual = cells.weight[row], cells.residual[row]
        for p in range(len(weighted)):
            weighted[p] += weight[p] * residual[p] * residual[p]


@exact
@no_type_check
def keep(cells, walk, first, n_here, fewest_of_all, answer):
    """Write what was found of a vector to the answer of the batch."""
    here = slice(first, first + n_here)
    for place in range(len(walk.order)):
        series, into = cells.series[place], answer.series[walk.order[place], here]
        for p in range(n_here):
            into[p] = series[p]
    for which in range(_N_SUM):
        total, into = cells.scratch[which], answer.sums[which, here]
        for p in range(n_here):
            into[p] = total[p]
    count, into = cells.scratch[_COUNT], answer.counts[1, here]
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
    """Write what is wanted of pairs and edges."""
    if len(answer.weight):
        for row in range(len(walk.rows)):
            residual, weight = cells.residual[row], cells.weight[row]
            left, used = answer.residual[row, here], answer.weight[row, here]
            for p in range(n_here):
                left[p] = residual[p]
                used[p] = weight[p]
    if len(answer.factor):
        for slot in range(len(walk.base)):
            factor, into = cells.factor[slot], answer.factor[slot, here]
            for p in range(n_here):
                into[p] = factor[p]
        for place in range(len(walk.order)):
            inverse, into = cells.inverse[place], answer.inverse[place, here]
            for p in range(n_here):
                into[p] = inverse[p]


@exact
@no_type_check
def judge(cells, components, is_unsettled):
    """Count the connected parts of each pixel; tell where weights spread too far for float32."""
    real = cells.series.dtype.type
    zero, one, infinite = real(0), real(1), real(np.inf)
    changed, reach, most, least = cells.scratch[5], cells.scratch[6], cells.scratch[7], cells.scratch[8]
    more, beyond, above, below = cells.scratch[9], cells.scratch[10], cells.scratch[11], cells.scratch[12]
    parts = cells.scratch[13]
    changed[:] = zero
    reach[:] = zero
    most[:] = zero
    least[:] = infinite
    parts[:] = zero
    n = len(parts)
    for place in range(len(cells.inverse)):
        series, change, inverse = cells.series[place], cells.change[place], cells.inverse[place]
        for p in range(n):  # to other rows: what may stay as it is makes no vector instruction
            more[p] = abs(change[p]) if abs(change[p]) > changed[p] else changed[p]
        for p in range(n):
            beyond[p] = abs(series[p]) if abs(series[p]) > reach[p] else reach[p]
        for p in range(n):
            above[p] = inverse[p] if inverse[p] > most[p] else most[p]
        for p in range(n):
            share = inverse[p] if inverse[p] > zero else infinite
            below[p] = share if share < least[p] else least[p]
        for p in range(n):
            parts[p] += one if inverse[p] == zero else zero
        changed, more = more, changed
        reach, beyond = beyond, reach
        most, above = above, most
        least, below = below, least
    settled, smallest = real(SETTLED), real(_SMALLEST_SHARE)
    for p in range(len(components)):
        components[p] = np.int32(parts[p])
        loose = most[p] * smallest > least[p]
        is_unsettled[p] = np.int32((changed[p] > reach[p] * settled) | loose)


@exact
@no_type_check
def _label(cells, walk, p, labels):
    """Number the parts of a pixel from 0, the root's."""
    n_turn = len(walk.order) - 1
    number = 0
    labels[walk.order[n_turn]] = 0
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        label = 0
        if cells.inverse[place, p] == 0:
            number += 1
            label = number
        else:  # those that it is tied to are all in one part
            for slot in range(walk.firsts[place, 0], walk.firsts[place + 1, 0]):
                if cells.edge[slot, p] > 0:
                    label = labels[walk.order[walk.later[slot, 1]]]
        labels[walk.order[place]] = label


@exact
@no_type_check
def _count_pairs(cells, walk):
    """Count the valid pairs of every date, in place of the right-hand side."""
    real = cells.right.dtype.type
    zero, one = real(0), real(1)
    cells.right[:] = zero
    for place in range(len(walk.order) - 1):
        near = cells.right[place]
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            far, weight = cells.right[walk.rows[row, 2]], cells.weight[row]
            for p in range(len(near)):
                valid = one if weight[p] > zero else zero
                near[p] += valid
                far[p] += valid
