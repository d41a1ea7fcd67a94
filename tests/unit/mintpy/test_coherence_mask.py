"""maskTempCoh.h5: which pixels, and what the file says. The attributes are what MintPy 1.6.4 wrote."""

import os

import h5py
import numpy as np
import pytest

from fringefleet.errors import OptionError, StackFormatError
from fringefleet.io.writers.mintpy import mask_name
from fringefleet.mintpy.coherence_mask import Reliable, write_coherence_mask

COHERENCE = np.array([[0.9, 0.7, 0.69999], [0.0, np.nan, 1.0]], dtype="f4")
SHADOW = np.array([[True, False, False], [False, False, False]])


@pytest.fixture
def quality(tmp_path):
    path = tmp_path / "temporalCoherence.h5"
    with h5py.File(path, "w") as file:
        file["temporalCoherence"] = COHERENCE
        file.attrs.update(FILE_TYPE="temporalCoherence", UNIT="1", LENGTH="2", WIDTH="3")
    os.utime(path, (10**9, 10**9))
    return path


@pytest.fixture
def geometry(tmp_path):
    path = tmp_path / "geometryRadar.h5"
    with h5py.File(path, "w") as file:
        file["shadowMask"] = SHADOW
    os.utime(path, (10**9, 10**9))
    return path


def read(path):
    with h5py.File(path) as file:
        return file["mask"][()], dict(file.attrs)


def test_a_pixel_is_reliable_from_the_minimum_on_in_the_precision_of_the_file(quality, tmp_path):
    output = tmp_path / "maskTempCoh.h5"
    assert write_coherence_mask(quality, output, Reliable(0.7)) == 3
    mask, _ = read(output)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [[True, True, False], [False, False, True]])


def test_a_pixel_in_shadow_is_not_reliable_if_it_is_asked_for(quality, geometry, tmp_path):
    output = tmp_path / "maskTempCoh.h5"
    assert write_coherence_mask(quality, output, Reliable(0.7, True, geometry)) == 2
    assert not read(output)[0][0, 0]
    assert write_coherence_mask(quality, output, Reliable(0.7, False, geometry)) == 3


def test_the_attributes_are_those_that_mintpy_writes(quality, geometry, tmp_path):
    output = tmp_path / "maskTempCoh.h5"
    write_coherence_mask(quality, output, Reliable(0.7, True, geometry))
    assert read(output)[1] == {
        "FILE_TYPE": "mask",
        "FILE_PATH": str(quality),
        "NO_DATA_VALUE": "none",
        "UNIT": "1",
        "LENGTH": "2",
        "WIDTH": "3",
        "mintpy.networkInversion.minTempCoh": "0.7",
        "mintpy.networkInversion.shadowMask": "True",
    }


def test_a_geometry_without_shadow_leaves_nothing_out(quality, tmp_path):
    geometry = tmp_path / "geometryGeo.h5"
    with h5py.File(geometry, "w") as file:
        file["height"] = np.zeros((2, 3))
    assert write_coherence_mask(quality, tmp_path / "mask.h5", Reliable(0.7, True, geometry)) == 3


def test_a_shadow_of_another_size_is_refused_and_the_old_mask_stays(quality, tmp_path):
    output, geometry = tmp_path / "maskTempCoh.h5", tmp_path / "geometryGeo.h5"
    output.write_bytes(b"old")
    with h5py.File(geometry, "w") as file:
        file["shadowMask"] = np.zeros((3, 3), bool)
    with pytest.raises(StackFormatError, match=r"found shadowMask of \(3, 3\) .* shadowMask = no"):
        write_coherence_mask(quality, output, Reliable(0.7, True, geometry))
    assert output.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_mask_that_would_come_out_again_is_left_alone(quality, geometry, tmp_path):
    output, wanted = tmp_path / "maskTempCoh.h5", Reliable(0.7, True, geometry)
    write_coherence_mask(quality, output, wanted)
    os.utime(output, (2 * 10**9, 2 * 10**9))
    assert write_coherence_mask(quality, output, wanted) == 2
    assert output.stat().st_mtime == 2 * 10**9
    assert write_coherence_mask(quality, output, Reliable(0.8, True, geometry)) == 1
    assert output.stat().st_mtime < 2 * 10**9


@pytest.mark.parametrize("newer", ["quality", "geometry"])
def test_a_mask_that_is_older_than_its_sources_is_made_again(newer, quality, geometry, tmp_path):
    output, wanted = tmp_path / "maskTempCoh.h5", Reliable(0.7, True, geometry)
    write_coherence_mask(quality, output, wanted)
    with h5py.File(output, "r+") as file:
        file["mask"][()] = True
    os.utime(output, (10**9, 10**9))
    os.utime({"quality": quality, "geometry": geometry}[newer], (2 * 10**9, 2 * 10**9))
    assert write_coherence_mask(quality, output, wanted) == 2


def test_what_is_no_mask_is_replaced(quality, tmp_path):
    output = tmp_path / "maskTempCoh.h5"
    output.write_text("nothing")
    assert write_coherence_mask(quality, output, Reliable(0.7)) == 3
    assert read(output)[0].sum() == 3


@pytest.mark.parametrize(
    ("quality", "mask"),
    [
        ("temporalCoherence.h5", "maskTempCoh.h5"),
        ("temporalCoherenceIon.h5", "maskTempCohIon.h5"),
        ("tcoh.h5", "maskTempCoh.h5"),
    ],
)
def test_a_mask_is_named_after_its_quality(quality, mask, tmp_path):
    assert mask_name(tmp_path / quality) == tmp_path / mask


@pytest.mark.parametrize("minimum", [-0.1, 1.1, 70.0, float("nan")])
def test_a_minimum_that_no_coherence_can_be_compared_with_is_refused(minimum):
    with pytest.raises(OptionError, match=r"minTempCoh = .* from 0 to 1"):
        Reliable(minimum)
