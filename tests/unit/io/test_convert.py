import tracemalloc

import numpy as np
import pytest
import xarray as xr
import zarr

from fringefleet.errors import OptionError, OutputExistsError, StackFormatError
from fringefleet.io import convert_stack, open_stack
from fringefleet.io.convert import default_tile
from unit.mintpy_stack import stack_parts

KEPT = np.array([True, False, True, True, True])
EXTRA = {
    "dropIfgram": KEPT,
    "height": np.arange(42, dtype="f4").reshape(6, 7),
    "refPhase": np.arange(5, dtype="f4"),
    "flag": np.ones((6, 7), bool),
}


@pytest.mark.parametrize("chunks", [None, (4, 3), (6, 7), (10, 1)])
@pytest.mark.parametrize("attrs", [{}, {"X_FIRST": None}, {"UTM_ZONE": "13N"}])
def test_the_store_is_identical_to_the_source(write_mintpy, tmp_path, chunks, attrs):
    dates = ("20180106T1200", "20180118T1201", "20180130T1202", "20180211T1203")
    source = write_mintpy(EXTRA, attrs, dates=dates, chunks=(2, 3, 3))
    convert_stack(source, tmp_path / "out.zarr", chunks=chunks)
    expected = open_stack(source).compute()
    xr.testing.assert_identical(open_stack(tmp_path / "out.zarr").compute(), expected)
    xr.testing.assert_identical(open_stack(tmp_path / "out.zarr", chunks=None).compute(), expected)
    assert expected.reference_date.dtype == open_stack(tmp_path / "out.zarr").reference_date.dtype


def test_plain_xarray_opens_it_with_its_crs(write_mintpy, tmp_path):
    convert_stack(write_mintpy(), tmp_path / "out.zarr")
    stack = xr.open_zarr(tmp_path / "out.zarr")
    assert "WGS 84" in stack.spatial_ref.attrs["crs_wkt"]
    assert stack.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"
    assert stack.reference_date.dtype.kind == "M"
    np.testing.assert_allclose(stack.y.values[:2], [19.875, 19.625])


def test_chunks_have_all_pairs_and_are_compressed(write_mintpy, tmp_path):
    convert_stack(write_mintpy(EXTRA), tmp_path / "out.zarr", chunks=(4, 3))
    array = zarr.open_array(tmp_path / "out.zarr" / "unwrapped_phase")
    assert array.chunks == (4, 4, 3)
    assert [codec.to_dict()["configuration"]["cname"] for codec in array.compressors] == ["lz4"]
    assert array.metadata.zarr_format == 3
    stack = open_stack(tmp_path / "out.zarr")
    assert stack.unwrapped_phase.encoding["preferred_chunks"] == {"pair": 4, "y": 4, "x": 3}
    assert stack.unwrapped_phase.chunks == ((4,), (6,), (7,))


def test_a_zarr_stack_can_be_cut_anew(write_mintpy, tmp_path):
    convert_stack(write_mintpy(), tmp_path / "a.zarr", chunks=(2, 2))
    convert_stack(tmp_path / "a.zarr", tmp_path / "b.zarr", chunks=(3, 5))
    xr.testing.assert_identical(
        open_stack(tmp_path / "b.zarr").compute(), open_stack(tmp_path / "a.zarr").compute()
    )


def test_missing_data_stays_missing(write_mintpy, tmp_path):
    phase = stack_parts()["unwrapPhase"]
    phase[1] = np.nan
    phase[2] = 0
    phase[:, 2, 3] = np.nan
    convert_stack(write_mintpy({"unwrapPhase": phase}), tmp_path / "out.zarr", chunks=(1, 1))
    np.testing.assert_array_equal(open_stack(tmp_path / "out.zarr").unwrapped_phase, phase)


@pytest.mark.parametrize(
    ("n_pair", "stored", "expected"),
    [(30, (18, 19, 38), (247, 228)), (288, (1, 900, 900), (170, 171)), (3, None, (256, 256))],
)
def test_the_default_chunk_is_whole_stored_chunks_of_some_megabytes(n_pair, stored, expected):
    phase = xr.Variable(("pair", "y", "x"), np.broadcast_to(np.float32(1), (n_pair, 900, 900)))
    if stored:
        phase.encoding["preferred_chunks"] = dict(zip(phase.dims, stored, strict=True))
    tile = default_tile(xr.Dataset({"unwrapped_phase": phase}))
    assert tile[0] * tile[1] * n_pair * 4 <= 32 * 2**20
    assert tile[0] * tile[1] >= 0.8 * expected[0] * expected[1]


