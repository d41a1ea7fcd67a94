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
_BINS = 1 / weights.BIN_WIDTH
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
def observe(source, rows, first, n_here, phase, weight, count):
    """Write phases, in the orientation and the rows of the plan, and weights of a vector of pixels.

    Both are zero where there is no valid observation, and from ``n_here`` on, where the batch ends. In
    ``count`` is left how many are valid at each pixel.
    """
    observed, beside, mask = source.strides
    at = first, n_here, beside
    if source.weight == _VAR:
        weigh_by_table(source.beside, source.table, rows, at, weight)
    else:
        _weigh(source.beside, source.table, rows, at, weight, source.weight)
    at = first, n_here, mask
    if source.mask_rule == _BY_STD:
        other = first, n_here, observed
        given = source.medians, source.reference, source.limits
        _mask_by_std(source.mask, source.observed, given, rows, at, other, weight)
    elif source.mask_rule != _UNMASKED:
        _mask(source.mask, source.limits[0], rows, at, weight, source.mask_rule == _POSITIVE)
    if len(source.land):
        _mask_water(source.land[first : first + n_here], weight)
    at = first, n_here, observed
    zero_is_data = source.is_offset or source.weight == _GIVEN
    _refer(source.observed, source.reference, rows, at, phase, weight, count, zero_is_data, source.is_offset)


@exact
@no_type_check
def _row(pair, at):
    """Find the pixels of a pair: ``at`` is the first one, how many, and the distance of two rows."""
    first = np.int64(pair) * at[2] + at[0]
    return slice(first, first + at[1])


@exact
@no_type_check
def weigh_by_table(coherences, table, rows, at, weight):
    """Weigh by the bin that the coherence falls in."""
    real = weight.dtype.type
    floor, last = real(_FLOOR), real(_LAST_BIN)
    number = np.empty(at[1], np.int32)
    for row in range(len(rows)):
        values, w = coherences[_row(rows[row, 0], at)], weight[row]
        for p in range(len(values)):
            coherence = values[p] if values[p] >= floor else floor  # NaN, too
            coherence = last if coherence > last else coherence
            number[p] = np.int32((np.float64(coherence) - _FIRST_BIN) * _BINS)
        for p in range(len(values)):
            w[p] = table[np.uint32(number[p])]


@exact
@no_type_check
def _weigh(beside, table, rows, at, weight, rule):
    """Weigh by a function of the coherence, or of the standard deviation of an offset, or as is given."""
    real = weight.dtype.type
    zero, one = real(0), real(1)
    floor, most = real(_FLOOR), real(_LARGEST_INFORMATION)
    smallest, largest, unknown = real(_SMALLEST_STD), real(_LARGEST_STD), real(_UNKNOWN_STD)
    if rule == _NONE:
        weight[:] = one
        return
    for row in range(len(rows)):
        values, w = beside[_row(rows[row, 0], at)], weight[row]
        if rule == _GIVEN:
            for p in range(len(values)):
                w[p] = values[p]
        elif rule == _OFFSET:
            for p in range(len(values)):
                std = values[p] if values[p] == values[p] else unknown
                std = smallest if std < smallest else std
                std = largest if std > largest else std
                w[p] = one / (std * std)
        else:
            for p in range(len(values)):
                coherence = values[p] if values[p] >= floor else floor
                coherence = one if coherence > one else coherence
                if rule == _FIM:
                    rest = (one - coherence) * (one + coherence)
                    information = coherence * coherence / (rest if rest > zero else one)
                    information = information if rest > zero else most
                    coherence = (information if information < most else most) * table[0]
                w[p] = coherence


@exact
@no_type_check
def _mask(mask, threshold, rows, at, weight, positive):
    """Set the weight to zero where a mask is not positive, or below the threshold; no value counts as 0."""
    zero = weight.dtype.type(0)
    kind = mask.dtype.type
    nothing, least = kind(0), kind(threshold)
    for row in range(len(rows)):
        values, w = mask[_row(rows[row, 0], at)], weight[row]
        for p in range(len(values)):
            known = values[p] if values[p] == values[p] else nothing
            if positive:
                w[p] = w[p] if known > nothing else zero
            else:
                w[p] = w[p] if known >= least else zero


@exact
@no_type_check
def _mask_by_std(mask, observed, given, rows, at, other, weight):
    """Set the weight to zero where a standard deviation is too large, unless the offset stands out."""
    medians, references, limits = given
    zero = weight.dtype.type(0)
    kind = mask.dtype.type
    nothing, regularisation = kind(0), kind(_REGULARISATION)
    threshold, relaxed, smallest = kind(limits[0]), kind(limits[1]), np.float32(_SMALLEST_RATIO)
    for row in range(len(rows)):
        pair = rows[row, 0]
        values, offset, w = mask[_row(pair, at)], observed[_row(pair, other)], weight[row]
        median, reference = medians[pair], references[pair]
        for p in range(len(values)):
            std = values[p] if values[p] == values[p] else nothing
            moved = offset[p] - reference if offset[p] != zero else zero
            ratio = abs(np.float32(moved) - median) / np.float32(std + regularisation)
            limit = relaxed if ratio >= smallest else threshold
            w[p] = w[p] if std <= limit else zero


@exact
@no_type_check
def _mask_water(land, weight):
    """Set all weights of a pixel on water to zero."""
    zero = weight.dtype.type(0)
    for row in range(len(weight)):
        w = weight[row]
        for p in range(len(land)):
            w[p] = w[p] if land[p] != 0 else zero


@exact
@no_type_check
def _refer(observed, references, rows, at, phase, weight, count, zero_is_data, is_offset):
    """Subtract what is observed at the reference point, and orient; set what is not valid to zero.

    There is one comparison after the other, as the compiler makes no vector instructions of several at once.
    """
    real = phase.dtype.type
    zero, one = real(0), real(1)
    largest, light, heavy = real(_LARGEST_PHASE), real(_SMALLEST_WEIGHT), real(_LARGEST_WEIGHT)
    n_here = at[1]
    count[:] = zero
    for row in range(len(rows)):
        pair, sign = rows[row, 0], real(rows[row, 1])
        reference = references[pair]
        values, y, w = observed[_row(pair, at)], phase[row], weight[row]
        if not zero_is_data:
            for p in range(n_here):  # no data before or after
                w[p] = w[p] if abs(values[p] * (values[p] - reference)) > zero else zero
        if is_offset:  # no offset is none, wherever the reference point went
            for p in range(n_here):
                y[p] = values[p] - reference if values[p] != zero else zero
        else:
            for p in range(n_here):
                y[p] = values[p] - reference
        for p in range(n_here):
            value, heaviness = y[p], w[p]
            heaviness = heaviness if abs(value) < largest else zero
            heaviness = heaviness if heaviness < heavy else zero
            heaviness = heaviness if heaviness > light else zero
            value *= sign
            y[p] = value if heaviness > zero else zero
            w[p] = heaviness
            count[p] += one if heaviness > zero else zero
        y[n_here:] = zero
        w[n_here:] = zero
