"""Lazy variables that read others, and what is used of xarray's inside for them."""

import pickle

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from xarray.core.indexing import LazilyIndexedArray

from counted_reads import READS, CountedReads
from fringefleet.io.lazy.decoded import DecodedArray
from fringefleet.io.lazy.guarded import GuardedArray
from fringefleet.io.lazy.no_data import StoredNumbers
from fringefleet.io.lazy.wrapped import is_in_memory
from fringefleet.io.quantities import _Scaled

VALUES = np.arange(24, dtype="f4").reshape(2, 3, 4)
DIMS = ("pair", "y", "x")


def lazy(values=VALUES):
    return xr.Variable(DIMS, LazilyIndexedArray(CountedReads(xr.Variable(DIMS, values), DIMS, "f4")))


WRAPPED = {
    "guarded": lambda variable: GuardedArray(variable, "a of b"),
    "decoded": lambda variable: DecodedArray(variable, DIMS, StoredNumbers(), "f4"),
    "transposed": lambda variable: DecodedArray(variable, DIMS[::-1], StoredNumbers(), "f4"),
    "scaled": lambda variable: _Scaled(variable, 2.0),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_token_names_the_content_and_reads_nothing(kind):
    before = len(READS)
    array = WRAPPED[kind](lazy())
    assert tokenize(array) == tokenize(WRAPPED[kind](lazy()))
    assert tokenize(array) == tokenize(pickle.loads(pickle.dumps(array)))
    assert len(READS) == before
    assert tokenize(array) != tokenize(WRAPPED[kind](lazy(VALUES + 1)))


def test_every_kind_and_setting_has_a_token_of_its_own():
    arrays = [wrap(lazy()) for wrap in WRAPPED.values()] + [_Scaled(lazy(), 3.0)]
    assert len({tokenize(array) for array in arrays}) == len(arrays)


@pytest.mark.parametrize("kind", WRAPPED)
def test_only_the_part_that_is_asked_for_is_read(kind):
    array = WRAPPED[kind](lazy())
    variable = xr.Variable(array.dims, LazilyIndexedArray(array))
    expected = xr.Variable(DIMS, VALUES * (2 if kind == "scaled" else 1)).transpose(*array.dims)
    before = len(READS)
    part = {"pair": 1, "y": slice(0, 2), "x": [3, 0]}
    np.testing.assert_array_equal(variable.isel(part).values, expected.isel(part).values)
    assert len(READS) == before + 1
    np.testing.assert_array_equal(variable.values, expected.values)


def test_what_is_in_memory_is_told_from_what_is_not():
    assert is_in_memory(xr.Variable(DIMS, VALUES))
    assert not is_in_memory(lazy())
    assert is_in_memory(lazy().load())
