"""Water mask and average coherence exclude pixels together; what is not given excludes none."""

import logging

import h5py
import numpy as np
import pytest

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.execution.scene_maps import pixels_to_invert
from fringefleet.simulate import Scene, simulate_dataset

WATER = np.array([[1, 0, 1], [np.nan, 2, 1]])
LAND = [[True, False, True], [False, True, True]]


@pytest.fixture
def average(tmp_path):
    def write(values):
        with h5py.File(tmp_path / "avgSpatialCoh.h5", "w") as file:
            file["coherence"] = np.array(values, "f4")
        return tmp_path / "avgSpatialCoh.h5"

    return write


def test_only_pixels_that_neither_map_excludes_are_inverted(average, caplog):
    path = average([[0, 0.5, 0.5], [0.2, 0.1, 0]])
    with caplog.at_level(logging.INFO):
        assert pixels_to_invert((2, 3), WATER, path).tolist() == [[False, False, True], [False, True, False]]
        assert pixels_to_invert((2, 3), None, path).tolist() == [[False, True, True], [True, True, False]]
    assert "2 pixels are excluded because avgSpatialCoh.h5 is 0 there" in caplog.text
    assert pixels_to_invert((2, 3), WATER, None).tolist() == LAND
    assert pixels_to_invert((2, 3), None, None) is None


def test_an_average_coherence_of_another_size_is_not_used_and_that_is_said(average, caplog):
    path = average(np.zeros((3, 3)))
    assert pixels_to_invert((2, 3), WATER, path).tolist() == LAND
    assert pixels_to_invert((2, 3), None, path) is None
    assert "differs in size from the stack: not used" in caplog.text


def test_a_baseline_that_no_two_orbits_have_is_refused_where_it_is_needed():
    stack, _ = simulate_dataset(Scene(n_date=8, shape=(8, 8)))
    stack["perpendicular_baseline"][2] = 9.97e36
    fringefleet.invert(stack)
    with pytest.raises(StackFormatError, match=r"perpendicular_baseline of 9\.97e\+36 m"):
        fringefleet.invert(stack, dem_error=True)
    stack["perpendicular_baseline"][2] = np.nan
    fringefleet.invert(stack, dem_error=True)


def test_a_mask_that_is_given_as_an_array_is_looked_at(caplog):
    pixels_to_invert((1, 2), np.array([[-5, 1]]), None)
    assert "1 values of the water mask are outside the valid range, 0 to 255" in caplog.text
