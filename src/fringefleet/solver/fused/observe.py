"""One observation of a block of pixels, in a Triton kernel: from values in the file to phase and weight.

The rules are those of :mod:`fringefleet.observation.weights`, :mod:`fringefleet.observation.masks` and
:class:`fringefleet.engine.weighing.Weighing`, which the tests compare with this, bit by bit. A kernel thus
reads the values of the file once, where phases and weights would otherwise be written first and then read.

``source`` is the result of :func:`fringefleet.solver.fused.solver.source_of`, in that order. ``WEIGHT`` and
``MASK`` are the words of :mod:`fringefleet.solver.raw`.
"""

import math
from typing import no_type_check

import triton
import triton.language as tl

from fringefleet.observation import quantity, weight_tables
from fringefleet.solver import limits

# Half of pi in two numbers; products of the first with whole numbers up to 2^21 are exact
QUARTER_HIGH, QUARTER_LOW = 1.57079632673412561417e00, 6.07710050650619224932e-11

_LARGEST_PHASE = tl.constexpr(limits.LARGEST_PHASE)
_LARGEST_WEIGHT = tl.constexpr(limits.LARGEST_WEIGHT)
_SMALLEST_WEIGHT = tl.constexpr(limits.SMALLEST_WEIGHT)
_FLOOR = tl.constexpr(weight_tables.COHERENCE_FLOOR)
_LAST_BIN = tl.constexpr(weight_tables.LAST_BIN_CENTRE)
_FIRST_BIN = tl.constexpr(weight_tables.FIRST_BIN_CENTRE)
_BINS = tl.constexpr(1 / weight_tables.BIN_WIDTH)
_LARGEST_INFORMATION = tl.constexpr(weight_tables.LARGEST_INFORMATION)
_SMALLEST_STD = tl.constexpr(weight_tables.SMALLEST_STD)
_UNKNOWN_STD = tl.constexpr(weight_tables.UNKNOWN_STD)
_LARGEST_STD = tl.constexpr(weight_tables.LARGEST_STD)
_REGULARISATION = tl.constexpr(quantity.REGULARISATION)
_SMALLEST_RATIO = tl.constexpr(quantity.SMALLEST_RATIO)
_QUARTERS_PER_RADIAN = tl.constexpr(2 / math.pi)
_QUARTER_HIGH = tl.constexpr(QUARTER_HIGH)
_QUARTER_LOW = tl.constexpr(QUARTER_LOW)


@triton.jit
@no_type_check
def observe_pair(pair, sign, source, seen, WEIGHT: tl.constexpr, MASK: tl.constexpr, IS_OFFSET: tl.constexpr):
    """Return phase as oriented by the plan, and the weight; both zero where the observation is invalid."""
    observed, beside, mask, reference, medians, table, limits = source[:7]
    observed_stride, beside_stride, mask_stride = source[7:]
    value = tl.load(observed + pair * observed_stride, seen, 0)
    y = value.to(reference.dtype.element_ty)
    if WEIGHT == "given":
        w = tl.load(beside + pair * beside_stride, seen, 0).to(y.dtype)
    else:
        y -= tl.load(reference + pair)
        if IS_OFFSET:
            y *= tl.where(value == 0, 0.0, 1.0)
            keep = seen
        else:
            keep = seen & (value.to(y.dtype) * y != 0)  # missing before or after
        if MASK != "none":
            found = tl.load(mask + pair * mask_stride, seen, 0)
            keep = keep & _is_kept(found, y, pair, medians, limits, MASK)
        if WEIGHT == "none":
            w = tl.where(keep, y * 0 + 1, 0)
        else:
            quality = tl.load(beside + pair * beside_stride, seen, 0).to(y.dtype)
            w = tl.where(keep, _weigh(quality, table, seen, WEIGHT), 0)
    valid = (tl.abs(y) < _LARGEST_PHASE) & (w > _SMALLEST_WEIGHT) & (w < _LARGEST_WEIGHT)
    return tl.where(valid, y * sign, 0), tl.where(valid, w, 0)


