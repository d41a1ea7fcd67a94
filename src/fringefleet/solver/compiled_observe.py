"""Observations of a vector of pixels, compiled for the CPU: from what the file holds to phase and weight.

The rules are those of :mod:`fringefleet.weights`, :mod:`fringefleet.masks` and
:class:`fringefleet.weighing.Weighing`, which the tests compare with this, bit by bit. Nothing here is
contracted or reassociated, so that it makes no difference how many pixels there are.

Words of :mod:`fringefleet.solver.raw` are numbers here, their places in :data:`WEIGHT_RULES` and
:data:`MASK_RULES`.
"""

from typing import Any, NamedTuple, get_args, no_type_check

import numpy as np

from fringefleet import masks, weights
from fringefleet.solver import observations
from fringefleet.solver.jit import exact
from fringefleet.solver.raw import MaskRule, WeightRule

WEIGHT_RULES, MASK_RULES = get_args(WeightRule), get_args(MaskRule)

_GIVEN, _NONE, _VAR, _FIM, _COH, _OFFSET = (
    WEIGHT_RULES.index(word) for word in ("given", "none", "var", "fim", "coh", "offset")
)
_UNMASKED, _POSITIVE, _BY_STD = (MASK_RULES.index(word) for word in ("none", "positive", "std"))
_LARGEST_PHASE = observations.LARGEST_PHASE
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = observations.SMALLEST_WEIGHT, observations.LARGEST_WEIGHT
_FLOOR = weights.COHERENCE_FLOOR
_FIRST_BIN, _LAST_BIN = weights.FIRST_BIN_CENTRE, weights.LAST_BIN_CENTRE
_BIN_WIDTH, _BINS = weights.BIN_WIDTH, 1 / weights.BIN_WIDTH
_LARGEST_INFORMATION = weights.LARGEST_INFORMATION
_SMALLEST_STD, _UNKNOWN_STD, _LARGEST_STD = (
    weights.SMALLEST_STD,
    weights.UNKNOWN_STD,
    weights.LARGEST_STD,
)
_REGULARISATION, _SMALLEST_RATIO = masks.REGULARISATION, masks.SMALLEST_RATIO


class Source(NamedTuple):
    """Observations of a batch, and rules; arrays that no rule needs are empty.

    Those of pairs and pixels are one piece of memory each, in which a row begins at every ``stride``.
    """

    observed: Any  # (pair x pixel,), in the dtype of the solver
    beside: Any  # likewise: weight, coherence or standard deviation
    mask: Any  # (pair x pixel,), float32 or float64
    strides: tuple[int, int, int]  # of those three
    land: Any  # (pixel,) uint8, 1 where a pixel is to be inverted
    reference: Any  # (pair,)
    medians: Any  # (pair,) float32
    table: Any  # of weights for var, or twice the looks for fim
    limits: Any  # (2,) float64: threshold of the mask; for offsets that stand out
    weight: int
    mask_rule: int
    is_offset: bool


