"""Least squares of the series of many pixels that have all dates, compiled for the CPU.

For every pixel the products of its series with the columns of an orthonormal basis, and its square, are
summed up in float64, and make its parameters as :mod:`fringefleet.solver.time_fit` says. A pixel has the same
bits wherever it is among others.
"""

from typing import Any, no_type_check

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fringefleet.solver.compiled.jit import fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.vectors import PART, fetch, fill, load, load_flat, store, to_double

_AT_ONCE = 8  # vectors whose sums stay near a core
_PART = 8  # pixels of a vector that are worked on at once: those of four dates are held in registers


def solve(
    series: NDArray[Any],
    rows: NDArray[np.intp],
    basis: NDArray[np.float64],
    inverse: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve for the parameters of series that have all dates.

    Parameters
    ----------
    series
        (date, pixel), with the pixels of a date one after the other in memory.
    rows
        Dates that are used.
    basis
        Orthonormal columns, (used date, column).
    inverse
        What makes the parameters of the products with the columns, (parameter, column).

    Returns
    -------
    array
        (parameter and two, pixel): last the squares of what the fit leaves, and of the series, summed up.
    """
    n_pixel, n_row = series.shape[1], basis.shape[1] + 2
    n_vector = n_pixel // LANES
    found = np.empty((n_row, n_pixel))
    whole = _solved(series, n_vector, rows, basis, inverse)
    found[:, : n_vector * LANES].reshape(n_row, n_vector, LANES)[...] = whole.transpose(1, 0, 2)
    if n_left := n_pixel - n_vector * LANES:
        rest = np.zeros((len(rows), LANES), series.dtype)
        rest[:, :n_left] = series[rows, n_vector * LANES :]
        found[:, -n_left:] = _solved(rest, 1, np.arange(len(rows)), basis, inverse)[0, :, :n_left]
    return found


def _solved(
    series: NDArray[Any],
    n_vector: int,
    rows: NDArray[np.intp],
    basis: NDArray[np.float64],
    inverse: NDArray[np.float64],
) -> NDArray[np.float64]:
    n_row = basis.shape[1] + 2
    found, sums = np.empty((n_vector * n_row, LANES)), np.empty((_AT_ONCE * n_row, LANES))
    stride, itemsize = series.strides[0] // series.itemsize, series.itemsize
    numbers = as_strided(
        series, ((len(series) - 1) * stride + series.shape[1],), (itemsize,), writeable=False
    )
    solve_vectors(numbers, stride, rows, basis, inverse, n_vector, sums, found)
    return found.reshape(n_vector, n_row, LANES)


@fast
@no_type_check
def solve_vectors(numbers, stride, rows, basis, inverse, n_vector, sums, found):
    """Solve vectors of pixels: a few of them and four dates at a time."""
    n_date, n_column = basis.shape
    for first in range(0, n_vector, _AT_ONCE):
        last = min(first + _AT_ONCE, n_vector)
        sums[:] = 0.0
        for date in range(0, n_date - 3, 4):
            for vector in range(first, last):
                _add_four(numbers, stride, rows, basis, date, vector, (vector - first) * (n_column + 1), sums)
        for date in range(n_date // 4 * 4, n_date):
            for vector in range(first, last):
                _add_one(numbers, stride, rows, basis, date, vector, (vector - first) * (n_column + 1), sums)
        for vector in range(first, last):
            _finish(inverse, (vector - first) * (n_column + 1), sums, vector * (n_column + 2), found)


@fast
@no_type_check
def _finish(inverse, at, sums, into, found):
    """Make parameters of the sums of a vector, and what they leave of the series."""
    n_parameter, n_column = inverse.shape
    for lane in range(0, LANES, _PART):
        squares = load(sums, at + n_column, lane, _PART)
        left = squares
        for column in range(n_column):
            projected = load(sums, at + column, lane, _PART)
            left = left - projected * projected
        for parameter in range(n_parameter):
            value = fill(sums, _PART, 0.0)
            for column in range(n_column):
                value = value + load(sums, at + column, lane, _PART) * inverse[parameter, column]
            store(found, into + parameter, lane, value)
        store(found, into + n_parameter, lane, left)
        store(found, into + n_parameter + 1, lane, squares)


@fast
@no_type_check
def _add_four(numbers, stride, rows, basis, date, vector, at, sums):
    n_date, n_column = basis.shape
    for lane in range(0, LANES, _PART):
        pixel = vector * LANES + lane
        if lane % PART == 0:
            for ahead in range(date + 4, min(date + 8, n_date)):
                fetch(numbers, rows[ahead] * stride + pixel)
        one = to_double(load_flat(numbers, rows[date] * stride + pixel, _PART))
        two = to_double(load_flat(numbers, rows[date + 1] * stride + pixel, _PART))
        three = to_double(load_flat(numbers, rows[date + 2] * stride + pixel, _PART))
        four = to_double(load_flat(numbers, rows[date + 3] * stride + pixel, _PART))
        for column in range(n_column):
            term = load(sums, at + column, lane, _PART) + one * basis[date, column]
            term = term + two * basis[date + 1, column] + three * basis[date + 2, column]
            store(sums, at + column, lane, term + four * basis[date + 3, column])
        squares = load(sums, at + n_column, lane, _PART) + one * one + two * two
        store(sums, at + n_column, lane, squares + three * three + four * four)


@fast
@no_type_check
def _add_one(numbers, stride, rows, basis, date, vector, at, sums):
    n_column = basis.shape[1]
    for lane in range(0, LANES, _PART):
        values = to_double(load_flat(numbers, rows[date] * stride + vector * LANES + lane, _PART))
        for column in range(n_column):
            term = load(sums, at + column, lane, _PART) + values * basis[date, column]
            store(sums, at + column, lane, term)
        store(sums, at + n_column, lane, load(sums, at + n_column, lane, _PART) + values * values)
