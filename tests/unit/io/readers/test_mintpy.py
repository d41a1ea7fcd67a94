import h5py
import numpy as np
import pytest

from fringefleet.errors import InputError, StackFormatError
from fringefleet.io import read_water_mask
from fringefleet.io.mintpy.names import OUR_NAMES
from fringefleet.io.readers.mintpy import open_mintpy
from unit.mintpy_stack import DATES, stack_parts


def test_names_units_and_values_are_ours(write_mintpy):
    stack = open_mintpy(write_mintpy())
    parts = stack_parts()
    for ours, theirs in (
        ("unwrapped_phase", "unwrapPhase"),
        ("coherence", "coherence"),
        ("connected_component", "connectComponent"),
    ):
        assert stack[ours].dims == ("pair", "y", "x")
        assert stack[ours].attrs["grid_mapping"] == "spatial_ref"
        np.testing.assert_array_equal(stack[ours], parts[theirs])
        assert stack[ours].dtype == parts[theirs].dtype
    assert stack.unwrapped_phase.attrs["units"] == "rad"
    np.testing.assert_array_equal(stack.perpendicular_baseline, parts["bperp"])
    assert stack.reference_date.dt.strftime("%Y%m%d").values[0] == DATES[0]
    assert stack.secondary_date.dt.strftime("%Y%m%d").values[-1] == DATES[-1]


def test_attributes_are_kept_and_translated(write_mintpy):
    attrs = open_mintpy(write_mintpy(attrs={"SOMETHING": "else"})).attrs
    assert attrs["SOMETHING"] == "else"
    assert attrs["REF_Y"] == "3"
    assert attrs["wavelength"] == 0.0555
    assert attrs["looks"] == 8
    assert attrs["reference_point"] == [3, 2]
    assert (attrs["reference_point_y"], attrs["reference_point_x"]) == (19.125, -97.75)
    assert attrs["date_format"] == "%Y%m%d"


def test_unknown_metadata_is_absent(write_mintpy):
    attrs = open_mintpy(
        write_mintpy(attrs=dict.fromkeys(("WAVELENGTH", "NCORRLOOKS", "REF_Y", "X_FIRST")))
    ).attrs
    assert not {"wavelength", "looks", "reference_point", "reference_point_y"} & set(attrs)


@pytest.mark.parametrize("drop_everything_else", [True, False])
def test_dropped_pairs_are_left_out_everywhere(write_mintpy, drop_everything_else):
    kept = np.array([True, False, True, True, False])
    parts = stack_parts()
    extra = {"offset": parts["coherence"] * 2, "refPhase": np.arange(5, dtype="f4")}
    stack = open_mintpy(write_mintpy({"dropIfgram": kept} | extra, chunks=(2, 3, 3)))
    assert stack.sizes["pair"] == 3
    np.testing.assert_array_equal(stack.unwrapped_phase, parts["unwrapPhase"][kept])
    np.testing.assert_array_equal(stack.offset, extra["offset"][kept])
    np.testing.assert_array_equal(stack.refPhase, extra["refPhase"][kept])
    np.testing.assert_array_equal(stack.perpendicular_baseline, parts["bperp"][kept])


def test_without_drop_information_baselines_and_coherence_all_pairs_are_kept(write_mintpy):
    parts = dict.fromkeys(("dropIfgram", "bperp", "coherence", "connectComponent"))
    stack = open_mintpy(write_mintpy(parts))
    assert stack.sizes["pair"] == 5
    assert list(stack.data_vars) == ["unwrapped_phase"]
    assert "perpendicular_baseline" not in stack.coords


def test_a_pair_may_go_back_in_time(write_mintpy):
    stack = open_mintpy(write_mintpy(pairs=((1, 0), (1, 2), (3, 2))))
    days = (stack.secondary_date - stack.reference_date).dt.days.values
    assert days.tolist() == [-12, 12, -12]