@exact
@no_type_check
def observe(source, walk, first, n_here, cells, count):
    """Write phases, in the orientation and the rows of the plan, and weights of a vector of pixels.

    Both are zero where there is no valid observation, and from ``n_here`` on, where the batch ends. In
    ``count`` is left how many are valid at each pixel, in ``right`` the sum of weight times phase at each
    date. All is done with a pair, in the nearest cache, before the next one is begun.

    There is one comparison after the other, as the compiler makes no vector instructions of several at once.
    """
    real = count.dtype.type
    zero, one = real(0), real(1)
    floor, last = real(_FLOOR), real(_LAST_BIN)
    largest, light, heavy = real(_LARGEST_PHASE), real(_SMALLEST_WEIGHT), real(_LARGEST_WEIGHT)
    number, moved = np.empty(n_here, np.int32), np.empty(n_here, count.dtype)
    is_double = count.itemsize == 8
    # A phase of zero is no data, before or after it is referenced; and nothing is below -1
    least = -one if source.is_offset or source.weight == _GIVEN else zero
    n, table, phase, weight, right = len(count), source.table, cells.residual, cells.weight, cells.right
    count[:] = zero
    right[:] = zero
    for place in range(len(walk.order) - 1):
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            pair, sign, partner = walk.rows[row, 0], real(walk.rows[row, 1]), walk.rows[row, 2]
            values = source.observed[_row(pair, first, n_here, source.strides[0])]
            reference = source.reference[pair]
            if source.weight == _NONE:
                weight[row][:] = one
            elif source.weight == _VAR:
                coherences = source.beside[_row(pair, first, n_here, source.strides[1])]
                if is_double:
                    for p in range(n_here):
                        coherence = coherences[p] if coherences[p] >= floor else floor  # NaN, too
                        coherence = last if coherence > last else coherence
                        number[p] = np.int32((coherence - _FIRST_BIN) / _BIN_WIDTH)
                else:  # the bins of all float32 are those of the division, which takes longer
                    for p in range(n_here):
                        coherence = coherences[p] if coherences[p] >= floor else floor
                        coherence = last if coherence > last else coherence
                        number[p] = np.int32((np.float64(coherence) - _FIRST_BIN) * _BINS)
                for p in range(n_here):
                    weight[row, p] = table[np.uint32(number[p])]
            else:
                beside = source.beside[_row(pair, first, n_here, source.strides[1])]
                _weigh(beside, table, weight[row], source.weight)
            if source.mask_rule != _UNMASKED:
                found = source.mask[_row(pair, first, n_here, source.strides[2])]
                if source.mask_rule == _BY_STD:
                    _mask_by_std(found, values, reference, source.medians[pair], source.limits, weight[row])
                else:
                    _mask(found, source.limits[0], weight[row], source.mask_rule == _POSITIVE)
            if len(source.land):
                _mask_water(source.land[first : first + n_here], weight[row])
            if source.is_offset:  # no offset is none, wherever the reference point went
                for p in range(n_here):
                    moved[p] = values[p] if values[p] != zero else reference
                values = moved
            for p in range(n_here):
                y, w = (values[p] - reference) * sign, weight[row, p]
                w = w if abs(values[p] * y) > least else zero
                w = w if abs(y) < largest else zero
                w = w if w < heavy else zero
                w = w if w > light else zero
                phase[row, p] = y if w > zero else zero
                weight[row, p] = w
                count[p] += one if w > zero else zero
            for p in range(n_here, n):
                phase[row, p] = zero
                weight[row, p] = zero
            for p in range(n):  # apart: of loops with many rows no vector instructions are made
                pull = weight[row, p] * phase[row, p]
                right[place, p] += pull
                right[partner, p] -= pull


@exact
@no_type_check
def _row(pair, first, n_here, stride):
    """Find the pixels of a pair."""
    begin = np.int64(pair) * stride + first
    return slice(begin, begin + n_here)


@exact
@no_type_check
def _weigh(beside, table, weight, rule):
    """Weigh by a function of the coherence, or of the standard deviation of an offset, or as is given."""
    real = weight.dtype.type
    zero, one = real(0), real(1)
    floor, most = real(_FLOOR), real(_LARGEST_INFORMATION)
    smallest, largest, unknown = real(_SMALLEST_STD), real(_LARGEST_STD), real(_UNKNOWN_STD)
    if rule == _GIVEN:
        for p in range(len(beside)):
            weight[p] = beside[p]
    elif rule == _OFFSET:
        for p in range(len(beside)):
            std = beside[p] if beside[p] == beside[p] else unknown
            std = smallest if std < smallest else std
            std = largest if std > largest else std
            weight[p] = one / (std * std)
    else:
        for p in range(len(beside)):
            coherence = beside[p] if beside[p] >= floor else floor
            coherence = one if coherence > one else coherence
            if rule == _FIM:
                rest = (one - coherence) * (one + coherence)
                information = coherence * coherence / (rest if rest > zero else one)
                information = information if rest > zero else most
                coherence = (information if information < most else most) * table[0]
            weight[p] = coherence


@exact
@no_type_check
def _mask(found, threshold, weight, positive):
    """Set the weight to zero where a mask is not positive, or below the threshold; no value counts as 0."""
    zero = weight.dtype.type(0)
    kind = found.dtype.type
    nothing, least = kind(0), kind(threshold)
    for p in range(len(found)):
        known = found[p] if found[p] == found[p] else nothing
        if positive:
            weight[p] = weight[p] if known > nothing else zero
        else:
            weight[p] = weight[p] if known >= least else zero


@exact
@no_type_check
def _mask_by_std(found, offset, reference, median, limits, weight):
    """Set the weight to zero where a standard deviation is too large, unless the offset stands out."""
    zero = weight.dtype.type(0)
    kind = found.dtype.type
    nothing, regularisation = kind(0), kind(_REGULARISATION)
    threshold, relaxed, smallest = kind(limits[0]), kind(limits[1]), np.float32(_SMALLEST_RATIO)
    for p in range(len(found)):
        std = found[p] if found[p] == found[p] else nothing
        moved = offset[p] - reference if offset[p] != zero else zero
        ratio = abs(np.float32(moved) - median) / np.float32(std + regularisation)
        limit = relaxed if ratio >= smallest else threshold
        weight[p] = weight[p] if std <= limit else zero


@exact
@no_type_check
def _mask_water(land, weight):
    """Set the weight of pixels on water to zero."""
    zero = weight.dtype.type(0)
    for p in range(len(land)):
        weight[p] = weight[p] if land[p] != 0 else zero
