"""The elimination of a pixel as one Triton kernel: a program takes a block of pixels, a thread a pixel.

What it computes is what :mod:`fringefleet.solver.elimination` computes, in four passes over the dates
instead of one operation at a time: forward (take in, eliminate, substitute), backward (series, rest), forward
(the rest's sums), backward (refined series, rest, quality). Pixels share nothing and every sum has a fixed
order: the same input gives the same bits.

The kernel works in the buffers of the workspace and reads there what it has stored before. That needs no
barrier only because no thread ever reads what another one has stored: a program has as many pixels as
threads (``PIXELS_PER_PROGRAM``), so that each of its arrays has one element per thread, always the same one.

The numbers of slots, rows and positions come from the tables of :class:`fringefleet.solver.fused.Tables`,
where they are explained; ``first_slot``, ``first_row`` and ``first_update`` say where the ones of each
position begin. Pointers to numbers of pixels already point at the pixels of the program (``here`` masks the
tail of the last one), and ``stride`` is the distance between their rows.

This module needs Triton and is imported with the first workspace.
"""

from typing import no_type_check

import triton
import triton.language as tl

from fringefleet.solver import observations
from fringefleet.solver.elimination import LARGEST_SPREAD, SETTLED

WARPS_PER_PROGRAM = 4
PIXELS_PER_PROGRAM = 32 * WARPS_PER_PROGRAM  # a warp has 32 threads

_PER_ROW = tl.constexpr(4)  # columns of the tables rows and updates
_PER_UPDATE = tl.constexpr(4)
_LARGEST_PHASE = tl.constexpr(observations.LARGEST_PHASE)
_LARGEST_WEIGHT = tl.constexpr(observations.LARGEST_WEIGHT)
_SMALLEST_WEIGHT = tl.constexpr(observations.SMALLEST_WEIGHT)
_SETTLED = tl.constexpr(SETTLED)
_SMALLEST_SHARE = tl.constexpr(1 / LARGEST_SPREAD)
_INFINITE = tl.constexpr(float("inf"))
_LARGEST = tl.constexpr(3.0e38)  # almost the largest float32


