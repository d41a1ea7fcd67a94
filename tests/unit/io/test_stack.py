import shutil

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr

from fringefleet.errors import InputError, NetworkError, OptionError, StackFormatError
from fringefleet.execution.job import Run
from fringefleet.io import convert_stack, open_stack, stack_network
from unit.mintpy_stack import stack_parts


def test_an_address_of_a_bucket_is_refused_as_it_was_given():
    with pytest.raises(InputError, match=r"found s3://bucket/stack.zarr; paths are local"):
        open_stack("s3://bucket/stack.zarr")
    with pytest.raises(InputError, match=r"found s3://bucket/out.zarr; paths are local"):
        Run(stack="stack.zarr", output="s3://bucket/out.zarr")


def test_without_chunks_nothing_is_read_and_nothing_is_dask(write_mintpy):
    stack = open_stack(write_mintpy(), chunks=None)
    assert stack.unwrapped_phase.chunks is None
    assert not stack.unwrapped_phase.variable._in_memory
    assert not stack.coherence.isel(y=slice(2, 4)).variable._in_memory


def test_a_block_has_all_pairs_and_coordinates_stay_in_memory(write_mintpy):
    stack = open_stack(str(write_mintpy()), chunks=(4, 3))
    assert stack.unwrapped_phase.chunks == ((5,), (4, 2), (3, 3, 1))
    assert stack.reference_date.chunks is None
    np.testing.assert_array_equal(stack.coherence, stack_parts()["coherence"])


def test_automatic_blocks_are_whole_stored_chunks(write_mintpy, monkeypatch):
    monkeypatch.setattr("fringefleet.io.stack.AUTO_BLOCK_BYTES", 5 * 4 * 16 * 16)
    stack = open_stack(write_mintpy(shape=(40, 60), chunks=(2, 5, 7)))
    assert stack.unwrapped_phase.encoding["preferred_chunks"] == {"pair": 2, "y": 5, "x": 7}
    rows, columns = (sizes[0] for sizes in stack.unwrapped_phase.chunks[1:])
    assert rows % 5 == columns % 7 == 0
    assert 100 < rows * columns <= 256


@pytest.mark.parametrize("chunks", [(0, 4), (3,), (4, -1)])
def test_chunks_that_cannot_be_are_refused(write_mintpy, chunks):
    with pytest.raises(OptionError, match="rows and columns"):
        open_stack(write_mintpy(), chunks=chunks)


@pytest.mark.parametrize("converted", [False, True])
def test_the_same_file_has_the_same_task_names_and_a_changed_one_others(write_mintpy, tmp_path, converted):
    def opened(source):
        path = tmp_path / "out.zarr" if converted else source
        if converted:
            convert_stack(source, path, overwrite=True)
        return lambda: open_stack(path, chunks=(4, 4)).unwrapped_phase.data.name

    name = opened(write_mintpy())
    before = name()
    assert name() == before
    opened(write_mintpy({"extra": np.zeros(1000)}))
    assert name() != before


@pytest.mark.parametrize("converted", [False, True])
def test_reading_fuses_with_the_work_into_one_task_per_block(write_mintpy, tmp_path, converted):
    path = write_mintpy()
    if converted:
        convert_stack(path, tmp_path / "out.zarr")
        path = tmp_path / "out.zarr"
    stack = open_stack(path, chunks=(4, 4))
    phase, coherence = stack.unwrapped_phase.data, stack.coherence.data
    result = da.map_blocks(lambda p, c: p * c, phase - 1.0, coherence, dtype="f4")
    (optimised,) = dask.optimize(result)
    assert len(optimised.dask) == 4 + 2


def test_the_network_is_made_of_the_coordinates(write_mintpy):
    stack = open_stack(write_mintpy())
    assert stack_network(stack).pairs == ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3))
    assert stack_network(stack.isel(pair=[0, 2])).n_date == 3


