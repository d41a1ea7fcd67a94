"""The elimination of a pixel as one Triton kernel: one program per block of pixels, one thread per pixel.

It computes the same as :mod:`fringefleet.solver.elimination`, in four passes over the dates instead of one
operation at a time: forward (load, eliminate, substitute), backward (series), forward (sums of the
residuals), backward (refined series, quality). Pixels share nothing and every sum has a fixed order: the
same input yields the same bits.

Memory access dominates the time. Observations are therefore read as stored in the file and never written:
each pass computes phase and weight anew (:mod:`fringefleet.solver.fused.observe`). And every sum is
gathered: its terms are listed in tables (:class:`fringefleet.solver.tables.Tables`), so that each value is
stored once, nothing is cleared beforehand, and loops only load. Edges are kept as ``e``; factors ``f = e /
d`` are computed where they are used.

The kernel reads values that it stored before. This needs no barrier only because no thread ever reads what
another one has stored: a program has as many pixels as threads, so that each of its arrays has one element
per thread, always the same one.

Pointers to values of pixels already point at the pixels of the program (``here`` masks the tail of the last
one, ``seen`` also the pixels that are masked as a whole), and ``stride`` is the distance between their rows.
Tuples pass the same arguments to every function: ``source`` (observations), ``work`` (buffers) and
``tables``;
:mod:`fringefleet.solver.fused.steps` has the common steps of the kernels.

This module needs Triton and is imported with the first workspace.
"""

from typing import no_type_check

import triton
import triton.language as tl

from fringefleet.solver.fused.observe import observe_pair, wave
from fringefleet.solver.fused.steps import (
    EARLIER,
    ROW,
    SLOT,
    begin_block,
    close_date,
    close_edge,
    make_factors,
    substitute_back,
    substitute_forward,
)
from fringefleet.solver.limits import LARGEST_CHANGE, LARGEST_SPREAD

