"""The mask of a result: made by limits, honoured by exports and pictures, and never older than the tiles."""

import logging
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr

import fringefleet
from exported import scene, stored
from fringefleet.errors import InputError, OptionError, OutputInUseError
from fringefleet.execution.job import Run
from fringefleet.io.masking import mask_result, unmask_result
from fringefleet.io.store.lock import locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.stored_mask import check_mask_current, where_kept
from fringefleet.io.writers.export import export_result
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.status import Status

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.fixture
def result(tmp_path):
    return stored(scene("degrees"), tmp_path / "result.zarr", (16, 20))


@pytest.fixture
def inverted(tmp_path):
    simulate_stack(Scene(n_date=4, shape=(20, 30), missing=0.3), tmp_path / "stack.zarr")
    job = Run(tmp_path / "stack.zarr", tmp_path / "result.zarr", chunks=(10, 15))
    fringefleet.run(job)
    return job


def test_every_limit_has_to_hold_and_the_reference_point_is_kept(result):
    made = mask_result(
        result,
        min_temporal_coherence=0.3,
        max_rms=1.8,
        min_pairs=2,
        status="ok,linear",
        rule="pair_count != 5",
    )
    known = scene("degrees")
    expected = (
        (known["temporal_coherence"] >= 0.3) & (known["residual_rms"] <= 1.8) & (known["pair_count"] >= 2)
    )
    expected &= known["status"].isin([Status.OK, Status.LINEAR, Status.REFERENCE_POINT])
    expected &= known["pair_count"] != 5
    found = xr.open_zarr(result, consolidated=True)["mask"].load()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8
    assert (made.n_kept, made.n_pixel) == (int(expected.sum()), expected.size)
    assert found.attrs["rule"] == made.rule
    assert found.attrs["flag_meanings"] == "left_out kept"
    assert made.rule == (
        "temporal_coherence >= 0.3 and residual_rms <= 1.8 and pair_count >= 2 and "
        "(status == ok or status == linear or status == reference_point) and (pair_count != 5)"
    )
    assert open_result(result)["mask"].encoding["preferred_chunks"] == {"y": 16, "x": 20}


def test_the_reference_point_is_kept_whatever_its_status(result):
    mask_result(result, status=["ok"])
    assert xr.open_zarr(result)["mask"][0, 0] == 1


def test_a_new_mask_replaces_the_old_one_and_it_can_be_removed(result):
    before = sorted(str(path.relative_to(result)) for path in result.rglob("*"))
    mask_result(result, min_pairs=7)
    made = mask_result(result, min_pairs=3)
    assert made.n_kept == int((scene("degrees")["pair_count"] >= 3).sum())
    assert int(xr.open_zarr(result)["mask"].sum()) == made.n_kept
    unmask_result(result)
    unmask_result(result)
    assert sorted(str(path.relative_to(result)) for path in result.rglob("*")) == before
    assert "mask" not in xr.open_zarr(result, consolidated=True)
    assert [path.name for path in result.parent.iterdir()] == [result.name]


def test_exports_honour_it_unless_they_are_told_otherwise(result, tmp_path, caplog):
    made = mask_result(result, min_temporal_coherence=0.5)
    known = scene("degrees")
    keep = known["temporal_coherence"] >= 0.5
    with caplog.at_level(logging.INFO):
        export_result(result, tmp_path / "masked", "cog", dates="20200101")
    assert f"the mask of the result counts: {made.rule}" in caplog.text
    assert not (tmp_path / "masked" / "mask.tif").exists()
    export_result(result, tmp_path / "all", "cog", dates="20200101", mask=False)
    export_result(result, tmp_path / "other", "cog", dates="20200101", mask="mask == left_out")
    for folder, kept in (("masked", keep), ("all", xr.ones_like(keep)), ("other", ~keep)):
        with rasterio.open(tmp_path / folder / "displacement_20200101.tif") as file:
            np.testing.assert_array_equal(file.read(1), known["displacement"][0].where(kept))
    export_result(result, tmp_path / "mask.tif", "cog", variables="mask")
    with rasterio.open(tmp_path / "mask.tif") as file:
        np.testing.assert_array_equal(file.read(1), keep)


def test_mintpys_files_keep_all_pixels_beside_a_mask_of_theirs(result, tmp_path):
    mask_result(result, min_temporal_coherence=0.5)
    known = scene("degrees")
    paths = export_result(result, tmp_path / "mintpy", "mintpy")
    assert paths[-1].name == "maskTempCoh.h5"
    with h5py.File(paths[-1]) as file:
        assert file["mask"].dtype == bool
        np.testing.assert_array_equal(file["mask"], known["temporal_coherence"] >= 0.5)
        assert (file.attrs["FILE_TYPE"], file.attrs["LENGTH"], file.attrs["WIDTH"]) == ("mask", "37", "53")
        assert file.attrs["Y_FIRST"] == "19.8"
    with h5py.File(paths[0]) as file:
        np.testing.assert_array_equal(file["timeseries"], known["displacement"].fillna(0))
    assert len(export_result(result, tmp_path / "plain", "mintpy", mask=False)) == 3
    with_rule = export_result(result, tmp_path / "rule", "mintpy", mask="pair_count > 3")
    with h5py.File(with_rule[-1]) as file:
        np.testing.assert_array_equal(file["mask"], known["pair_count"] > 3)


