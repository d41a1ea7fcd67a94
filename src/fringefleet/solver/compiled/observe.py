"""Observations of a vector of pixels, compiled for the CPU: from the values in the file to phase and weight.

The rules are those of :mod:`fringefleet.observation.weights`, :mod:`fringefleet.observation.masks` and
:class:`fringefleet.engine.weighing.Weighing`, which the tests compare with this, bit by bit. No operation is
contracted or reassociated, so that the number of pixels does not affect the result.

Words of :mod:`fringefleet.solver.raw` are represented by their positions in :data:`WEIGHT_RULES` and
:data:`MASK_RULES`.
"""

from typing import Any, NamedTuple, get_args, no_type_check

import numpy as np

from fringefleet.observation import quantity, weight_tables
from fringefleet.solver import limits
from fringefleet.solver.compiled.jit import exact
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.vectors import (
    PART,
    fetch,
    fill,
    load,
    load_flat,
    look_up,
    size_of,
    store,
    to_double,
    to_integer,
    to_single,
    where,
)
from fringefleet.solver.raw import MaskRule, WeightRule

WEIGHT_RULES, MASK_RULES = get_args(WeightRule), get_args(MaskRule)

_GIVEN, _NONE, _VAR, _FIM, _COH, _OFFSET = (
    WEIGHT_RULES.index(word) for word in ("given", "none", "var", "fim", "coh", "offset")
)
_UNMASKED, _POSITIVE, _BY_STD = (MASK_RULES.index(word) for word in ("none", "positive", "std"))
_LARGEST_PHASE = limits.LARGEST_PHASE
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = limits.SMALLEST_WEIGHT, limits.LARGEST_WEIGHT
_FLOOR = weight_tables.COHERENCE_FLOOR
_FIRST_BIN, _LAST_BIN = weight_tables.FIRST_BIN_CENTRE, weight_tables.LAST_BIN_CENTRE
_BIN_WIDTH, _BINS = weight_tables.BIN_WIDTH, 1 / weight_tables.BIN_WIDTH
_LARGEST_INFORMATION = weight_tables.LARGEST_INFORMATION
_SMALLEST_STD, _UNKNOWN_STD, _LARGEST_STD = (
    weight_tables.SMALLEST_STD,
    weight_tables.UNKNOWN_STD,
    weight_tables.LARGEST_STD,
)
_REGULARISATION, _SMALLEST_RATIO = quantity.REGULARISATION, quantity.SMALLEST_RATIO


class Source(NamedTuple):
    """Observations of a batch, and rules; arrays that no rule needs are empty.

    Each array of pairs and pixels is contiguous memory, in which a row begins at every ``stride``.
    """

    observed: Any  # (pair x pixel,), in the dtype of the solver
    beside: Any  # likewise: weight, coherence or standard deviation
    mask: Any  # (pair x pixel,), float32 or float64
    land: Any  # (pixel,) in the dtype of the solver, above 0 where a pixel is to be inverted
    strides: tuple[int, int, int]  # of the first three
    ends: Any  # the same four, each PART long: for the pixels where the batch ends
    reference: Any  # (pair,)
    medians: Any  # (pair,) float32
    table: Any  # of weights for var, or twice the looks for fim
    limits: Any  # (2,) float64: threshold of the mask; for offsets that stand out
    weight: int
    mask_rule: int
    is_offset: bool


class ObservationBuffers(NamedTuple):
    """Memory for the observations of several vectors of pixels; rows in the order of the plan."""

    residual: Any  # (vector, pair, pixel): phases [rad]
    weight: Any  # (vector, pair, pixel) [rad^-2]; zero where an observation is missing
    right: Any  # (vector, position, pixel): sum of weight times phase at each date
    sums: Any  # (vector, N_SUM, pixel); the last row counts the valid observations


@exact
@no_type_check
def observe_vector(source, walk, first, n_here, strip):
    """Write phases, in the orientation and the rows of the plan, and weights of several vectors of pixels.

    Both are zero where there is no valid observation, and from ``n_here`` on, where the batch ends.
    """
    n_member = (n_here + LANES - 1) // LANES
    strip.right[:n_member] = 0
    strip.sums[:n_member] = 0
    for place in range(len(walk.order) - 1):
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            ahead = walk.rows[min(row + 2, len(walk.rows) - 1), 0]
            for lane in range(0, n_member * LANES, PART):
                fetch(source.observed, ahead * source.strides[0] + first + lane)
                fetch(source.beside, ahead * source.strides[1] + first + lane)
                n_left = n_here - lane
                if n_left >= PART:
                    _observe_part(source, walk, place, row, first + lane, strip, lane)
                else:
                    ends = _copy_end(source, walk.rows[row, 0], first + lane, n_left)
                    _observe_part(ends, walk, place, row, 0, strip, lane)


