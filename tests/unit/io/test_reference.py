import numpy as np
import pytest

from fringefleet.errors import MissingMetadataError, ReferencePointError
from fringefleet.io import (
    locate_reference_point,
    open_stack,
    read_reference_values,
    unreferenced_pairs,
)
from unit.mintpy_stack import stack_parts

PHASE = stack_parts()["unwrapPhase"]


@pytest.fixture
def stack(write_mintpy):
    return open_stack(write_mintpy(), chunks=(4, 4))


def test_the_point_comes_from_the_attributes_or_from_the_argument(stack):
    assert locate_reference_point(stack) == (3, 2)
    assert locate_reference_point(stack, (5, 6)) == (5, 6)


@pytest.mark.parametrize("radar", [False, True])
def test_a_part_of_a_stack_still_finds_the_pixel(write_mintpy, radar):
    stack = open_stack(write_mintpy(attrs={"X_FIRST": None} if radar else {}))
    assert locate_reference_point(stack.isel(y=slice(2, None), x=slice(2, 3))) == (1, 0)
    assert locate_reference_point(stack.isel(y=slice(None, None, -1))) == (2, 2)
    assert locate_reference_point(stack.isel(y=slice(3, 4))) == (0, 2)


@pytest.mark.parametrize("suffix", ["zarr", "nc"])
@pytest.mark.parametrize("radar", [False, True])
def test_a_part_that_was_stored_finds_the_pixel_or_says_that_it_lacks_it(
    write_mintpy, radar, suffix, tmp_path, caplog
):
    stack = open_stack(write_mintpy(attrs={"X_FIRST": None} if radar else {}), chunks=None)
    for name, rows in (("with", slice(2, None)), ("without", slice(4, None))):
        part, path = stack.isel(y=rows).load(), tmp_path / f"{name}.{suffix}"
        if suffix == "zarr":
            part.to_zarr(path, consolidated=False)
        else:
            part.to_netcdf(path)
    with caplog.at_level("WARNING", "fringefleet"):
        found = open_stack(tmp_path / f"with.{suffix}")
    assert locate_reference_point(found) == (1, 2)
    assert found.attrs["reference_point"] == [1, 2]
    assert any("is row 1, column 2 here; its row 3 and column 2" in text for text in caplog.messages)
    without = open_stack(tmp_path / f"without.{suffix}")
    assert locate_reference_point(without) == (-1, 2)
    np.testing.assert_array_equal(
        read_reference_values(without, (-1, 2)), read_reference_values(stack, (3, 2))
    )
    with pytest.raises(ReferencePointError, match=r"the reference point at y = .* is not in this scene"):
        locate_reference_point(without.drop_vars("reference_phase"))


@pytest.mark.parametrize(
    ("part", "point"),
    [
        ({"y": slice(4, None)}, (-1, 2)),
        ({"x": slice(0, 2)}, (3, 2)),
        ({"y": slice(0, None, 2)}, (-1, 2)),
        ({"y": [2]}, (-1, 2)),
    ],
)
def test_a_part_without_the_pixel_has_its_phases_or_says_so(stack, part, point):
    assert locate_reference_point(stack.isel(part)) == point
    np.testing.assert_array_equal(
        read_reference_values(stack.isel(part), point), read_reference_values(stack, (3, 2))
    )
    with pytest.raises(ReferencePointError, match=r"the reference point at . = .* is not in this scene"):
        locate_reference_point(stack.isel(part).drop_vars("reference_phase"))


def test_the_phases_at_the_point_are_not_read_before_they_are_needed(stack):
    assert not stack["reference_phase"].variable._in_memory
    assert not stack.isel(y=slice(4, None), pair=[0])["reference_phase"].variable._in_memory


@pytest.mark.parametrize("point", [(6, 0), (0, 7), (-1, 0)])
def test_a_point_outside_says_how_large_the_scene_is(stack, point):
    with pytest.raises(ReferencePointError, match="outside the scene of 6 rows and 7 columns"):
        locate_reference_point(stack, point)


