"""MintPy's average coherence leaves out the pixels where it is exactly zero."""

import h5py
import numpy as np
import pytest

from fringefleet.errors import InputError, StackFormatError
from fringefleet.io import read_average_coherence


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


@pytest.mark.parametrize("name", ["coherence", "mask", "offsetSNR"])
def test_zero_is_left_out_and_no_number_is_not(tmp_path, name):
    path = write(tmp_path / "avg.h5", **{name: np.array([[0.0, 0.3], [np.nan, -0.0]], "f4")})
    assert read_average_coherence(path, (2, 2)).tolist() == [[False, True], [True, False]]


def test_a_map_of_another_size_is_no_map(tmp_path):
    path = write(tmp_path / "avg.h5", coherence=np.ones((3, 2)))
    assert read_average_coherence(path, (2, 2)) is None


def test_what_is_no_map_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no average coherence at .*gone\.h5"):
        read_average_coherence(tmp_path / "gone.h5", (2, 2))
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(StackFormatError, match=r"text\.h5 is not HDF5"):
        read_average_coherence(tmp_path / "text.h5", (2, 2))
    for values in (np.ones(3), np.array([[b"a"]])):
        path = write(tmp_path / "avg.h5", table=values)
        with pytest.raises(StackFormatError, match=r"datasets table; a map of numbers is needed"):
            read_average_coherence(path, (2, 2))


def test_what_no_average_can_be_is_said(tmp_path, caplog):
    values = np.array([[0.5, 20.0], [-1.0, np.nan]], "f4")
    for name, n_wrong in (("avgSpatialCoh.h5", 2), ("avgSpatialSNR.h5", 1)):
        caplog.clear()
        read_average_coherence(write(tmp_path / name, average=values), (2, 2))
        assert f"{n_wrong} values of the average coherence" in caplog.text