@triton.jit
@no_type_check
def _weigh(quality, table, seen, WEIGHT: tl.constexpr):
    """Return the weight of a coherence, or of the standard deviation of an offset."""
    if WEIGHT == "offset":
        std = tl.where(quality == quality, quality, _UNKNOWN_STD)
        std = tl.where(std < _SMALLEST_STD, _SMALLEST_STD, std)
        std = tl.where(std > _LARGEST_STD, _LARGEST_STD, std)
        w = divide(std * 0 + 1, std * std)
    else:
        coherence = tl.where(quality >= _FLOOR, quality, _FLOOR)  # NaN, too
        if WEIGHT == "var":
            coherence = tl.where(coherence > _LAST_BIN, _LAST_BIN, coherence)
            number = (coherence.to(tl.float64) - _FIRST_BIN) * _BINS
            w = tl.load(table + number.to(tl.int32), seen, 0)
        else:
            w = tl.where(coherence > 1, 1, coherence)
            if WEIGHT == "fim":
                rest = (1 - w) * (1 + w)
                w = divide(w * w, tl.where(rest > 0, rest, 1))
                w = tl.where((rest > 0) & (w < _LARGEST_INFORMATION), w, _LARGEST_INFORMATION)
                w *= tl.load(table)
    return w


@triton.jit
@no_type_check
def _is_kept(found, y, pair, medians, limits, MASK: tl.constexpr):
    """Return whether a mask keeps the observation; NaN counts as 0, all in the dtype of the file."""
    known = tl.where(found == found, found, 0)
    if MASK == "positive":
        kept = known > 0
    else:
        if not found.dtype.is_floating():
            known = known.to(tl.float32)
        threshold = tl.load(limits).to(known.dtype)
        if MASK == "at least":
            kept = known >= threshold
        else:
            distance = tl.abs(y.to(tl.float32) - tl.load(medians + pair))
            ratio = divide(distance, (known + _REGULARISATION).to(tl.float32))
            stands_out = (known <= tl.load(limits + 1).to(known.dtype)) & (ratio >= _SMALLEST_RATIO)
            kept = (known <= threshold) | stands_out
    return kept


@triton.jit
@no_type_check
def divide(one, other):
    """Divide with rounding to nearest, as torch does; Triton's own float32 division is inexact."""
    if one.dtype == tl.float32:
        return tl.div_rn(one, other)
    else:  # noqa: RET505 - one of the two is compiled
        return one / other


@triton.jit
@no_type_check
def wave(angle):
    """Return cosine and sine of an angle, both as accurate as its type.

    By fdlibm's polynomials up to a quarter of pi, in float64. A library routine for angles of a million turns
    needs a stack and spills registers; here such angles lose digits, but have no correct ones anyway.
    """
    exact = angle.to(tl.float64)
    quarters = tl.floor(exact * _QUARTERS_PER_RADIAN + 0.5)
    rest = (exact - quarters * _QUARTER_HIGH) - quarters * _QUARTER_LOW
    z = rest * rest
    cosine = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09
    cosine = (cosine * z - 2.75573143513906633035e-07) * z + 2.48015872894767294178e-05
    cosine = (cosine * z - 1.38888888888741095749e-03) * z + 4.16666666666666019037e-02
    cosine = (cosine * z - 0.5) * z + 1
    sine = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08
    sine = (sine * z + 2.75573137070700676789e-06) * z - 1.98412698298579493134e-04
    sine = (sine * z + 8.33333333332248946124e-03) * z - 1.66666666666666324348e-01
    sine = sine * z * rest + rest
    quarter = quarters.to(tl.int64) & 3
    swapped = (quarter & 1) != 0
    x = tl.where(swapped, sine, cosine)
    y = tl.where(swapped, cosine, sine)
    x = tl.where((quarter == 1) | (quarter == 2), -x, x)
    y = tl.where(quarter >= 2, -y, y)
    return x.to(angle.dtype), y.to(angle.dtype)
