"""Every operation of a kernel on vectors, beside NumPy's of the same numbers, bit by bit."""

import numba
import numpy as np
import pytest

from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.vectors import (
    PART,
    fetch,
    fill,
    floor_of,
    load,
    load_flat,
    look_up,
    multiply_add,
    root_of,
    rounded_to,
    size_of,
    store,
    to_double,
    to_integer,
    to_single,
    where,
)

REALS = [np.float32, np.float64]
FORMULAS = {
    "a sum": lambda x, y: x + y,
    "a difference": lambda x, y: x - y,
    "a product": lambda x, y: x * y,
    "a quotient": lambda x, y: x / y,
    "a number before": lambda x, _: 1 - x,
    "a number behind": lambda x, _: x * 0.1 + 3,
    "nothing contracted": lambda x, y: x * y + x,
}


def numbers(dtype, n_row=2):
    values = np.random.default_rng(0).normal(0, 3, (n_row, LANES)).astype(dtype)
    values[:, :4] = [0.0, -0.0, np.nan, np.inf]
    return values


def applied(function, *arrays, width=PART, out=None):
    """Apply a compiled function to the lanes of some rows, so many at once."""
    compiled = numba.njit(function)
    given = tuple(np.ascontiguousarray(array[None]) for array in arrays)
    result = np.empty_like(given[0] if out is None else out[None])

    @numba.njit(error_model="numpy")
    def go(given, result):
        for lane in range(0, LANES, width):
            store(result, 0, lane, compiled(load(given[0], 0, lane, width), load(given[1], 0, lane, width)))

    go(given, result)
    return result[0]


@pytest.mark.parametrize("width", [8, PART, LANES])
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_arithmetic(formula, dtype, width):
    x, y = numbers(dtype)
    with np.errstate(all="ignore"):
        expected = formula(x, y)
    assert expected.dtype == dtype
    np.testing.assert_array_equal(applied(formula, x, y, width=width), expected)


@pytest.mark.parametrize("dtype", REALS)
def test_comparisons_choose_and_no_number_compares_false(dtype):
    x, y = numbers(dtype)
    x[5] = y[5]
    cases = [
        (lambda a, b: where(a > b, a, b), np.where(x > y, x, y)),
        (lambda a, b: where(a >= b, 1.5, b), np.where(x >= y, dtype(1.5), y)),
        (lambda a, b: where(a < b, a, 0), np.where(x < y, x, dtype(0))),
        (lambda a, b: where((a <= b) & (b > 0), a, b), np.where((x <= y) & (y > 0), x, y)),
        (lambda a, b: where((a == a) | (b < 0), b, a), np.where((x == x) | (y < 0), y, x)),
    ]
    for function, expected in cases:
        np.testing.assert_array_equal(applied(function, x, y), expected)


@pytest.mark.parametrize("dtype", REALS)
def test_functions(dtype):
    x, y = numbers(dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(applied(lambda a, _: root_of(a), x, y), np.sqrt(x))
    np.testing.assert_array_equal(applied(lambda a, _: floor_of(a), x, y), np.floor(x))
    np.testing.assert_array_equal(applied(lambda a, _: size_of(a), x, y), np.abs(x))
    np.testing.assert_allclose(
        applied(lambda a, b: multiply_add(a, 0.3, b), x, y), x * dtype(0.3) + y, rtol=1e-5
    )


@pytest.mark.parametrize("dtype", REALS)
def test_conversions(dtype):
    x, y = numbers(dtype)
    double = applied(lambda a, b: to_double(a) * to_double(b), x, y, out=np.empty(LANES))
    np.testing.assert_array_equal(double, x.astype("f8") * y.astype("f8"))
    single = applied(lambda a, _: to_single(a), x, y, out=np.empty(LANES, "f4"))
    np.testing.assert_array_equal(single, x.astype("f4"))
    x[:4] = 2.9
    whole = applied(lambda a, _: to_integer(a), x, y, out=np.empty(LANES, "i4"))
    np.testing.assert_array_equal(whole, np.trunc(x).astype("i4"))

    @numba.njit
    def back(values, rows, into):
        store(into, 0, 0, rounded_to(load(values, 0, 0, LANES), rows))

    into = np.empty((1, LANES), dtype)
    back(np.full((1, LANES), 1 / 3), into, into)
    assert (into == dtype(1 / 3)).all()


@pytest.mark.parametrize("dtype", REALS)
def test_a_table_is_looked_up_and_a_flat_array_read_from_anywhere(dtype):
    table = np.arange(100, dtype=dtype) ** 2
    places = np.random.default_rng(1).integers(0, 100, PART + 3).astype(dtype)

    @numba.njit
    def read(table, places, into):
        fetch(places, 0)
        fetch(places, 10**6)  # asks for nothing that is there, which harms nobody
        store(into, 0, 0, fill(into, LANES, 7))
        store(into, 0, PART, look_up(table, to_integer(load_flat(places, 3, PART))))

    into = np.zeros((1, LANES), dtype)
    read(table, places, into)
    expected = np.full(LANES, 7, dtype)
    expected[PART : 2 * PART] = table[places[3:].astype(int)]
    np.testing.assert_array_equal(into[0], expected)


def test_only_the_lanes_that_are_stored_change():
    rows = np.zeros((3, LANES), np.float32)

    @numba.njit
    def write(rows):
        store(rows, 1, PART, fill(rows, PART, 1))

    write(rows)
    assert rows.sum() == rows[1, PART : 2 * PART].sum() == PART