PHASE = stack_parts()["unwrapPhase"]
DATE = stack_parts()["date"]
BAD = {
    "a missing dataset names those that exist": (
        {"unwrapPhase": None, "wrapPhase": PHASE},
        StackFormatError,
        r"no dataset 'unwrapPhase'; the file has bperp, coherence, .*wrapPhase.*FILE_TYPE",
    ),
    "no dates": ({"date": None}, StackFormatError, "no dataset 'date'"),
    "coherence of another shape": (
        {"coherence": PHASE[:, :-1]},
        StackFormatError,
        r"dataset coherence has the shape \(5, 5, 7\), but unwrapPhase has \(5, 6, 7\)",
    ),
    "dates of another number of pairs": (
        {"date": DATE[:-1]},
        StackFormatError,
        r"dataset date has the shape \(4, 2\), but unwrapPhase has \(5, 6, 7\); \(5, 2\) is needed",
    ),
    "dropIfgram of another length": (
        {"dropIfgram": np.ones(4, bool)},
        StackFormatError,
        r"dataset dropIfgram has the shape \(4,\)",
    ),
    "two-dimensional phase": (
        {"unwrapPhase": PHASE[0]},
        StackFormatError,
        r"unwrapPhase has the shape \(6, 7\); \(pair, row, column\) is needed",
    ),
    "phase without pixels": (
        {"unwrapPhase": PHASE[:, :0]},
        StackFormatError,
        r"unwrapPhase has the shape \(5, 0, 7\)",
    ),
    "integer phase": (
        {"unwrapPhase": PHASE.astype("i4")},
        StackFormatError,
        "unwrapPhase has the type int32; floating point numbers are needed",
    ),
    "complex coherence": (
        {"coherence": PHASE.astype("c8")},
        StackFormatError,
        "coherence has the type complex64; floating",
    ),
    "components as text": (
        {"connectComponent": PHASE.astype("S4")},
        StackFormatError,
        "connectComponent has the type .S4; any numbers",
    ),
    "an unreadable date": (
        {"date": np.where(DATE[0, 0] == DATE, b"Jan. 6", DATE)},
        StackFormatError,
        "found the date 'Jan. 6'; a date has the form",
    ),
    "no pair kept": (
        {"dropIfgram": np.zeros(5, bool)},
        NetworkError,
        "dropIfgram is False for all 5 pairs",
    ),
    "duplicate pairs": (
        {"date": DATE[[0, 1, 2, 3, 0]]},
        NetworkError,
        "1 duplicate pair.*20180106_20180118",
    ),
    "a duplicate the other way round": (
        {"date": np.concatenate([DATE[:4], DATE[:1, ::-1]])},
        NetworkError,
        "1 duplicate pair.*20180118_20180106",
    ),
    "a pair of a date with itself": (
        {"date": np.concatenate([DATE[:4], DATE[:1, [0, 0]]])},
        NetworkError,
        "a date with itself: 20180106;",
    ),
    "a single date": (
        {"date": DATE[[0] * 5][:, [0, 0]]},
        NetworkError,
        r"found 1 date\(s\) in 5 pair\(s\)",
    ),
}


@pytest.mark.parametrize(("parts", "error", "message"), BAD.values(), ids=list(BAD))
def test_a_bad_stack_is_one_clear_error_that_names_the_file(write_mintpy, parts, error, message):
    with pytest.raises(error, match=f"bad.h5: .*{message}"):
        open_stack(write_mintpy(parts, name="bad.h5"))


def test_a_wavelength_that_is_no_number_is_not_taken(write_mintpy):
    assert "wavelength" not in open_stack(write_mintpy(attrs={"WAVELENGTH": "C"})).attrs


def test_duplicates_that_are_dropped_do_no_harm(write_mintpy):
    kept = np.array([True, True, True, True, False])
    stack = open_stack(write_mintpy({"date": DATE[[0, 1, 2, 3, 0]], "dropIfgram": kept}))
    assert stack.sizes["pair"] == 4