_LARGEST_CHANGE = tl.constexpr(LARGEST_CHANGE)
_SMALLEST_SHARE = tl.constexpr(1 / LARGEST_SPREAD)
_LARGEST = tl.constexpr(3.0e38)  # almost the largest float32
_NOT_SPECIALISED = (
    *("observed_stride", "beside_stride", "mask_stride"),
    *("n_turn", "n_pair", "anchor", "n_pixel"),
)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
@no_type_check
def invert_pixels(
    observed,
    beside,
    mask,
    land,
    reference,
    medians,
    table,
    limits,
    residual,
    row_weight,
    edge,
    inverse,
    exact,
    change,
    series,
    result,
    sums,
    counts,
    firsts,
    order,
    slots,
    rows,
    earlier,
    tied,
    first_update,
    updates,
    observed_stride,
    beside_stride,
    mask_stride,
    n_turn,
    n_pair,
    anchor,
    n_pixel,
    WEIGHT: tl.constexpr,
    MASK: tl.constexpr,
    IS_OFFSET: tl.constexpr,
    HAS_LAND: tl.constexpr,
    KEEP_ROWS: tl.constexpr,
    KEEP_FACTOR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Solve, refine and measure. Nothing needs to be cleared beforehand."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = pixel < n_pixel
    seen = here
    if HAS_LAND:
        seen = here & (tl.load(land + pixel, here, 0) != 0)
    stride = n_pixel.to(tl.int64)  # a large batch has more than 2^31 numbers
    source = (
        observed + pixel, beside + pixel, mask + pixel, reference, medians, table, limits,
        observed_stride.to(tl.int64), beside_stride.to(tl.int64), mask_stride.to(tl.int64),
    )  # fmt: skip
    work = (edge + pixel, inverse + pixel, exact + pixel, stride, here)
    series += pixel
    change += pixel
    tables = (firsts, slots, rows, earlier, tied, first_update, updates)
    result += pixel
    sums += pixel
    counts += pixel

    zero = here.to(series.dtype.element_ty) * 0
    components = here.to(tl.int32)  # the root's
    valid_pairs = components * 0
    fewest = valid_pairs + n_pair
    largest = zero
    smallest = zero + _LARGEST
    for place in range(n_turn):
        share, is_tied, n_earlier, n_later = _eliminate(
            place, series, source, work, tables, seen, WEIGHT, MASK, IS_OFFSET
        )
        valid_pairs += n_later
        fewest = tl.minimum(fewest, tl.where(place == anchor, n_pair, n_earlier + n_later))
        components += here.to(tl.int32) - is_tied.to(tl.int32)
        largest = tl.maximum(largest, share)
        smallest = tl.minimum(smallest, tl.where(is_tied, share, _LARGEST))
    if n_turn != anchor:
        n_earlier = _pull_of_earlier(
            n_turn, zero, series, source, work, tables, seen, WEIGHT, MASK, IS_OFFSET, False
        )[1]
        fewest = tl.minimum(fewest, n_earlier)
    tl.store(inverse + pixel + n_turn * stride, zero, here)  # the root is grounded
    loose = largest * _SMALLEST_SHARE > smallest

    tl.store(series + n_turn * stride, zero, here)
    for turn in range(n_turn):
        substitute_back(n_turn - 1 - turn, series, work, tables)

    for place in range(n_turn):
        _pull_of_rest(place, series, source, work, tables, seen, WEIGHT, MASK, IS_OFFSET)

    square = zero
    cosine = zero
    sine = zero
    weighted = zero
    largest = zero
    largest_change = zero
    tl.store(change + n_turn * stride, zero, here)
    tl.store(result + tl.load(order + n_turn) * stride, zero, here)
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        first = tl.load(series + place * stride, here, 0)
        more = substitute_back(place, change, work, tables)
        refined = first + more
        tl.store(result + tl.load(order + place) * stride, refined, here)
        largest = tl.maximum(largest, tl.abs(refined))
        largest_change = tl.maximum(largest_change, tl.abs(more))
        begins, ends = begin_block(place, ROW, firsts)
        for row in range(begins, ends):
            sign = tl.load(rows + row * 3 + 1)
            partner = tl.load(rows + row * 3 + 2) * stride
            y, w = observe_pair(tl.load(rows + row * 3), sign, source, seen, WEIGHT, MASK, IS_OFFSET)
            rest = y + (tl.load(series + partner, here, 0) - first)
            rest += tl.load(change + partner, here, 0) - more
            rest = tl.where(w > 0, rest, 0)
            square += rest * rest
            weighted += w * rest * rest
            x, y = wave(rest)
            cosine += tl.where(w > 0, x, 0)
            sine += y * sign  # with the sign of the pair as given, not as oriented by the plan
            if KEEP_ROWS:
                tl.store(residual + pixel + row * stride, rest, here)
                tl.store(row_weight + pixel + row * stride, w, here)
    changed = largest_change > largest * _LARGEST_CHANGE

    if KEEP_FACTOR:
        make_factors(n_turn, work, tables)

    tl.store(sums, square, here)
    tl.store(sums + stride, cosine, here)
    tl.store(sums + 2 * stride, sine, here)
    tl.store(sums + 3 * stride, weighted, here)
    tl.store(counts, components, here)
    tl.store(counts + stride, valid_pairs, here)
    tl.store(counts + 2 * stride, fewest, here)
    tl.store(counts + 3 * stride, (changed | loose).to(tl.int32), here)


@triton.jit
@no_type_check
def _eliminate(
    place,
    series,
    source,
    work,
    tables,
    seen,
    WEIGHT: tl.constexpr,
    MASK: tl.constexpr,
    IS_OFFSET: tl.constexpr,
):
    """Make the edges of a date to later ones, and substitute forward.

    Returns 1 / d, or 0 where d is 0, whether the date is connected to later ones at all, and the numbers of
    its valid pairs with earlier and with later ones.
    """
    here = work[4]
    slots = tables[1]
    total = here.to(series.dtype.element_ty) * 0
    pull, n_earlier = _pull_of_earlier(
        place, total, series, source, work, tables, seen, WEIGHT, MASK, IS_OFFSET, False
    )
    pull = substitute_forward(place, pull, work, tables)
    n_later = n_earlier * 0
    first, last = begin_block(place, SLOT, tables[0])
    for slot in range(first, last):
        pair = tl.load(slots + slot * 4)
        e = here.to(series.dtype.element_ty) * 0
        if pair >= 0:
            y, w = observe_pair(pair, tl.load(slots + slot * 4 + 1), source, seen, WEIGHT, MASK, IS_OFFSET)
            e = w
            pull += w.to(tl.float64) * y.to(tl.float64)
            n_later += (w > 0).to(tl.int32)
        total += close_edge(slot, e, work, tables)
    share, is_tied = close_date(place, total, pull, work)
    return share, is_tied, n_earlier, n_later


@triton.jit
@no_type_check
def _pull_of_earlier(
    place,
    value,
    series,
    source,
    work,
    tables,
    seen,
    WEIGHT: tl.constexpr,
    MASK: tl.constexpr,
    IS_OFFSET: tl.constexpr,
    IS_REST: tl.constexpr,
):
    """Sum weight times phase at a date, in float64, over its pairs with earlier ones; and count them.

    Or, if ``IS_REST``, weight times residual; then ``value`` is that of the date.
    """
    stride, here = work[3:]
    earlier = tables[3]
    pull = here.to(tl.float64) * 0
    n_valid = here.to(tl.int32) * 0
    first, last = begin_block(place, EARLIER, tables[0])
    for member in range(first, last):
        pair = tl.load(earlier + member * 4)
        y, w = observe_pair(pair, tl.load(earlier + member * 4 + 1), source, seen, WEIGHT, MASK, IS_OFFSET)
        if IS_REST:
            partner = tl.load(earlier + member * 4 + 2) * stride
            y += value - tl.load(series + partner, here, 0)
        pull -= w.to(tl.float64) * y.to(tl.float64)
        n_valid += (w > 0).to(tl.int32)
    return pull, n_valid


@triton.jit
@no_type_check
def _pull_of_rest(
    place,
    series,
    source,
    work,
    tables,
    seen,
    WEIGHT: tl.constexpr,
    MASK: tl.constexpr,
    IS_OFFSET: tl.constexpr,
):
    """Sum weight times residual at a date, in float64, and substitute forward.

    At the solution these sums vanish although their terms do not: in float32 the sum would be the rounding
    error of the heaviest pair.
    """
    _, inverse, exact, stride, here = work
    rows = tables[2]
    value = tl.load(series + place * stride, here, 0)
    pull = _pull_of_earlier(place, value, series, source, work, tables, seen, WEIGHT, MASK, IS_OFFSET, True)[
        0
    ]
    pull = substitute_forward(place, pull, work, tables)
    first, last = begin_block(place, ROW, tables[0])
    for row in range(first, last):
        sign = tl.load(rows + row * 3 + 1)
        y, w = observe_pair(tl.load(rows + row * 3), sign, source, seen, WEIGHT, MASK, IS_OFFSET)
        y += tl.load(series + tl.load(rows + row * 3 + 2) * stride, here, 0) - value
        pull += w.to(tl.float64) * y.to(tl.float64)
    share = tl.load(inverse + place * stride, here, 0)
    tl.store(exact + place * stride, pull * share.to(tl.float64), here)


INTERPRETED = not isinstance(invert_pixels, triton.JITFunction)
