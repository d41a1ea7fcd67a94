"""The run form: real stacks, real Zarr, threads or worker processes; interrupted and resumed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.cluster import connect
from fringefleet.errors import (
    BlockTooLargeError,
    InputError,
    OptionError,
    OutputExistsError,
    RunError,
    StackFormatError,
)
from fringefleet.execution.check import check
from fringefleet.execution.estimate import forecast
from fringefleet.io.store.result import resume_result
from fringefleet.pipeline import compute
from fringefleet.products.provenance import PROVENANCE
from fringefleet.simulate import Scene
from polling import marks_of

SCENE = Scene(n_date=12, neighbours=3, shape=(96, 80), seed=3, missing=0.05)
TILE = (32, 32)


def complete_pixel(stack: xr.Dataset) -> tuple[int, int]:
    """Find another pixel that could be the reference point."""
    data = np.isfinite(stack["unwrapped_phase"].values).all(axis=0)
    row, column = np.argwhere(data)[7]
    return int(row), int(column)


def files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_the_run_form_and_the_lazy_form_give_the_same(stack, tmp_path):
    summary = fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    assert (summary.n_tile, summary.n_resumed) == (9, 0)
    assert sum(summary.status_count) == 96 * 80
    lazy = fringefleet.invert(fringefleet.open_stack(stack, chunks=TILE)).compute()
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "result.zarr").compute(), lazy)


def test_the_result_recovers_the_truth_within_its_noise(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    result = xr.open_zarr(tmp_path / "result.zarr").compute()
    truth = xr.open_zarr(stack.with_name("stack_truth.zarr"))["displacement"].compute()
    error = (result["displacement"] - truth).where(result["temporal_coherence"] > 0.9)
    assert float(np.abs(error).median()) < 5e-4  # [m]; motion is up to centimetres
    assert float(np.abs(truth).max()) > 2e-2


def test_the_store_is_self_describing_for_xarray_and_cf(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "result.zarr", Options(weight_func="coh"), chunks=TILE))
    result = xr.open_zarr(tmp_path / "result.zarr")
    assert result["displacement"].dims == ("date", "y", "x")
    assert result["displacement"].attrs["units"] == "m"
    assert result["displacement"].dtype == np.float32
    assert (result["pair_count"].dtype, result["status"].dtype) == (np.uint32, np.uint8)
    assert result["status"].attrs["flag_meanings"].split()[1] == "minimum_norm"
    assert len(result["status"].attrs["flag_values"]) == len(result["status"].attrs["flag_meanings"].split())
    assert "crs_wkt" in result["spatial_ref"].attrs
    assert result["displacement"].attrs.get("grid_mapping", "spatial_ref") == "spatial_ref"
    assert result.attrs["weight_func"] == "coh"
    assert result.attrs["reference_date"] == "2018-01-06T00:00:00"
    assert result["date"].values[0] == np.datetime64("2018-01-06")
    assert float(result["perpendicular_baseline"][0]) == 0


def test_another_reference_date_shifts_the_series_by_a_constant(stack):
    data = fringefleet.open_stack(stack, chunks=None).isel(y=slice(0, 20))
    point = {"reference_point": complete_pixel(data)}
    first = fringefleet.invert(data, dtype="float64", **point)["displacement"].compute()
    other = fringefleet.invert(data, dtype="float64", reference_date="20180307", **point).compute()
    assert other.attrs["reference_date"].startswith("2018-03-07")
    shifted = first - first.sel(date="2018-03-07")
    np.testing.assert_allclose(other["displacement"], shifted, atol=1e-7)


def test_a_part_of_a_stack_still_finds_its_reference_point(stack):
    whole = fringefleet.open_stack(stack)
    row, column = whole.attrs["reference_point"]
    part = whole.isel(y=slice(row - 5, row + 5), x=slice(column - 5, column + 5))
    expected = fringefleet.invert(whole).isel(y=slice(row - 5, row + 5), x=slice(column - 5, column + 5))
    np.testing.assert_allclose(
        fringefleet.invert(part)["displacement"], expected["displacement"], atol=1e-8, equal_nan=True
    )


def test_a_water_mask_blanks_its_pixels_and_says_so(stack):
    mask = np.ones((96, 80), dtype=bool)
    mask[:10] = False
    result = fringefleet.invert(fringefleet.open_stack(stack), water_mask=mask).compute()
    assert set(np.unique(result["status"][:10])) == {fringefleet.Status.MASKED}
    assert np.isnan(result["displacement"][:, :10]).all()
    assert (result["status"][10:] != fringefleet.Status.MASKED).all()


def test_pairs_without_data_at_the_reference_point_are_refused_or_dropped(stack):
    data = fringefleet.open_stack(stack, chunks=None).load()
    row, column = data.attrs["reference_point"]
    data["unwrapped_phase"][5, row, column] = np.nan
    with pytest.raises(InputError, match=r"20180118_20180223"):
        fringefleet.invert(data)
    dropped = fringefleet.invert(data, drop_unreferenced=True, weight_func="no").compute()
    assert dropped.attrs["n_pair"] == 29
    again = fringefleet.invert(data.isel(pair=np.delete(np.arange(30), 5)), weight_func="no").compute()
    np.testing.assert_array_equal(dropped["displacement"], again["displacement"])


def test_infinite_phases_are_left_out_and_counted(stack, tmp_path):
    data = fringefleet.open_stack(stack, chunks=None).load()
    data["unwrapped_phase"][2, 10:12, 20] = np.inf
    broken = tmp_path / "broken.zarr"
    data.drop_encoding().to_zarr(broken, zarr_format=3, consolidated=False)
    summary = fringefleet.run(Run(broken, tmp_path / "result.zarr", chunks=TILE))
    assert summary.n_infinite == 2
    result = xr.open_zarr(tmp_path / "result.zarr")
    assert np.isfinite(result["displacement"][:, 10:12, 20]).all()


def test_an_existing_output_is_refused_and_kept(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    before = files(job.output)
    with pytest.raises(
        OutputExistsError, match="existing = resume to finish it, existing = overwrite to replace it"
    ):
        fringefleet.run(job)
    assert files(job.output) == before


def test_paths_may_be_text_and_a_word_that_there_is_not_is_refused():
    job = Run("stack.zarr", "result.zarr")
    assert (job.stack, job.output) == (Path("stack.zarr"), Path("result.zarr"))
    with pytest.raises(OptionError, match="existing = 'Resume'; give one of refuse, resume, overwrite"):
        Run(Path("stack.zarr"), Path("result.zarr"), existing="Resume")
    with pytest.raises(OptionError, match="output = None of the type NoneType; give text or a path"):
        Run(Path("stack.zarr"), None)


def test_overwrite_never_removes_what_is_no_store(stack, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("precious")
    with pytest.raises(OutputExistsError, match="not a Zarr store"):
        fringefleet.run(Run(stack, tmp_path / "photos", existing="overwrite"))
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "precious"


def test_a_stack_is_never_the_output(stack, tmp_path):
    before = files(stack)
    for output in (stack, stack / "result.zarr", stack.parent):
        with pytest.raises(OptionError, match=r"is or contains|is inside the Zarr store"):
            fringefleet.run(Run(stack, output, existing="overwrite"))
    assert files(stack) == before


def test_another_stack_is_not_overwritten(stack, tmp_path):
    other = tmp_path / "other.zarr"
    fringefleet.convert_stack(stack, other)
    for existing in ("overwrite", "resume"):
        with pytest.raises(OutputExistsError, match="not a result of fringefleet"):
            fringefleet.run(Run(stack, other, existing=existing))
    assert "unwrapped_phase" in xr.open_zarr(other)


def test_a_stack_that_vanishes_or_changes_under_the_run_stops_it(stack, tmp_path):
    copy = tmp_path / "stack.zarr"
    fringefleet.convert_stack(stack, copy)
    job = Run(copy, tmp_path / "result.zarr", chunks=TILE)

    def take_away(done):
        if done.n_done == 1:
            copy.rename(tmp_path / "away.zarr")

    with pytest.raises(RunError, match="can no longer be accessed from this worker"):
        fringefleet.run(job, on_progress=take_away)
    done = zarr.open_group(job.output)["progress/done"][:]
    assert 0 < done.sum() < 9


def test_a_tile_of_an_earlier_run_does_not_get_into_the_store_of_a_later_one(stack, tmp_path):
    old = check(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    compute(old)
    store, _ = resume_result(old.job.output, old.tile, old.origin, ())
    fringefleet.run(Run(stack, old.job.output, Options(weight_func="no"), chunks=TILE, existing="overwrite"))
    with pytest.raises(RunError, match="replaced by another run"):
        store.write_tile((0, 0), {"status": np.zeros((32, 32), np.uint8)})


def test_an_output_that_cannot_be_made_is_refused_before_any_work(stack, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="not a folder that you may write to"):
        check(Run(stack, tmp_path / "file" / "result.zarr"))


def test_a_damaged_output_is_refused_with_the_reason(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    (job.output / "zarr.json").write_text("{")
    with pytest.raises(OutputExistsError, match="cannot be opened"):
        check(Run(stack, job.output, chunks=TILE, existing="resume"))


def test_what_was_set_by_hand_is_kept_with_the_result(stack):
    data = fringefleet.open_stack(stack)
    attrs = fringefleet.invert(data, looks=3, wavelength=0.24, drop_unreferenced=True).attrs
    assert (attrs["looks"], attrs["wavelength"], attrs["drop_unreferenced"]) == (3, 0.24, "true")
    assert (attrs["skip_reference"], attrs["water_mask"]) == ("false", "none")


def test_a_result_says_how_it_was_made(stack):
    assert set(PROVENANCE) <= set(fringefleet.invert(fringefleet.open_stack(stack)).attrs)


@pytest.mark.parametrize("dims", [("pair", "x", "y"), ("y", "x", "pair")])
def test_the_order_of_the_dimensions_does_not_matter(stack, dims):
    data = fringefleet.open_stack(stack, chunks=None).isel(y=slice(16, 96), x=slice(0, 80)).load()
    expected = fringefleet.invert(data, chunks=(40, 40)).compute()
    xr.testing.assert_equal(fringefleet.invert(data.transpose(*dims), chunks=(40, 40)).compute(), expected)


def test_a_stack_without_a_dimension_is_refused(stack):
    data = fringefleet.open_stack(stack).rename(x="range")
    with pytest.raises(StackFormatError, match=r"pair, y and x"):
        fringefleet.invert(data, reference_point=(1, 1))


def test_a_tile_that_is_not_written_does_not_read_as_ok(stack, tmp_path):
    checked = check(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    compute(checked)
    (tmp_path / "result.zarr" / "status" / "c" / "1" / "1").unlink()
    status = xr.open_zarr(tmp_path / "result.zarr")["status"]
    assert status.dtype == np.uint8
    assert (status[32:64, 32:64] == 255).all()


def test_a_link_to_a_result_is_overwritten_where_it_points(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "real.zarr", chunks=TILE))
    (tmp_path / "link.zarr").symlink_to(tmp_path / "real.zarr")
    fringefleet.run(Run(stack, tmp_path / "link.zarr", Options(weight_func="no"), existing="overwrite"))
    assert (tmp_path / "link.zarr").is_symlink()
    assert xr.open_zarr(tmp_path / "real.zarr").attrs["weight_func"] == "no"


def test_a_result_without_its_marks_is_not_resumed(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    shutil.rmtree(job.output / "progress")
    with pytest.raises(OutputExistsError, match="progress/done"):
        check(Run(stack, job.output, existing="resume"))


@pytest.mark.parametrize("date", ["20180307", "2018-03-07", "2018-03-07T00:00:00"])
def test_a_reference_date_may_be_written_in_any_usual_form(stack, date):
    result = fringefleet.invert(fringefleet.open_stack(stack), reference_date=date)
    assert result.attrs["reference_date"] == "2018-03-07T00:00:00"


def test_the_reference_point_is_found_without_coordinates(stack):
    data = fringefleet.open_stack(stack, chunks=None).load().drop_vars(["y", "x"])
    point = complete_pixel(data)
    result = fringefleet.invert(data, reference_point=point, chunks=TILE).compute()
    rows, columns = np.nonzero(result["status"].values == fringefleet.Status.REFERENCE_POINT)
    assert (rows.tolist(), columns.tolist()) == ([point[0]], [point[1]])


def test_a_water_mask_is_taken_by_its_dimensions(stack):
    data = fringefleet.open_stack(stack, chunks=None).isel(y=slice(16, 96))
    mask = xr.DataArray(np.tri(80, dtype=bool), dims=("y", "x"))
    upright = fringefleet.invert(data, water_mask=mask)["status"].compute()
    turned = fringefleet.invert(data, water_mask=mask.transpose("x", "y"))["status"].compute()
    np.testing.assert_array_equal(upright, turned)


def test_a_sliced_stack_is_not_cut_into_slivers(stack):
    part = fringefleet.open_stack(stack, chunks=TILE).isel(y=slice(31, 96))
    assert fringefleet.invert(part)["displacement"].chunks[1] == (32, 32, 1)


def test_a_failing_run_leaves_an_overwritten_output_as_it_was(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    before = files(job.output)
    setting = Setting(reference_point=(500, 0))
    with pytest.raises(InputError, match="outside the scene"):
        fringefleet.run(Run(stack, job.output, setting=setting, existing="overwrite"))
    assert files(job.output) == before


def test_resuming_with_other_options_is_refused(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    elsewhere = Setting(reference_point=complete_pixel(fringefleet.open_stack(stack)))
    for other in (
        Run(stack, tmp_path / "result.zarr", Options(weight_func="no"), chunks=TILE, existing="resume"),
        Run(stack, tmp_path / "result.zarr", chunks=(48, 40), existing="resume"),
        Run(stack, tmp_path / "result.zarr", setting=elsewhere, chunks=TILE, existing="resume"),
    ):
        with pytest.raises(OutputExistsError, match="cannot be resumed"):
            fringefleet.run(other)


def test_a_resumed_run_keeps_the_tiles_that_it_has(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    again = check(Run(stack, tmp_path / "result.zarr", n_worker=8, existing="resume"))
    assert (again.tile, again.n_left) == (TILE, 0)
    assert check(Run(stack, tmp_path / "other.zarr", n_worker=8)).tile != TILE


def test_resuming_a_finished_run_does_nothing(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    before = files(job.output)
    summary = fringefleet.run(Run(stack, job.output, chunks=TILE, existing="resume"))
    assert (summary.n_tile, summary.n_resumed, summary.status_count) == (9, 9, ())
    assert files(job.output) == before


def test_a_tile_that_cannot_be_read_is_named_and_the_others_are_kept(stack, tmp_path):
    broken = tmp_path / "broken.zarr"
    fringefleet.convert_stack(stack, broken, chunks=TILE)
    chunk = broken / "unwrapped_phase" / "c" / "0" / "1" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(b"\xff" + whole[1:])  # no version of Blosc; half a chunk would sometimes be decoded
    state = chunk.stat()
    job = Run(broken, tmp_path / "result.zarr", chunks=TILE)
    with connect("local", 1), pytest.raises(RunError, match=r"tile \(1, 1\) \(rows 32-64, columns 32-64\)"):
        fringefleet.run(job)
    done = zarr.open_group(job.output)["progress/done"][:]
    assert done[1, 1] == 0
    assert done.sum() > 0
    chunk.write_bytes(whole)
    os.utime(chunk, ns=(state.st_atime_ns, state.st_mtime_ns))
    summary = fringefleet.run(Run(broken, job.output, chunks=TILE, existing="resume"))
    assert summary.n_resumed == done.sum()
    fringefleet.run(Run(broken, tmp_path / "uninterrupted.zarr", chunks=TILE))
    assert files(job.output) == files(tmp_path / "uninterrupted.zarr")


def test_a_tile_that_no_worker_can_hold_is_refused_before_any_work(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=(96, 80))
    with pytest.raises(BlockTooLargeError, match="No tile is small enough: give each worker"):
        compute(check(job), worker_memory=2**20)
    too_little = forecast(check(job), 1).memory_needed - 1
    with pytest.raises(BlockTooLargeError, match=r"Give chunks = \(\d+, \d+\) or less"):
        compute(check(job), worker_memory=too_little)
    with pytest.raises(BlockTooLargeError, match=r"Give chunks = \(\d+, \d+\) or less"):
        check(Run(job.stack, job.output, chunks=job.chunks, worker_memory=too_little))
    assert not job.output.exists()


def test_an_unknown_option_is_refused_with_the_nearest_name(stack):
    with pytest.raises(OptionError, match="Did you mean weight_func"):
        fringefleet.invert(fringefleet.open_stack(stack), weight_fun="no")


@pytest.mark.cluster
def test_workers_give_the_same_bytes_as_threads(stack, tmp_path):
    fringefleet.run(Run(stack, tmp_path / "threads.zarr", chunks=TILE))
    with connect("local", 2):
        fringefleet.run(Run(stack, tmp_path / "workers.zarr", chunks=TILE))
    assert files(tmp_path / "threads.zarr") == files(tmp_path / "workers.zarr")


@pytest.mark.cluster
def test_a_run_killed_half_way_is_resumed_to_the_same_bytes_without_redoing_tiles(stack, tmp_path):
    output = tmp_path / "result.zarr"
    command = [sys.executable, "-m", "fringefleet", "invert", str(stack), str(output)]
    command += ["--chunks", "8", "8", "--workers", "2"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while not (output.exists() and len(marks_of(output)) >= 10):
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    time.sleep(0.5)
    marks = {path: path.stat().st_mtime_ns for path in marks_of(output)}
    assert 10 <= len(marks) < 120
    subprocess.run([*command, "--resume"], check=True)
    assert len(marks_of(output)) == 120
    assert {path: path.stat().st_mtime_ns for path in marks} == marks
    fringefleet.run(Run(stack, tmp_path / "uninterrupted.zarr", chunks=(8, 8)))
    assert files(output) == files(tmp_path / "uninterrupted.zarr")