class TestWhatIsNoStack:
    def test_nothing(self, tmp_path):
        with pytest.raises(StackFormatError, match=r"none.h5: no such file or folder \(in .*: nothing\)"):
            open_stack(tmp_path / "none.h5")

    def test_text(self, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        with pytest.raises(StackFormatError, match=r"a.txt: found no stack: it is a text file"):
            open_stack(tmp_path / "a.txt")

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(StackFormatError, match="a folder with nothing in it"):
            open_stack(tmp_path)

    def test_a_truncated_file(self, write_mintpy):
        path = write_mintpy()
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(StackFormatError, match=r"cannot be opened .*truncated"):
            open_stack(path)

    def test_another_product_of_mintpy(self, tmp_path):
        with h5py.File(tmp_path / "timeseries.h5", "w") as file:
            file["timeseries"] = np.zeros((3, 2, 2))
            file.attrs["FILE_TYPE"] = "timeseries"
        with pytest.raises(StackFormatError, match="a file of MintPy's of the type timeseries"):
            open_stack(tmp_path / "timeseries.h5")

    def test_a_result(self, tmp_path):
        result = xr.Dataset({"displacement": (("date", "y", "x"), np.zeros((3, 2, 2), "f4"))})
        result.to_zarr(tmp_path / "result.zarr", zarr_format=3, consolidated=False)
        with pytest.raises(StackFormatError, match="found a result, not a stack"):
            open_stack(tmp_path / "result.zarr")

    def test_a_damaged_zarr_store(self, write_mintpy, tmp_path):
        convert_stack(write_mintpy(), tmp_path / "out.zarr")
        (tmp_path / "out.zarr" / "unwrapped_phase" / "zarr.json").write_text("{")
        with pytest.raises(StackFormatError, match=r"unwrapped_phase/zarr.json is not JSON"):
            open_stack(tmp_path / "out.zarr")

    def test_a_zarr_stack_without_dates_or_with_other_axes(self, write_mintpy, tmp_path):
        convert_stack(write_mintpy(), tmp_path / "out.zarr")
        shutil.rmtree(tmp_path / "out.zarr" / "secondary_date")
        with pytest.raises(StackFormatError, match="found no variable 'secondary_date'"):
            open_stack(tmp_path / "out.zarr")
        dates = ("pair", np.array(["2018-01-06"], "M8[ns]"))
        odd = xr.Dataset(
            {"unwrapped_phase": (("pair", "y", "x"), np.zeros((1, 2, 2), "i4"))},
            {"reference_date": dates, "secondary_date": dates},
        )
        odd.to_zarr(tmp_path / "odd.zarr", zarr_format=3, consolidated=False)
        with pytest.raises(StackFormatError, match=r"type int32; floating-point numbers over pair, y and x"):
            open_stack(tmp_path / "odd.zarr")


class TestRealFiles:
    def test_mexico_city(self, shared_data):
        path = shared_data / "mexico_city" / "ifgramStack.h5"
        stack = open_stack(path)
        assert dict(stack.sizes) == {"pair": 30, "y": 60, "x": 100}
        assert stack_network(stack).n_date == 13
        assert stack.attrs["looks"] == 8
        row, column = stack.attrs["reference_point"]
        assert stack.y.values[row] == pytest.approx(float(stack.attrs["REF_LAT"]))
        assert stack.x.values[column] == pytest.approx(float(stack.attrs["REF_LON"]))
        with h5py.File(path, locking=False) as file:
            np.testing.assert_array_equal(stack.unwrapped_phase, file["unwrapPhase"])

    def test_a_scene_in_radar_geometry(self, shared_data):
        stack = open_stack(shared_data / "nasty_24" / "inputs" / "ifgramStack.h5", chunks=(20, 25))
        assert dict(stack.sizes) == {"pair": 66, "y": 40, "x": 50}
        assert stack_network(stack).n_date == 24
        assert stack.attrs["looks"] == 39
        assert stack.y.values[-1] == 39
        assert "spatial_ref" not in stack.coords
        assert "grid_mapping" not in stack.unwrapped_phase.attrs
        assert set(stack.connected_component.values.ravel()) <= {0, 1, 2}
