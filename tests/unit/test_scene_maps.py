"""Water mask and average coherence exclude pixels together; what is not given excludes none."""

import logging

import h5py
import numpy as np
import pytest

from fringefleet.scene_maps import pixels_to_invert

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
    assert "2 pixels are left out because avgSpatialCoh.h5 is 0 there" in caplog.text
    assert pixels_to_invert((2, 3), WATER, None).tolist() == LAND
    assert pixels_to_invert((2, 3), None, None) is None


def test_an_average_coherence_of_another_size_is_not_used_and_that_is_said(average, caplog):
    path = average(np.zeros((3, 3)))
    assert pixels_to_invert((2, 3), WATER, path).tolist() == LAND
    assert pixels_to_invert((2, 3), None, path) is None
    assert "another size than the stack: not used" in caplog.text
