"""Robust norms as one Triton kernel: each program iterates until all of its pixels have converged.

The rules are those of :mod:`fringefleet.solver.irls`, which explains them, pixel by pixel. An iteration is
two passes over the dates: forward (weights of the residuals, eliminate, substitute) and backward (new
residuals). A program is one warp, so that few pixels wait for one another, and its threads exchange without
shared memory which of them continue. How a kernel follows the plan, and why it needs no barrier, is
explained in
:mod:`fringefleet.solver.fused.kernel`.
"""

from typing import no_type_check

import triton
import triton.language as tl

from fringefleet.solver import limits
from fringefleet.solver.fused.observe import divide, wave
from fringefleet.solver.fused.steps import (
    EARLIER,
    SLOT,
    begin_block,
    close_date,
    close_edge,
    make_factors,
    substitute_back,
    substitute_forward,
)

WARPS_PER_PROGRAM = 1

_SMOOTHED = tl.constexpr(limits.SMOOTHED)
_SHRINK = tl.constexpr(limits.SHRINK)
_STEP = tl.constexpr(limits.STEP)
_SETTLED_L1 = tl.constexpr(1 - limits.SETTLED["l1"])
_SETTLED_HUBER = tl.constexpr(1 - limits.SETTLED["huber"])
_STILL = tl.constexpr(limits.STILL)
_FLAT = tl.constexpr(1 - limits.FLAT)
_INFINITE = tl.constexpr(float("inf"))