@pytest.mark.parametrize(
    "shape", [(5, 5), (5, 7), (7, 5), (2, 5), (5, 2), (2, 2)], ids=lambda s: f"{s[0]}x{s[1]}"
)
def test_axes_of_the_same_length_are_not_confused(write_mintpy, shape):
    extra = np.arange(shape[0] * shape[1], dtype="f4").reshape(shape)
    stack = open_mintpy(write_mintpy({"height": extra}, shape=shape))
    np.testing.assert_array_equal(stack.unwrapped_phase, stack_parts(shape)["unwrapPhase"])
    assert stack.unwrapped_phase.dims == ("pair", "y", "x")
    assert stack.height.dims == ("y", "x")
    np.testing.assert_array_equal(stack.height, extra)
    assert stack.reference_date.dims == ("pair",)


def test_other_numbers_keep_their_name_and_texts_are_left_out(write_mintpy):
    extra = {
        "wrapPhase": stack_parts()["unwrapPhase"] + 1,
        "table": np.zeros((3, 2)),
        "comment": np.array([b"a", b"b"]),
    }
    stack = open_mintpy(write_mintpy(extra))
    assert stack.wrapPhase.dims == ("pair", "y", "x")
    assert stack.table.dims == ("table_0", "table_1")
    assert "comment" not in stack


def test_dates_may_be_text_of_any_length(write_mintpy):
    dates = stack_parts(dates=("20180106T1230", "2018-01-18", "180130", "20180211"))["date"]
    text = dates.astype(str).astype(h5py.string_dtype())
    stack = open_mintpy(write_mintpy({"date": text}))
    assert stack.attrs["date_format"] == "%Y%m%dT%H%M"
    assert stack.secondary_date.dt.strftime("%Y%m%d").values[-1] == DATES[-1]


def test_double_precision_becomes_single(write_mintpy):
    phase = stack_parts()["unwrapPhase"].astype("f8")
    assert open_mintpy(write_mintpy({"unwrapPhase": phase})).unwrapped_phase.dtype == np.float32


class TestWaterMask:
    @pytest.mark.parametrize("name", ["waterMask", "mask"])
    @pytest.mark.parametrize("dtype", ["bool", "u1", "f4"])
    def test_nonzero_is_land(self, tmp_path, name, dtype):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file[name] = np.array([[0, 1], [1, 0]], dtype)
        mask = read_water_mask(tmp_path / "w.h5", (2, 2))
        assert mask.tolist() == [[False, True], [True, False]]

    def test_of_two_masks_that_is_taken_which_mintpy_takes(self, tmp_path):
        with h5py.File(tmp_path / "w.h5", "w", track_order=True) as file:
            file["waterMask"], file["mask"] = np.array([[1, 1]]), np.array([[0, 1]])
        assert read_water_mask(tmp_path / "w.h5", (1, 2)).tolist() == [[False, True]]

    def test_nan_is_water(self, tmp_path):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["mask"] = np.array([[np.nan, 1]])
        assert read_water_mask(tmp_path / "w.h5", (1, 2)).tolist() == [[False, True]]

    def test_what_is_declared_as_no_data_is_water_and_what_no_mask_can_be_is_said(self, tmp_path, caplog):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["mask"] = np.array([[-9999.0, 1, -1]])
            file["mask"].attrs["_FillValue"] = -9999.0
        assert read_water_mask(tmp_path / "w.h5", (1, 3)).tolist() == [[False, True, True]]
        assert "1 values of the water mask" in caplog.text
        assert "outside the valid range, 0 to 255: they range from -1 to -1" in caplog.text

    def test_each_error_says_what_was_found(self, tmp_path):
        with pytest.raises(InputError, match=r"found no water mask at .*w\.h5"):
            read_water_mask(tmp_path / "w.h5", (2, 2))
        (tmp_path / "text.h5").write_text("no")
        with pytest.raises(StackFormatError, match=r"text.h5 is not HDF5"):
            read_water_mask(tmp_path / "text.h5", (2, 2))
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["height"] = np.zeros((2, 2))
        with pytest.raises(StackFormatError, match="has the datasets height; it needs one"):
            read_water_mask(tmp_path / "w.h5", (2, 2))
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["mask"] = np.zeros((2, 3))
        with pytest.raises(StackFormatError, match=r"the shape \(2, 3\), the stack \(2, 2\)"):
            read_water_mask(tmp_path / "w.h5", (2, 2))