def test_progress_counts_every_pixel_once(write_mintpy, tmp_path):
    calls = []
    convert_stack(
        write_mintpy(),
        tmp_path / "out.zarr",
        chunks=(4, 3),
        progress=lambda done, total: calls.append((done, total)),
    )
    done = [n for n, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (42, 42)


def test_memory_stays_below_the_limit(write_mintpy, tmp_path):
    limit = 8 * 2**20
    source = write_mintpy({"connectComponent": None}, shape=(1000, 900), chunks=(1, 1000, 900))
    tracemalloc.start()
    try:
        convert_stack(source, tmp_path / "out.zarr", chunks=(128, 128), total_memory=limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 4 * limit < 2 * 5 * 4 * 900_000
    assert peak < limit


@pytest.mark.parametrize("n_tile", [1, 2, 3, 5])
def test_memory_for_a_few_tiles_at_a_time_is_enough(write_mintpy, tmp_path, n_tile):
    limit = 2 * n_tile * 5 * 4 * (2 * 2)
    source = write_mintpy()
    convert_stack(source, tmp_path / "out.zarr", chunks=(2, 2), total_memory=limit)
    expected = open_stack(source).compute()
    xr.testing.assert_identical(open_stack(tmp_path / "out.zarr").compute(), expected)


def test_a_chunk_larger_than_the_memory_is_refused(write_mintpy, tmp_path):
    with pytest.raises(OptionError, match="chunks of 6 x 7 pixels take 840 bytes for 5 pairs"):
        convert_stack(write_mintpy(), tmp_path / "out.zarr", chunks=(6, 7), total_memory=1000)
    with pytest.raises(OptionError, match="at least 1 pixel"):
        convert_stack(write_mintpy(), tmp_path / "out.zarr", chunks=(0, 7))
    assert not (tmp_path / "out.zarr").exists()


class TestOutput:
    def test_existing_output_is_refused_and_kept(self, write_mintpy, tmp_path):
        convert_stack(write_mintpy(), tmp_path / "out.zarr")
        before = open_stack(tmp_path / "out.zarr").compute()
        source = write_mintpy(attrs={"NEW": "1"})
        with pytest.raises(OutputExistsError, match=r"out.zarr exists; .*overwrite = True"):
            convert_stack(source, tmp_path / "out.zarr")
        xr.testing.assert_identical(open_stack(tmp_path / "out.zarr").compute(), before)

    def test_overwrite_replaces_it_and_leaves_nothing_else(self, write_mintpy, tmp_path):
        convert_stack(write_mintpy(), tmp_path / "out.zarr")
        source = write_mintpy(attrs={"NEW": "1"})
        convert_stack(source, tmp_path / "out.zarr", overwrite=True)
        assert open_stack(tmp_path / "out.zarr").attrs["NEW"] == "1"
        assert {p.name for p in tmp_path.iterdir()} == {"out.zarr", "ifgramStack.h5"}

    @pytest.mark.parametrize("is_file", [True, False])
    def test_overwrite_never_removes_what_is_no_zarr_store(self, write_mintpy, tmp_path, is_file):
        precious = tmp_path / "home"
        if not is_file:
            precious.mkdir()
        kept = precious if is_file else precious / "thesis.tex"
        kept.write_text("words")
        with pytest.raises(OutputExistsError, match="is not a Zarr store"):
            convert_stack(write_mintpy(), precious, overwrite=True)
        assert kept.read_text() == "words"

    def test_a_leftover_of_a_killed_attempt_is_replaced(self, write_mintpy, tmp_path):
        leftover = tmp_path / f".fringefleet-{16 * 'a'}"
        (leftover / "out.zarr").mkdir(parents=True)
        (leftover / "out.zarr" / "rubbish").write_text("x")
        convert_stack(write_mintpy(), tmp_path / "out.zarr")
        assert not leftover.exists()
        assert not (tmp_path / "out.zarr" / "rubbish").exists()

    def test_a_failure_half_way_leaves_no_store(self, write_mintpy, tmp_path):
        def stop(done, _total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            convert_stack(write_mintpy(), tmp_path / "out.zarr", chunks=(2, 2), progress=stop)
        assert [p.name for p in tmp_path.iterdir()] == ["ifgramStack.h5"]

    def test_the_folder_above_is_made(self, write_mintpy, tmp_path):
        convert_stack(write_mintpy(), tmp_path / "a" / "b" / "out.zarr")
        assert open_stack(tmp_path / "a" / "b" / "out.zarr").sizes["pair"] == 5

    def test_a_bad_source_touches_nothing(self, tmp_path):
        with pytest.raises(StackFormatError, match="no such file or folder"):
            convert_stack(tmp_path / "none.h5", tmp_path / "out.zarr")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scene", ["mexico_city/ifgramStack.h5", "nasty_24/inputs/ifgramStack.h5"])
def test_real_stacks_survive_conversion(shared_data, tmp_path, scene):
    convert_stack(shared_data / scene, tmp_path / "out.zarr", chunks=(32, 32))
    expected = open_stack(shared_data / scene).compute()
    xr.testing.assert_identical(open_stack(tmp_path / "out.zarr").compute(), expected)
