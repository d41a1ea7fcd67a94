import pytest
from hypothesis import given
from hypothesis import strategies as st

from fringefleet.io.chunking import fit_tile

LENGTH = st.integers(1, 5000)


@given(st.tuples(LENGTH, LENGTH), st.none() | st.tuples(LENGTH, LENGTH), st.floats(1, 1e7))
def test_a_tile_is_within_the_scene_and_the_limit(shape, stored, n_pixel):
    rows, columns = fit_tile(shape, stored, n_pixel)
    assert 1 <= rows <= shape[0]
    assert 1 <= columns <= shape[1]
    assert rows * columns <= n_pixel


@pytest.mark.parametrize("stored", [(19, 38), (64, 16), (7, 96)])
def test_a_tile_is_whole_stored_chunks_where_they_are_small(stored):
    rows, columns = fit_tile((1000, 1000), stored, 256 * 256)
    assert rows % stored[0] == columns % stored[1] == 0
    assert rows * columns > 0.6 * 256 * 256


def test_a_stored_chunk_larger_than_the_limit_is_cut():
    assert fit_tile((1000, 1000), (1000, 1000), 100 * 100) == (100, 100)


@pytest.mark.parametrize(("strip", "rows"), [(1, 65), (6, 60), (65, 65)])
def test_strips_as_wide_as_the_scene_are_not_cut(strip, rows):
    assert fit_tile((2000, 1000), (strip, 1000), 256 * 256) == (rows, 1000)


def test_a_strip_larger_than_the_limit_is_cut():
    assert fit_tile((2000, 1000), (66, 1000), 256 * 256) == (198, 330)


def test_a_narrow_scene_gets_long_tiles():
    assert fit_tile((10_000, 50), None, 100 * 100) == (192, 50)