def test_what_is_no_limit_of_this_result_is_refused_and_the_old_mask_stays(result):
    mask_result(result, min_pairs=3)
    files = {path: path.read_bytes() for path in result.rglob("*") if path.is_file()}
    for limits, message in (
        ({}, "found no limit for the mask"),
        ({"min_temporal_coherence": 1.5}, "give 0 to 1"),
        ({"max_rms": -1.0}, "give more than 0"),
        ({"min_pairs": 0}, "give 1 or more"),
        ({"status": "ok,okk"}, r"found status = okk\. Did you mean ok"),
        ({"min_coherence": 0.5}, r"no limit 'min_coherence' of a mask\. Did you mean min_temporal_coherence"),
        (
            {"rule": "closure_rms < 1"},
            "found rule = 'closure_rms < 1', and no map closure_rms in",
        ),
    ):
        with pytest.raises(OptionError, match=message):
            mask_result(result, **limits)
    none_kept = r"found limits that keep none of the 1,961 pixels: pair_count >= 1000\. Give limits that keep"
    with pytest.raises(InputError, match=none_kept):
        mask_result(result, min_pairs=1000)
    with pytest.raises(InputError, match="no such file"):
        mask_result(result.with_name("gone.zarr"), min_pairs=1)
    with locked(result), pytest.raises(OutputInUseError):
        mask_result(result, min_pairs=1)
    assert {path: path.read_bytes() for path in result.rglob("*") if path.is_file()} == files


def test_a_result_that_is_resumed_loses_its_mask_with_a_warning(inverted, caplog):
    mask_result(inverted.output, min_temporal_coherence=0.5)
    again = inverted.__class__(**{**vars(inverted), "existing": "resume"})
    fringefleet.run(again)  # nothing is left to do
    assert "mask" in open_result(inverted.output)
    (inverted.output / "displacement/c/0/1/1").unlink()
    with caplog.at_level(logging.WARNING):
        fringefleet.run(again)
    assert "its mask is removed, as tiles are computed again" in caplog.text
    assert "mask" not in open_result(inverted.output)
    assert "mask" not in xr.open_zarr(inverted.output)


def test_a_mask_does_not_change_which_tiles_count_as_damaged(inverted):
    mask_result(inverted.output, min_temporal_coherence=0.5)
    again = inverted.__class__(**{**vars(inverted), "existing": "resume"})
    assert fringefleet.run(again).n_resumed == 4


def test_a_result_that_is_overwritten_has_no_mask(inverted):
    mask_result(inverted.output, min_temporal_coherence=0.5)
    fringefleet.run(inverted.__class__(**{**vars(inverted), "existing": "overwrite"}))
    assert "mask" not in open_result(inverted.output)


def test_a_mask_of_other_tiles_is_refused(inverted, tmp_path):
    mask_result(inverted.output, min_temporal_coherence=0.5)
    check_mask_current(inverted.output)
    mark = inverted.output / "progress/done/c/0/0"
    mark.write_bytes(b"\x02")  # skipped
    with pytest.raises(InputError, match="was made before some of its tiles were computed again"):
        export_result(inverted.output, tmp_path / "out", "netcdf")
    with pytest.raises(InputError, match="was made before some of its tiles were computed again"):
        export_result(inverted.output, tmp_path / "out", "netcdf", mask="mask == kept and pair_count > 1")
    assert not (tmp_path / "out").exists()
    export_result(inverted.output, tmp_path / "out", "netcdf", mask=False)
    mask_result(inverted.output, min_temporal_coherence=0.5)
    check_mask_current(inverted.output)


def test_values_are_taken_where_the_mask_leaves_them_out():
    data = xr.Dataset({"a": ("x", [1.0, 2.0]), "mask": ("x", np.array([0, 1], np.uint8))})
    assert np.isnan(where_kept(data["a"], data)).values.tolist() == [True, False]
    assert where_kept(data["a"], data.drop_vars("mask")).values.tolist() == [1, 2]


KILLED = """
import os, signal, sys
from fringefleet.io.masking import mask_result
mask_result(sys.argv[1], min_pairs=5, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_one_that_is_killed_leaves_the_earlier_mask(result):
    made = mask_result(result, min_pairs=3)
    done = subprocess.run([sys.executable, "-c", KILLED, result], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert int(xr.open_zarr(result)["mask"].sum()) == made.n_kept
    mask_result(result, min_pairs=5)
    assert [path.name for path in result.parent.iterdir()] == [result.name]