def test_corrected_phases_and_offsets_have_names_of_ours(write_mintpy):
    phase = stack_parts()["unwrapPhase"]
    theirs = [f"unwrapPhase{suffix}" for suffix in ("_bridging", "_phaseClosure", "_bridging_phaseClosure")]
    theirs += ["rangeOffset", "azimuthOffset", "rangeOffsetStd", "azimuthOffsetStd", "offsetSNR"]
    parts = {name: phase + number for number, name in enumerate(theirs)} | {"unwrapPhase_mine": phase}
    stack = open_mintpy(write_mintpy(parts))
    for number, name in enumerate(theirs):
        variable = stack[OUR_NAMES[name]]
        np.testing.assert_array_equal(variable, phase + number)
        assert variable.dtype == np.float32
        expected = "rad" if name.startswith("unwrap") else "1" if name == "offsetSNR" else "pixel"
        assert variable.attrs["units"] == expected
    assert stack["unwrapped_phase_mine"].attrs["units"] == "rad"
    assert not {*theirs, "unwrapPhase_mine"} & set(stack.variables)


def test_what_a_stack_declares_as_no_data_is_missing(write_mintpy):
    parts = stack_parts()
    for name, number in (("unwrapPhase", -9999.9), ("coherence", -9999.9), ("connectComponent", -9999)):
        parts[name][:, 0, 0] = number
    for said in ("-9999.9", -9999.9, np.float32(-9999.9)):
        stack = open_mintpy(write_mintpy(parts, {"NO_DATA_VALUE": said}))
        for ours, theirs in (("unwrapped_phase", "unwrapPhase"), ("coherence", "coherence")):
            assert stack[ours][:, 0, 0].isnull().all()
            np.testing.assert_array_equal(stack[ours][:, 1:], parts[theirs][:, 1:])


def test_a_component_and_a_baseline_of_a_declared_number_are_none(write_mintpy):
    parts = stack_parts()
    parts["connectComponent"][:, 0, 0] = -32768
    path = write_mintpy(parts)
    with h5py.File(path, "r+") as file:
        file["connectComponent"].attrs["_FillValue"] = np.int16(-32768)
        file["bperp"].attrs["missing_value"] = file["bperp"][1]
    stack = open_mintpy(path)
    assert stack.connected_component.dtype == np.int16
    assert (stack.connected_component[:, 0, 0] == 0).all()
    assert np.flatnonzero(stack.perpendicular_baseline.isnull()).tolist() == [1]


def test_a_stack_of_offsets_alone_is_a_stack(write_mintpy):
    phase = stack_parts()["unwrapPhase"]
    parts = {"unwrapPhase": None, "coherence": None, "connectComponent": None, "azimuthOffset": phase}
    stack = open_mintpy(write_mintpy(parts))
    assert [*stack.data_vars] == ["azimuth_offset"]
    assert dict(stack.sizes) == {"pair": 5, "y": 6, "x": 7}


def test_a_dataset_of_another_shape_than_the_phase_is_refused_by_name(write_mintpy):
    with pytest.raises(
        StackFormatError, match=r"dataset rangeOffset has the shape \(5, 6, 6\), but unwrapPhase"
    ):
        open_mintpy(write_mintpy({"rangeOffset": np.zeros((5, 6, 6), "f4")}))
    with pytest.raises(StackFormatError, match=r"dataset offsetSNR has the type int64; floating point"):
        open_mintpy(write_mintpy({"offsetSNR": np.zeros((5, 6, 7), int)}))