def test_attributes_that_lie_outside_are_refused(write_mintpy):
    stack = open_stack(write_mintpy(attrs={"REF_X": "7"}))
    with pytest.raises(ReferencePointError, match="row 3, column 7, outside the scene"):
        locate_reference_point(stack)


def test_a_missing_point_names_attributes_and_option(write_mintpy):
    stack = open_stack(write_mintpy(attrs={"REF_X": None}))
    with pytest.raises(MissingMetadataError, match=r"REF_Y and REF_X.*: reference = auto takes") as found:
        locate_reference_point(stack)
    assert "reference_point = (Y, X) and reference_lalo = (LAT, LON) name it." in str(found.value)


@pytest.mark.parametrize("chunks", [None, (4, 4)])
def test_the_phase_of_every_pair_is_read(write_mintpy, chunks):
    phase = read_reference_values(open_stack(write_mintpy(), chunks=chunks), (3, 2))
    assert phase.dtype == np.float32
    np.testing.assert_array_equal(phase, PHASE[:, 3, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
def test_pairs_without_data_are_named(write_mintpy, value):
    phase = PHASE.copy()
    phase[[1, 4], 3, 2] = value
    stack = open_stack(write_mintpy({"unwrapPhase": phase}))
    with pytest.raises(
        ReferencePointError,
        match=r"row 3, column 2\) in 2 of 5 pairs: 20180106_20180130, 20180130_20180211\. .*"
        r"reference_point = \(Y, X\), or drop_unreferenced = True",
    ):
        read_reference_values(stack, (3, 2))
    assert unreferenced_pairs(stack, (3, 2)) == [1, 4]
    assert unreferenced_pairs(stack, (0, 0)) == []


def test_zero_in_all_pairs_means_that_the_stack_is_referenced_already(write_mintpy):
    phase = PHASE - PHASE[:, 3:4, 2:3]
    with pytest.raises(ReferencePointError, match=r"0 in all 5 pairs.*skip_reference = True"):
        read_reference_values(open_stack(write_mintpy({"unwrapPhase": phase})), (3, 2))


def test_nan_in_all_pairs_names_them(write_mintpy):
    phase = PHASE.copy()
    phase[:, 3, 2] = np.nan
    with pytest.raises(ReferencePointError, match="in 5 of 5 pairs"):
        read_reference_values(open_stack(write_mintpy({"unwrapPhase": phase})), (3, 2))


def test_a_window_gives_the_mean_of_the_valid_phases_of_a_pair(stack):
    stack = stack.load()
    around = stack["unwrapped_phase"].values[:, 2:5, 1:4].astype(float)
    stack["unwrapped_phase"][{"pair": 0, "y": 3, "x": 2}] = np.nan
    stack["unwrapped_phase"][{"pair": 1, "y": 2, "x": 1}] = 0
    around[0, 1, 1] = around[1, 0, 0] = np.nan
    expected = np.nanmean(around.reshape(len(around), -1), axis=1)
    np.testing.assert_allclose(read_reference_values(stack, (3, 2), window=3), expected, rtol=1e-6)
    assert unreferenced_pairs(stack, (3, 2)) == [0]
    assert unreferenced_pairs(stack, (3, 2), window=3) == []


def test_a_window_at_the_edge_of_the_scene_is_what_is_there_of_it(stack):
    corner = stack["unwrapped_phase"].values[:, :2, :2].astype(float)
    expected = corner.reshape(len(corner), -1).mean(1)
    np.testing.assert_allclose(read_reference_values(stack, (0, 0), window=3), expected, rtol=1e-6)


def test_a_window_without_data_and_one_around_a_pixel_that_is_not_there_are_refused(stack):
    with pytest.raises(ReferencePointError, match="found reference_window = 3 for a part of a scene without"):
        read_reference_values(stack.isel(y=slice(4, None)), (-1, 2), window=3)
    stack = stack.load()
    stack["unwrapped_phase"][{"pair": 1}] = 0
    with pytest.raises(ReferencePointError, match=r"no data .* in 3 x 3 pixels around the reference point"):
        read_reference_values(stack, (3, 2), window=3)