@triton.jit(do_not_specialize=["n_turn", "n_row", "n_round", "n_pixel"])
@no_type_check
def reweigh_pixels(
    residual,
    row_weight,
    deviation,
    edge,
    inverse,
    exact,
    change,
    result,
    sums,
    converged,
    limits,
    firsts,
    order,
    slots,
    rows,
    earlier,
    tied,
    first_update,
    updates,
    n_turn,
    n_row,
    n_round,
    n_pixel,
    NORM: tl.constexpr,
    KEEP_FACTOR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Continue from least squares to a robust norm.

    Input are residual and weight of every pair in the rows of the plan, and the series, in ``result``; all
    are replaced. ``limits``: threshold of huber, smallest number and relative rounding of the type.
    """
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = pixel < n_pixel
    stride = n_pixel.to(tl.int64)
    work = (edge + pixel, inverse + pixel, exact + pixel, stride, here)
    pairs = (residual + pixel, row_weight + pixel, deviation + pixel, stride, here)
    tables = (firsts, slots, rows, earlier, tied, first_update, updates)
    change += pixel
    result += pixel
    sums += pixel
    tiny = tl.load(limits + 1)

    zero = here.to(residual.dtype.element_ty) * 0
    n_pair, mean, sum_of_deviations, largest = _begin(n_row, zero, pairs)
    n_pair = tl.maximum(n_pair, 1)
    mean = divide(mean, n_pair)
    threshold = zero + tl.load(limits)
    if NORM == "l1":
        threshold = mean
    threshold = tl.maximum(threshold, tiny)
    reach = zero
    for place in range(n_turn + 1):
        reach = tl.maximum(reach, tl.abs(tl.load(result + place * stride, here, 0)))
    smallest = tl.load(limits + 2) * (reach * largest) * n_pair  # a total that is rounding

    total = zero + _INFINITE
    moved = zero
    settled = pixel >= n_pixel
    tl.store(inverse + pixel + n_turn * stride, zero, here)
    tl.store(change + n_turn * stride, zero, here)
    left = n_round
    while left > 0:
        new_total = zero
        sum_of_u = zero
        for place in range(n_turn):
            more, more_of_u = _eliminate(place, threshold, pairs, work, tables)
            new_total += more
            sum_of_u += more_of_u
        if NORM == "l1":
            lowest = tl.maximum(divide(sum_of_u, n_pair) * _SMOOTHED, tiny)
            near_enough = threshold <= 2 * lowest
            new_total = sum_of_u
            lower = tl.maximum(threshold * _SHRINK, lowest)
            at_rest = (new_total >= total * _SETTLED_L1) & near_enough
        else:
            lower = threshold
            new_total = divide(new_total, threshold)
            still = moved * sum_of_deviations <= sum_of_u * _STILL
            at_rest = (new_total >= total * _SETTLED_HUBER) & (still | (new_total >= total * _FLAT))
        settled = settled | at_rest | (new_total <= smallest)
        threshold = tl.where(settled, threshold, lower)  # the weights of converged pixels are final
        total = new_total
        # A converged pixel is not changed by further iterations for others.
        step = tl.where(settled, 0, zero + _STEP)
        moved = zero
        goes_on = tl.max((step > 0).to(tl.int32), 0)
        left = (left - 1) * goes_on
        for turn in range(n_turn * goes_on):
            moved = tl.maximum(
                moved, _go(n_turn - 1 - turn, step, change, result, order, pairs, work, tables)
            )

    _measure(n_row, zero, sums, rows, pairs)
    tl.store(converged + pixel, settled.to(tl.int32), here)
    if KEEP_FACTOR:
        make_factors(n_turn, work, tables)


@triton.jit
@no_type_check
def _begin(n_row, zero, pairs):
    """Keep the square roots of the weights.

    Returns the number of valid pairs, and over these the sum of u, and sum and maximum of the roots.
    """
    residual, row_weight, deviation, stride, here = pairs
    n_pair = zero
    sum_of_u = zero
    total = zero
    largest = zero
    for row in range(n_row):
        root = tl.load(row_weight + row * stride, here, 0)
        root = tl.sqrt_rn(root) if root.dtype == tl.float32 else tl.sqrt(root)
        tl.store(deviation + row * stride, root, here)
        n_pair += tl.where(root > 0, 1.0, 0.0)
        sum_of_u += tl.abs(tl.load(residual + row * stride, here, 0)) * root
        total += root
        largest = tl.maximum(largest, root)
    return n_pair, sum_of_u, total, largest


@triton.jit
@no_type_check
def _eliminate(place, threshold, pairs, work, tables):
    """Weight the pairs of a date with later ones by their residuals, make its edges, and substitute forward.

    Returns the objective, times the threshold for huber, and the sum of u, both of these pairs.
    """
    residual, row_weight, deviation, stride, here = pairs
    slots = tables[1]
    earlier = tables[3]
    total = threshold * 0
    minimised = total
    sum_of_u = total
    pull = here.to(tl.float64) * 0
    first, last = begin_block(place, EARLIER, tables[0])
    for member in range(first, last):
        row = tl.load(earlier + member * 4 + 3) * stride
        w = tl.load(row_weight + row, here, 0)
        pull -= w.to(tl.float64) * tl.load(residual + row, here, 0).to(tl.float64)
    pull = substitute_forward(place, pull, work, tables)
    first, last = begin_block(place, SLOT, tables[0])
    for slot in range(first, last):
        e = total * 0
        if tl.load(slots + slot * 4) >= 0:
            row = tl.load(slots + slot * 4 + 3) * stride
            rest = tl.load(residual + row, here, 0)
            root = tl.load(deviation + row, here, 0)
            u = tl.abs(rest) * root
            inside = tl.minimum(u, threshold)
            sum_of_u += u
            minimised += (u - 0.5 * inside) * inside
            e = root * root * divide(threshold, tl.maximum(u, threshold))
            tl.store(row_weight + row, e, here)
            pull += e.to(tl.float64) * rest.to(tl.float64)
        total += close_edge(slot, e, work, tables)
    close_date(place, total, pull, work)
    return minimised, sum_of_u


@triton.jit
@no_type_check
def _go(place, step, change, result, order, pairs, work, tables):
    """Solve for a date and take a step; returns its length."""
    residual, _, deviation, stride, here = pairs
    slots = tables[1]
    value = substitute_back(place, change, work, tables)
    to = result + tl.load(order + place) * stride
    tl.store(to, tl.load(to, here, 0) + step * value, here)
    first, last = begin_block(place, SLOT, tables[0])
    for slot in range(first, last):
        if tl.load(slots + slot * 4) >= 0:
            row = tl.load(slots + slot * 4 + 3) * stride
            rest = tl.load(residual + row, here, 0)
            rest += step * (tl.load(change + tl.load(slots + slot * 4 + 2) * stride, here, 0) - value)
            valid = tl.load(deviation + row, here, 0) > 0
            tl.store(residual + row, tl.where(valid, rest, 0), here)
    return tl.abs(step * value)


@triton.jit
@no_type_check
def _measure(n_row, zero, sums, rows, pairs):
    """Sum squares, cosines, sines and weighted squares of the residuals."""
    residual, row_weight, deviation, stride, here = pairs
    square = zero
    cosine = zero
    sine = zero
    weighted = zero
    for row in range(n_row):
        rest = tl.load(residual + row * stride, here, 0)
        x, y = wave(rest)
        square += rest * rest
        weighted += tl.load(row_weight + row * stride, here, 0) * rest * rest
        cosine += tl.where(tl.load(deviation + row * stride, here, 0) > 0, x, 0)
        sine += y * tl.load(rows + row * 3 + 1)
    tl.store(sums, square, here)
    tl.store(sums + stride, cosine, here)
    tl.store(sums + 2 * stride, sine, here)
    tl.store(sums + 3 * stride, weighted, here)