@exact
@no_type_check
def _copy_end(source, pair, first, n_left):
    """Return the last observations of a pair, padded with missing ones."""
    observed, beside, mask, land = source.ends
    observed[:] = np.nan
    for p in range(n_left):
        observed[p] = source.observed[pair * source.strides[0] + first + p]
        if len(source.beside):
            beside[p] = source.beside[pair * source.strides[1] + first + p]
        if len(source.mask):
            mask[p] = source.mask[pair * source.strides[2] + first + p]
        if len(source.land):
            land[p] = source.land[first + p]
    land = land if len(source.land) else source.land
    return Source(
        observed,
        beside,
        mask,
        land,
        (0, 0, 0),
        source.ends,
        source.reference,
        source.medians,
        source.table,
        source.limits,
        source.weight,
        source.mask_rule,
        source.is_offset,
    )


@exact
@no_type_check
def _observe_part(source, walk, place, row, at, strip, lane):
    """Write phases and weights of a part of a vector, and add them to the sums."""
    pair, sign, partner = walk.rows[row, 0], walk.rows[row, 1], walk.rows[row, 2]
    member, lane = lane // LANES, lane % LANES
    reference = source.reference[pair]
    values = load_flat(source.observed, pair * source.strides[0] + at, PART)
    weight = _weigh(source, pair * source.strides[1] + at)
    if source.mask_rule != _UNMASKED:
        mask = load_flat(source.mask, pair * source.strides[2] + at, PART)
        weight = _mask(source, mask, values, pair, weight)
    if len(source.land):
        weight = where(load_flat(source.land, at, PART) > 0, weight, 0)
    if source.is_offset:  # every offset is valid, whatever the reference is
        values = where(values == 0, reference, values)
    phase = (values - reference) * sign
    # A phase of zero is missing, before or after referencing; and nothing is below -1
    least = -1 if source.is_offset or source.weight == _GIVEN else 0
    valid = (size_of(values * phase) > least) & (size_of(phase) < _LARGEST_PHASE)
    valid = valid & (weight < _LARGEST_WEIGHT) & (weight > _SMALLEST_WEIGHT)
    phase, weight = where(valid, phase, 0), where(valid, weight, 0)
    store(strip.residual[member], row, lane, phase)
    store(strip.weight[member], row, lane, weight)
    right, count, pull = strip.right[member], strip.sums[member], weight * phase
    store(right, place, lane, load(right, place, lane, PART) + pull)
    store(right, partner, lane, load(right, partner, lane, PART) - pull)
    last = len(count) - 1
    store(count, last, lane, load(count, last, lane, PART) + where(valid, fill(count, PART, 1), 0))


@exact
@no_type_check
def _weigh(source, at):
    """Return the weight by coherence, by the standard deviation of an offset, or as given."""
    one = fill(source.observed, PART, 1)
    if source.weight == _NONE:
        return one
    beside = load_flat(source.beside, at, PART)
    if source.weight == _GIVEN:
        return beside
    if source.weight == _OFFSET:
        std = where(beside == beside, beside, _UNKNOWN_STD)
        std = where(std < _SMALLEST_STD, _SMALLEST_STD, std)
        std = where(std > _LARGEST_STD, _LARGEST_STD, std)
        return 1 / (std * std)
    coherence = where(beside >= _FLOOR, beside, _FLOOR)  # NaN, too
    if source.weight == _VAR:
        coherence = to_double(where(coherence > _LAST_BIN, _LAST_BIN, coherence))
        if source.observed.itemsize == 8:
            return look_up(source.table, to_integer((coherence - _FIRST_BIN) / _BIN_WIDTH))
        # the bins of all float32 are those of the division, which is slower
        return look_up(source.table, to_integer((coherence - _FIRST_BIN) * _BINS))
    coherence = where(coherence > 1, one, coherence)
    if source.weight == _FIM:
        rest = (1 - coherence) * (1 + coherence)
        information = where(rest > 0, coherence * coherence / where(rest > 0, rest, 1), _LARGEST_INFORMATION)
        return where(information < _LARGEST_INFORMATION, information, _LARGEST_INFORMATION) * source.table[0]
    return coherence


@exact
@no_type_check
def _mask(source, mask, values, pair, weight):
    """Set the weight to zero where a mask is not positive, or below the threshold; NaN counts as 0.

    Offsets: where a standard deviation is too large, unless the offset stands out.
    """
    known = where(mask == mask, mask, 0)
    if source.mask_rule == _POSITIVE:
        return where(known > 0, weight, 0)
    if source.mask_rule == _BY_STD:
        moved = where(values == 0, 0, values - source.reference[pair])
        ratio = size_of(to_single(moved) - source.medians[pair]) / to_single(known + _REGULARISATION)
        relaxed = fill(source.mask, PART, source.limits[1])
        limit = where(ratio >= _SMALLEST_RATIO, relaxed, source.limits[0])
        return where(known <= limit, weight, 0)
    return where(known >= source.limits[0], weight, 0)