@triton.jit(do_not_specialize=["phase_stride", "weight_stride", "n_turn", "n_pair", "anchor", "n_pixel"])
@no_type_check
def invert(  # noqa: PLR0913, PLR0915 - a kernel takes pointers, one by one
    phase,
    weight,
    residual,
    row_weight,
    edge,
    inverse,
    exact,
    right,
    series,
    sums,
    counts,
    first_slot,
    first_row,
    first_update,
    neighbours,
    rows,
    updates,
    phase_stride,
    weight_stride,
    n_turn,
    n_pair,
    anchor,
    n_pixel,
    BLOCK: tl.constexpr,  # noqa: N803 - Triton's way to write a constant
):
    """Solve, refine and measure; ``edge``, ``exact`` and ``right`` come in as zeros."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = pixel < n_pixel
    stride = n_pixel.to(tl.int64)  # a large batch has more than 2^31 numbers
    phase_stride = phase_stride.to(tl.int64)
    weight_stride = weight_stride.to(tl.int64)
    phase += pixel
    weight += pixel
    residual += pixel
    row_weight += pixel
    edge += pixel
    inverse += pixel
    exact += pixel
    right += pixel
    series += pixel
    sums += pixel
    counts += pixel

    zero = here.to(series.dtype.element_ty) * 0
    components = here.to(tl.int32)  # the root's
    valid_pairs = components * 0
    fewest = valid_pairs + n_pair
    largest = zero
    smallest = zero + _LARGEST
    for place in range(n_turn):
        pull, n_valid, degree = _take_in(
            place, phase, weight, residual, row_weight, edge, exact, right,
            first_row, rows, phase_stride, weight_stride, stride, here,
        )  # fmt: skip
        valid_pairs += n_valid
        fewest = tl.minimum(fewest, tl.where(place == anchor, n_pair, degree))
        tl.store(exact + place * stride, tl.load(exact + place * stride, here, 0) + pull, here)
        share, tied = _eliminate(place, edge, first_slot, first_update, updates, stride, here)
        tl.store(inverse + place * stride, share, here)
        components += here.to(tl.int32) - tied.to(tl.int32)
        largest = tl.maximum(largest, share)
        smallest = tl.minimum(smallest, tl.where(tied, share, _LARGEST))
        _pass_on(place, edge, exact, first_slot, neighbours, stride, here)
    degree = tl.load(right + n_turn * stride, here, 0).to(tl.int32)
    fewest = tl.minimum(fewest, tl.where(n_turn == anchor, n_pair, degree))
    tl.store(inverse + n_turn * stride, zero, here)  # the root is grounded
    loose = largest * _SMALLEST_SHARE > smallest

    tl.store(series + n_turn * stride, zero, here)
    tl.store(exact + n_turn * stride, zero.to(tl.float64), here)
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        value = _solve(place, edge, inverse, exact, series, first_slot, neighbours, stride, here)
        _leave_rest(place, value, residual, row_weight, exact, series, first_row, rows, stride, here)

    for place in range(n_turn):
        _pass_on(place, edge, exact, first_slot, neighbours, stride, here)

    square = zero
    cosine = zero
    sine = zero
    largest = zero
    largest_change = zero
    tl.store(right + n_turn * stride, zero, here)
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        change = _solve(place, edge, inverse, exact, right, first_slot, neighbours, stride, here)
        refined = tl.load(series + place * stride, here, 0) + change
        tl.store(series + place * stride, refined, here)
        largest = tl.maximum(largest, tl.abs(refined))
        largest_change = tl.maximum(largest_change, tl.abs(change))
        more_square, more_cosine, more_sine = _measure(
            place, change, residual, row_weight, right, first_row, rows, stride, here
        )
        square += more_square
        cosine += more_cosine
        sine += more_sine
    changed = largest_change > largest * _SETTLED

    tl.store(sums, square, here)
    tl.store(sums + stride, cosine, here)
    tl.store(sums + 2 * stride, sine, here)
    tl.store(counts, components, here)
    tl.store(counts + stride, valid_pairs, here)
    tl.store(counts + 2 * stride, fewest, here)
    tl.store(counts + 3 * stride, (changed | loose).to(tl.int32), here)


@triton.jit
@no_type_check
def _take_in(  # noqa: PLR0913
    place,
    phase,
    weight,
    residual,
    row_weight,
    edge,
    exact,
    right,
    first_row,
    rows,
    phase_stride,
    weight_stride,
    stride,
    here,
):
    """Clean the observations of a date's pairs with later dates and add them to edges and sums.

    ``right`` counts the pairs of every date; it is needed for nothing else before the refinement. Returns
    the sum of weight times phase, the number of valid pairs, and that of the date's pairs in all.
    """
    pull = here.to(tl.float64) * 0
    n_valid = here.to(tl.int32) * 0
    for row in range(tl.load(first_row + place), tl.load(first_row + place + 1)):
        pair = tl.load(rows + row * _PER_ROW)
        sign = tl.load(rows + row * _PER_ROW + 1)
        partner = tl.load(rows + row * _PER_ROW + 2) * stride
        slot = tl.load(rows + row * _PER_ROW + 3) * stride
        y = tl.load(phase + pair * phase_stride, here, 0).to(edge.dtype.element_ty) * sign
        w = tl.load(weight + pair * weight_stride, here, 0).to(edge.dtype.element_ty)
        valid = (tl.abs(y) < _LARGEST_PHASE) & (w > _SMALLEST_WEIGHT) & (w < _LARGEST_WEIGHT)
        y = tl.where(valid, y, 0)
        w = tl.where(valid, w, 0)
        tl.store(residual + row * stride, y, here)
        tl.store(row_weight + row * stride, w, here)
        # What the earlier dates add to this edge is there already.
        tl.store(edge + slot, tl.load(edge + slot, here, 0) + w, here)
        part = w.to(tl.float64) * y.to(tl.float64)
        pull += part
        tl.store(exact + partner, tl.load(exact + partner, here, 0) - part, here)
        n_valid += valid.to(tl.int32)
        counted = tl.load(right + partner, here, 0) + valid.to(edge.dtype.element_ty)
        tl.store(right + partner, counted, here)
    return pull, n_valid, n_valid + tl.load(right + place * stride, here, 0).to(tl.int32)


@triton.jit
@no_type_check
def _eliminate(place, edge, first_slot, first_update, updates, stride, here):  # noqa: PLR0913
    """Tie the neighbours of a date to one another and turn its edges into factors.

    Returns 1 / d, which is 0 where d is, and whether the date is tied to later ones at all.
    """
    first = tl.load(first_slot + place)
    last = tl.load(first_slot + place + 1)
    total = here.to(edge.dtype.element_ty) * 0
    for slot in range(first, last):
        total += tl.load(edge + slot * stride, here, 0)
    share = 1 / tl.where(total > 0, total, 1)
    tied = (total > 0) & (share < _INFINITE)
    share = tl.where(tied, share, 0)
    for update in range(tl.load(first_update + place), tl.load(first_update + place + 1)):
        factor = tl.load(edge + tl.load(updates + update * _PER_UPDATE) * stride, here, 0) * share
        other = tl.load(updates + update * _PER_UPDATE + 1)
        target = tl.load(updates + update * _PER_UPDATE + 2)
        for step in range(tl.load(updates + update * _PER_UPDATE + 3)):
            more = factor * tl.load(edge + (other + step) * stride, here, 0)
            to = edge + (target + step) * stride
            tl.store(to, tl.load(to, here, 0) + more, here)
    for slot in range(first, last):
        tl.store(edge + slot * stride, tl.load(edge + slot * stride, here, 0) * share, here)
    return share, tied


@triton.jit
@no_type_check
def _pass_on(place, edge, exact, first_slot, neighbours, stride, here):  # noqa: PLR0913
    """Substitute forward: pass the sum at a date on to its neighbours, in float64."""
    total = tl.load(exact + place * stride, here, 0)
    for slot in range(tl.load(first_slot + place), tl.load(first_slot + place + 1)):
        to = exact + tl.load(neighbours + slot) * stride
        factor = tl.load(edge + slot * stride, here, 0).to(tl.float64)
        tl.store(to, tl.load(to, here, 0) + factor * total, here)


@triton.jit
@no_type_check
def _solve(place, edge, inverse, exact, solution, first_slot, neighbours, stride, here):  # noqa: PLR0913
    """Substitute backward: solve for a date, those after it being solved; store and return its value."""
    value = tl.load(exact + place * stride, here, 0).to(solution.dtype.element_ty)
    value *= tl.load(inverse + place * stride, here, 0)
    for slot in range(tl.load(first_slot + place), tl.load(first_slot + place + 1)):
        neighbour = tl.load(solution + tl.load(neighbours + slot) * stride, here, 0)
        value += tl.load(edge + slot * stride, here, 0) * neighbour
    tl.store(solution + place * stride, value, here)
    return value


@triton.jit
@no_type_check
def _leave_rest(  # noqa: PLR0913
    place, value, residual, row_weight, exact, series, first_row, rows, stride, here
):
    """Subtract the model from a date's pairs with later dates; sum weight times rest, in float64.

    At the solution these sums vanish although their terms do not: in float32 what is left would be the
    rounding of the heaviest pair.
    """
    pull = here.to(tl.float64) * 0
    for row in range(tl.load(first_row + place), tl.load(first_row + place + 1)):
        partner = tl.load(rows + row * _PER_ROW + 2) * stride
        model = tl.load(series + partner, here, 0) - value
        rest = tl.load(residual + row * stride, here, 0) + model
        tl.store(residual + row * stride, rest, here)
        part = tl.load(row_weight + row * stride, here, 0).to(tl.float64) * rest.to(tl.float64)
        pull += part
        tl.store(exact + partner, tl.load(exact + partner, here, 0) - part, here)
    tl.store(exact + place * stride, pull, here)


@triton.jit
@no_type_check
def _measure(place, change, residual, row_weight, right, first_row, rows, stride, here):  # noqa: PLR0913
    """Subtract the refinement from a date's pairs with later dates, and clear those that are missing.

    Returns the sums of squares, cosines and sines of what is left.
    """
    square = here.to(residual.dtype.element_ty) * 0
    cosine = square
    sine = square
    for row in range(tl.load(first_row + place), tl.load(first_row + place + 1)):
        sign = tl.load(rows + row * _PER_ROW + 1)
        partner = tl.load(rows + row * _PER_ROW + 2) * stride
        model = tl.load(right + partner, here, 0) - change
        valid = tl.load(row_weight + row * stride, here, 0) > 0
        rest = tl.where(valid, tl.load(residual + row * stride, here, 0) + model, 0)
        tl.store(residual + row * stride, rest, here)
        square += rest * rest
        cosine += tl.where(valid, tl.cos(rest), 0)
        sine += tl.sin(rest) * sign  # as the pair was given, not as the plan turns it
    return square, cosine, sine


INTERPRETED = not isinstance(invert, triton.JITFunction)
