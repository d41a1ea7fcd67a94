"""Velocity of a result: lazily and as a run, over missing dates, gaps and statuses."""

import logging
import re
import shutil

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import FitOptions, TimeFunctions, VelocityRun
from fringefleet.errors import InputError, OptionError, OutputExistsError, StackFormatError
from fringefleet.io.describe import describe
from fringefleet.io.store.conventions import with_conventions
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.solver.time_design import decimal_years

SHAPE, TILE = (40, 50), (16, 25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("velocity")
    simulate_stack(Scene(n_date=12, shape=SHAPE, missing=0.35, neighbours=2), folder / "stack.zarr")
    options = fringefleet.Options(covariance=True, min_redundancy=0.0)
    fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr", options, chunks=TILE))
    return folder


@pytest.fixture
def result(folder):
    return xr.open_zarr(folder / "result.zarr")


def years_of(result):
    return decimal_years(result["date"].values.astype("datetime64[s]").astype(str).tolist())


def expected_of(result, matrix_of, rows=slice(None), *, gap_filled=False):
    """Velocity, its standard deviation and the dates of each pixel, one after the other."""
    years = years_of(result)[rows]
    series = result["displacement"].values[rows].reshape(len(years), -1).astype(float)
    valid = np.isfinite(series)
    if not gap_filled:
        valid &= result["gap_filled"].values[rows].reshape(valid.shape) == 0
    found = np.full((3, series.shape[1]), np.nan)
    for pixel in range(series.shape[1]):
        which = valid[:, pixel]
        matrix = matrix_of(years - years[0])[which]
        found[2, pixel] = which.sum()
        if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
            continue
        fit, squares = np.linalg.lstsq(matrix, series[which, pixel], rcond=None)[:2]
        if which.sum() > matrix.shape[1]:
            scale = squares[0] / (which.sum() - matrix.shape[1])
            found[1, pixel] = np.sqrt(np.linalg.inv(matrix.T @ matrix)[1, 1] * scale)
        found[0, pixel] = fit[1]
    return found.reshape(3, *result["status"].shape)


def linear(years):
    return np.stack([years**0, years], 1)


def seasonal(years):
    return np.stack([years**0, years, np.cos(2 * np.pi * years), np.sin(2 * np.pi * years)], 1)


def check(found, expected):
    velocity, std, count = expected
    np.testing.assert_array_equal(found["date_count"], count)
    np.testing.assert_allclose(found["velocity"], velocity, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found["velocity_std"], std, rtol=1e-4, atol=1e-8)


def test_the_lazy_form_fits_every_pixel_to_its_own_dates(result):
    found = fringefleet.velocity(result)
    assert found["velocity"].chunks is not None
    assert {(data.dims, str(data.dtype)) for data in found[["velocity", "velocity_std"]].values()} == {
        (("y", "x"), "float32")
    }
    found, expected = found.compute(), expected_of(result, linear)
    assert len(np.unique(expected[2])) > 4  # many pixels lack dates
    check(found, expected)


def test_gap_filled_dates_are_used_where_that_is_asked_for(result):
    found = fringefleet.velocity(result, include_gap_filled=True).compute()
    check(found, expected_of(result, linear, gap_filled=True))
    assert (found["date_count"] > fringefleet.velocity(result)["date_count"]).any()


def test_dates_are_selected_and_excluded(result):
    names = result["date"].values.astype("datetime64[D]").astype(str)
    found = fringefleet.velocity(
        result, TimeFunctions(periodic=0.1), start_date=names[1], end_date=names[9], exclude_dates=[names[4]]
    )
    rows = np.array([1, 2, 3, 5, 6, 7, 8, 9])

    def of_period(years):
        return np.stack([years**0, years, np.cos(20 * np.pi * years), np.sin(20 * np.pi * years)], 1)

    check(found, expected_of(result, of_period, rows))
    assert found.attrs["n_date_used"] == 8


def test_the_run_form_writes_the_same_and_the_reference_point_is_zero(folder, result):
    job = VelocityRun(folder / "result.zarr", folder / "run.zarr", TimeFunctions(periodic=1))
    seen = []
    summary = fringefleet.run_velocity(job, seen.append)
    found, lazy = xr.open_zarr(job.output), fringefleet.velocity(result, periodic=1)
    title = "Functions of time fitted to displacement time series"
    xr.testing.assert_identical(found.load(), with_conventions(lazy.compute(), title))
    check(found, expected_of(result, seasonal))
    assert found["velocity"].encoding["chunks"] == TILE
    row, column = result.attrs["reference_point"]
    assert all(found[name].values[row, column] == 0 for name in found.data_vars if name != "date_count")
    answered = np.isfinite(found["velocity"].values)
    assert (summary.n_fitted, summary.output) == (answered.sum(), job.output)
    assert summary.n_undetermined == (~answered & (found["date_count"].values > 0)).sum() > 0
    assert len(seen) == summary.numbers.n_tile == 6
    assert (folder / "run.zarr.report.json").exists()


def test_the_same_again_has_the_same_bytes_and_only_if_it_may_replace(folder):
    job = VelocityRun(folder / "result.zarr", folder / "twice.zarr")
    fringefleet.run_velocity(job)
    before = bytes_of(job.output)
    with pytest.raises(OutputExistsError, match=r"twice.zarr exists; .* overwrite"):
        fringefleet.run_velocity(job)
    fringefleet.run_velocity(VelocityRun(job.result, job.output, overwrite=True))
    assert bytes_of(job.output) == before


def bytes_of(store):
    return {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_attributes_say_what_was_fitted_and_how_sure_it_is(result):
    found = fringefleet.velocity(result, periodic=1, step="20180301")
    assert found.attrs["time_functions"] == "polynomial 1; periodic 1; step 20180301"
    assert found.attrs["velocity_uncertainty"] == "residual"
    assert found.attrs["velocity_interval"] == "Student's t with date_count - 5 degrees of freedom"
    assert found.attrs["velocity_degrees_of_freedom"] == 12 - 5
    assert found.attrs["gap_filled_dates"] == "left out"
    assert found["velocity"].attrs["units"] == "m/year"
    assert found["velocity"].attrs["ancillary_variables"] == "velocity_std"
    assert found["velocity_std"].attrs["interval"] == found.attrs["velocity_interval"]
    assert found["velocity"].attrs["grid_mapping"] == result["displacement"].attrs["grid_mapping"]
    of_covariance = fringefleet.velocity(result, uncertainty="covariance")
    assert of_covariance.attrs["velocity_interval"] == "normal (z)"
    assert "velocity_degrees_of_freedom" not in of_covariance.attrs
    assert "velocity_std" not in fringefleet.velocity(result, uncertainty="none")


def test_a_stored_covariance_is_propagated(result):
    found = fringefleet.velocity(result, uncertainty="covariance", include_gap_filled=True).compute()
    matrix = linear(years_of(result))
    operator = np.linalg.pinv(matrix)[1]
    covariance = result["displacement_cov"].values.astype(float)
    expected = np.sqrt(np.einsum("i,ijyx,j->yx", operator, covariance, operator))
    np.testing.assert_allclose(found["velocity_std"], expected, rtol=1e-5)
    assert 100 < np.isnan(expected).sum() < expected.size - 100  # cut networks have none


def test_the_time_of_the_middle_line_counts(result):
    moved = result.assign_attrs(CENTER_LINE_UTC="43200")
    onset = f"{result['date'].values[5].astype('datetime64[D]')}T06:00"
    counts = [
        float(fringefleet.velocity(each, step=onset)["step_" + onset.replace("-", "").replace(":", "")].max())
        for each in (result, moved)
    ]
    assert counts[0] != counts[1]


def test_the_truth_of_a_simulation_has_a_velocity_too(folder):
    truth = xr.open_zarr(folder / "stack_truth.zarr")
    assert np.isfinite(fringefleet.velocity(truth)["velocity"]).all()


def test_what_was_written_can_be_looked_at(folder):
    output = folder / "shown.zarr"
    fringefleet.run_velocity(VelocityRun(folder / "result.zarr", output))
    found = describe(output)
    assert (found.kind, found.dates, found.place.shape) == ("velocity", (), SHAPE)
    assert found.attributes["reference_point"] is not None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start_date": "soon"}, InputError, "found start_date = 'soon': found the date 'soon'"),
        ({"start_date": "20300101"}, InputError, "found no date from 20300101 to the last"),
        ({"end_date": "20180101"}, InputError, "found no date from the first to 20180101"),
        ({"exclude_dates": "20180107"}, InputError, "found exclude_dates = 20180107, which is no date of"),
        ({"start_date": "20180505"}, InputError, "found 2 dates for time functions of 4 parameters"),
        ({"periodc": 1}, OptionError, "unknown option periodc. Did you mean periodic?"),
        ({"seed": 3}, OptionError, "found seed = 3, which has an effect only with uncertainty = bootstrap"),
        ({"uncertainty": "guess"}, OptionError, "found uncertainty = 'guess'; use one of residual, cov"),
        ({"step": "20170101"}, InputError, "found step = 20170101, and no date before it"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_anything_is_done(result, changes, error, message):
    with pytest.raises(error, match=re.escape(message)):
        fringefleet.velocity(result, **({"periodic": 1} if "date" in str(changes) else {}), **changes)


def test_variances_alone_are_refused_with_the_reason(result):
    message = "found a displacement_std only in the result; dates are correlated"
    without = result.drop_vars("displacement_cov")
    with pytest.raises(InputError, match="found uncertainty = covariance, and no covariance of the displace"):
        fringefleet.velocity(without, uncertainty="covariance")
    with pytest.raises(InputError, match=message.replace("found a", "and a")):
        fringefleet.velocity(
            without.assign(displacement_std=result["displacement"]), uncertainty="covariance"
        )


def test_what_is_no_result_is_refused(folder, result, tmp_path):
    with pytest.raises(StackFormatError, match="not a result"):
        fringefleet.run_velocity(VelocityRun(folder / "stack.zarr", tmp_path / "out.zarr"))
    with pytest.raises(StackFormatError, match="a velocity needs the displacement at dates"):
        fringefleet.velocity(result.drop_vars("displacement"))
    with pytest.raises(OptionError, match=r"a name of NetCDF; .* such as velocity.zarr"):
        fringefleet.run_velocity(VelocityRun(folder / "result.zarr", tmp_path / "out.nc"))
    with pytest.raises(OptionError, match="is or contains"):
        fringefleet.run_velocity(VelocityRun(folder / "result.zarr", folder / "result.zarr"))
    assert not list(tmp_path.iterdir())


def test_options_of_a_fit_are_checked_when_they_are_made():
    with pytest.raises(OptionError, match="found bootstrap_count = 1; give 2 or more"):
        FitOptions(uncertainty="bootstrap", bootstrap_count=1)
    with pytest.raises(OptionError, match=r"found functions = \{\} of the type dict"):
        VelocityRun("a", "b.zarr", functions={})


def test_a_mask_is_honoured_unless_all_pixels_are_asked_for(folder, tmp_path, caplog):
    shutil.copytree(folder / "result.zarr", tmp_path / "masked.zarr")
    fringefleet.mask_result(tmp_path / "masked.zarr", rule="residual_rms < 0.35")
    with xr.open_zarr(tmp_path / "masked.zarr") as opened:
        masked = opened.load()
    kept = masked["mask"].values == 1
    plain, lazy = fringefleet.velocity(masked, no_mask=True).load(), fringefleet.velocity(masked).load()
    has_velocity = np.isfinite(plain["velocity"].values)
    assert (has_velocity & kept).any()
    assert (has_velocity & ~kept).any()
    np.testing.assert_array_equal(lazy["velocity"], plain["velocity"].where(kept))
    np.testing.assert_array_equal(lazy["date_count"], plain["date_count"].where(kept, 0))
    assert lazy.attrs["mask_rule"] == "residual_rms < 0.35"
    with caplog.at_level(logging.INFO, "fringefleet"):
        fringefleet.run_velocity(VelocityRun(tmp_path / "masked.zarr", tmp_path / "run.zarr"))
    assert "the mask of the result counts: residual_rms < 0.35" in caplog.text
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "run.zarr")["velocity"], lazy["velocity"])
