"""A result relative to another date or pixel: equal to an inversion where it must be, and said where not."""

import json
import logging
import subprocess

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Status
from fringefleet.cluster import connect
from fringefleet.errors import (
    InputError,
    OptionError,
    OutputExistsError,
    ReferencePointError,
    StackFormatError,
)
from fringefleet.execution.new_reference import NewReference
from fringefleet.execution.rereference import CHANGES, STAYS
from fringefleet.execution.rereferencing import rereference_result
from fringefleet.products.registry import all_variables
from fringefleet.products.velocity import VELOCITY
from fringefleet.simulate import Scene, simulate_dataset, simulate_stack

SCENE = Scene(n_date=7, shape=(24, 30), missing=0.25, unwrapping_errors=0.1, dem_error_std=10, seed=5)
DATES = np.char.replace(SCENE.dates.astype("datetime64[D]").astype(str), "-", "").tolist()
METRES = 0.05546576 / (4 * np.pi)  # of a radian
EVERYTHING = Options(covariance=True, std=True, diagnose=True, dem_error=True)


@pytest.fixture(scope="module")
def scene():
    return simulate_dataset(SCENE)[0]


def test_every_variable_of_a_result_is_known_to_change_or_to_stay_but_those_of_a_fit():
    assert set(all_variables()) - set(VELOCITY.variables) == STAYS | CHANGES
    assert not STAYS & CHANGES


def test_spread_is_zero_at_the_new_point_and_unknown_at_the_old_one(scene):
    old = fringefleet.invert(scene, EVERYTHING).compute()
    row, column = old.attrs["reference_point"]
    point = tuple(np.argwhere(old["status"].values == Status.OK)[-1].tolist())
    found = fringefleet.rereference(old, point=point)
    for name in ("displacement_std", "displacement_cov"):
        assert (found[name][..., point[0], point[1]] == 0).all(), name
        assert found[name][..., row, column].isnull().all(), name
        rest = found["status"] == Status.OK
        rest[row, column] = False
        np.testing.assert_array_equal(found[name].where(rest), old[name].where(rest))
    for name in ("temporal_coherence", "residual_rms"):
        assert found[name][row, column].isnull(), name


def test_maps_of_a_fit_are_left_out_and_named(scene, caplog):
    old = fringefleet.invert(scene, velocity=True)
    found = fringefleet.rereference(old, date=DATES[3])
    assert set(VELOCITY.variables) <= set(old.data_vars)
    assert not set(VELOCITY.variables) & set(found.data_vars)
    assert "left out, as they belong to the old reference: date_count, intercept" in caplog.text


@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_new_date_is_an_inversion_with_that_date(scene, index):
    old = fringefleet.invert(scene, EVERYTHING, reference_date=DATES[2])
    expected = fringefleet.invert(scene, EVERYTHING, reference_date=DATES[index]).compute()
    found = fringefleet.rereference(old, date=DATES[index])
    assert found["displacement"].chunks
    found = found.compute()
    assert set(found.data_vars) == set(expected.data_vars)
    np.testing.assert_allclose(found["displacement"], expected["displacement"], atol=1e-5 * METRES, rtol=1e-5)
    assert (found["displacement"][index].isnull() | (found["displacement"][index] == 0)).all()
    largest = float(expected["displacement_cov"].max())
    together = expected["status"].values == Status.OK  # where dates do not hang together it is not known
    assert together.sum() > 200
    for name, tolerance in (("displacement_cov", 1e-5 * largest), ("displacement_std", 3e-3 * largest**0.5)):
        np.testing.assert_allclose(
            found[name].values[..., together], expected[name].values[..., together], rtol=1e-3, atol=tolerance
        )
    for name in STAYS & set(expected.data_vars):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    assert found.attrs["reference_date"] == expected.attrs["reference_date"]
    assert found.attrs["rereferenced"].startswith(f"date {DATES[index]}: displacements since another date")


def test_the_variance_since_a_date_is_that_of_a_difference(scene):
    old = fringefleet.invert(scene, covariance=True, std=True).compute()
    found = fringefleet.rereference(old, date=DATES[4])
    covariance = old["displacement_cov"].values.astype(float)
    for j in range(7):
        variance = covariance[j, j] + covariance[4, 4] - 2 * covariance[j, 4]
        np.testing.assert_allclose(
            found["displacement_std"][j].values.astype(float) ** 2, variance, rtol=1e-4, atol=1e-9
        )
    assert float(found["displacement_std"][0].max()) > 0


def test_where_the_new_date_has_no_answer_there_is_none_at_all(scene):
    old = fringefleet.invert(scene, gap_rule="none").compute()
    found = fringefleet.rereference(old, date=DATES[6])
    without = np.isnan(old["displacement"].values[6])
    assert (without & (old["status"].values == Status.NOT_GAP_FILLED)).sum() > 0
    assert np.isnan(found["displacement"].values[:, without]).all()
    expected = fringefleet.invert(scene, gap_rule="none", reference_date=DATES[6]).compute()
    together = ~without & np.isfinite(old["displacement"].values).all(0)
    np.testing.assert_allclose(
        found["displacement"].values[:, together],
        expected["displacement"].values[:, together],
        atol=1e-5 * METRES,
        rtol=1e-5,
    )


def test_standard_deviations_without_covariance_are_left_out_with_a_sentence(scene, caplog):
    old = fringefleet.invert(scene, std=True)
    with caplog.at_level(logging.WARNING, "fringefleet"):
        found = fringefleet.rereference(old, date=DATES[3])
    assert "displacement_std" not in found
    assert [record.getMessage() for record in caplog.records] == [
        "left out, as they belong to the old reference: displacement_std (dates are correlated, and only "
        "invert --covariance stores how)"
    ]
    assert "displacement_std" in fringefleet.rereference(old, point=(3, 4))


def apart(stack, point, **options):
    """Largest difference of a new point to an inversion with that point [rad], at pixels that are ok."""
    found = fringefleet.rereference(fringefleet.invert(stack, **options), point=point).compute()
    expected = fringefleet.invert(stack, **options, reference_point=point).compute()
    is_ok = (found["status"] == Status.OK) & (expected["status"] == Status.OK)
    assert int(is_ok.sum()) > 50
    difference = (found["displacement"] - expected["displacement"]).where(is_ok)
    return float(abs(difference).max()) / METRES, found, expected


def complete_pixel(stack):
    phase = stack["unwrapped_phase"].values
    rows, columns = np.nonzero((np.isfinite(phase) & (phase != 0)).all(0))
    nearest = np.hypot(rows - 9, columns - 20).argmin()
    return int(rows[nearest]), int(columns[nearest])


def test_a_new_point_is_an_inversion_with_it_where_its_pairs_close():
    stack, _ = simulate_dataset(Scene(n_date=7, shape=(24, 30), noise=0, missing=0.1, seed=1))
    difference, found, expected = apart(stack, complete_pixel(stack))
    assert difference < 1e-4  # of phases of tens of radians in float32
    row, column = complete_pixel(stack)
    assert found["status"].values[row, column] == Status.REFERENCE_POINT
    assert (found["displacement"].values[:, row, column] == 0).all()
    assert int((found["status"] == Status.REFERENCE_POINT).sum()) == 1
    for name in ("reference_point", "reference_point_y", "reference_point_x"):
        assert found.attrs[name] == expected.attrs[name]


def test_a_new_point_is_an_inversion_with_it_where_pairs_and_weights_are_the_same():
    stack, _ = simulate_dataset(Scene(n_date=7, shape=(24, 30), unwrapping_errors=0.2, seed=2))
    assert apart(stack, (9, 20), weight_func="no")[0] < 1e-4


def test_a_new_point_is_no_inversion_with_it_where_its_pairs_do_not_close():
    stack, _ = simulate_dataset(Scene(n_date=7, shape=(24, 30), unwrapping_errors=0.2, seed=2))
    stack["unwrapped_phase"][{"pair": 4, "y": 9, "x": 20}] += 2 * np.pi
    difference, found, _ = apart(stack, (9, 20))
    assert difference > 0.1
    assert (
        "only where its pairs close, or where both pixels have the same pairs and weights"
        in (found.attrs["rereferenced"])
    )


def test_a_dem_error_is_relative_to_the_new_point_too(scene):
    old = fringefleet.invert(scene, dem_error=True).compute()
    point = complete_pixel(scene)
    found = fringefleet.rereference(old, point=point)
    expected = old["dem_error"].values - old["dem_error"].values[point]
    np.testing.assert_allclose(found["dem_error"], expected, atol=1e-4)


def test_a_date_without_an_answer_at_the_new_point_is_nan_everywhere(scene):
    old = fringefleet.invert(scene, gap_rule="none").compute()
    series = old["displacement"].values
    rows, columns = np.nonzero(np.isnan(series).any(0) & (np.isfinite(series).sum(0) > 2))
    point = int(rows[0]), int(columns[0])
    found = fringefleet.rereference(old, point=point)["displacement"].values
    missing = np.isnan(series[:, *point])
    assert 0 < missing.sum() < 7
    assert np.isnan(found[missing]).all()
    assert np.isfinite(found[~missing]).any()


def test_what_cannot_be_a_new_reference_is_refused(scene):
    result = fringefleet.invert(scene).compute()
    result["displacement"][:, 5, 6] = np.nan
    for given, error, message in (
        ({}, OptionError, "found no new reference; give one of point, lalo and date"),
        ({"point": (1, 2), "date": DATES[0]}, OptionError, "found point and date; give one of"),
        ({"point": (24, 0)}, ReferencePointError, r"found point = \(24, 0\), outside of the 24 rows and 30"),
        (
            {"point": (5, 6)},
            ReferencePointError,
            r"found no displacement at the new reference point \(row 5, column 6\)",
        ),
        ({"lalo": (1.0, 2.0)}, ReferencePointError, r"found lalo = \(1, 2\), outside of the scene"),
        ({"lalo": 5}, OptionError, "give latitude and longitude in degrees: 2 numbers"),
        ({"date": "20200101"}, OptionError, "found date = 20200101, which is none of the dates: 20180106"),
        ({"date": "monday"}, OptionError, "date: found the date 'monday'"),
    ):
        with pytest.raises(error, match=message):
            fringefleet.rereference(result, **given)
    with pytest.raises(StackFormatError, match="another reference needs the displacement at dates"):
        fringefleet.rereference(scene, date=DATES[0])


def test_variables_that_are_not_known_and_tables_of_pairs_are_left_out_and_said(scene, caplog):
    result = fringefleet.invert(scene).compute()
    result["mean_velocity"] = result["displacement"][0] * 2
    with caplog.at_level(logging.WARNING, "fringefleet"):
        assert "mean_velocity" not in fringefleet.rereference(result, date=DATES[1])
    assert "left out, as they belong to the old reference: mean_velocity" in caplog.text


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("result")
    simulate_stack(SCENE, folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "result.zarr", EVERYTHING, chunks=(10, 16)))
    return folder / "result.zarr"


def files_of(result):
    return {path.relative_to(result): path.read_bytes() for path in result.rglob("*") if path.is_file()}


@pytest.mark.parametrize("new", [NewReference(date=DATES[3]), NewReference(point=(9, 20))])
def test_a_run_writes_what_the_lazy_form_gives_tile_by_tile(whole, tmp_path, new):
    with xr.open_zarr(whole) as opened:
        if new.point is not None:
            point = tuple(np.argwhere(opened["status"].values == Status.OK)[100].tolist())
            new = NewReference(point=point)
        expected = fringefleet.rereference(opened, **vars(new)).load()
    output, seen = tmp_path / "moved.zarr", []
    rereference_result(whole, output, new, on_progress=seen.append)
    found = xr.open_zarr(output).load()
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        assert found[name].dtype == expected[name].dtype
    assert set(found.coords) == set(expected.coords) >= {"perpendicular_baseline", "spatial_ref", "date2"}
    for name in expected.coords:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert found.attrs | {"fringefleet_fingerprint": ""} == expected.attrs | {"fringefleet_fingerprint": ""}
    assert len(seen) == 6
    report = json.loads((tmp_path / "moved.zarr.report.json").read_text())
    assert (report["state"], report["totals"]["n_done"]) == ("finished", 6)
    assert fringefleet.rereference(found, date=DATES[1])["displacement"].dims == ("date", "y", "x")


def test_a_run_that_is_resumed_leaves_the_same_bytes_and_does_no_tile_twice(whole, tmp_path):
    output, new, seen = tmp_path / "moved.zarr", NewReference(date=DATES[3]), []
    rereference_result(whole, output, new)
    expected = files_of(output)
    (output / "displacement/c/0/1/1").unlink()
    rereference_result(whole, output, new, existing="resume", on_progress=seen.append)
    assert [done.report.tile for done in seen] == [(1, 1)]
    assert files_of(output) == expected
    with pytest.raises(OutputExistsError, match=rf"found date = {DATES[4]} \(it was {DATES[3]}\)"):
        rereference_result(whole, output, NewReference(date=DATES[4]), existing="resume")
    with pytest.raises(OutputExistsError, match="exists; give existing = resume to finish it"):
        rereference_result(whole, output, new)
    rereference_result(whole, output, NewReference(date=DATES[4]), existing="overwrite")
    assert files_of(output) != expected


@pytest.mark.cluster
def test_workers_do_it_too(whole, tmp_path):
    new = NewReference(date=DATES[3])
    rereference_result(whole, tmp_path / "here.zarr", new)
    with connect("local", 2) as workers:
        rereference_result(whole, tmp_path / "there.zarr", new)
        tasks = workers.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert tasks == ["rereference_tile"]
    assert files_of(tmp_path / "here.zarr") == files_of(tmp_path / "there.zarr")


def test_what_is_no_finished_result_is_refused_before_work(whole, tmp_path):
    new = NewReference(date=DATES[3])
    with pytest.raises(InputError, match="is not a result"):
        rereference_result(whole.with_name("stack.zarr"), tmp_path / "moved.zarr", new)
    with pytest.raises(InputError, match="is or contains"):
        rereference_result(whole, whole, new)
    with pytest.raises(OptionError, match="a name of HDF5"):
        rereference_result(whole, tmp_path / "moved.h5", new)
    with pytest.raises(OptionError, match="none of the dates"):
        rereference_result(whole, tmp_path / "moved.zarr", NewReference(date="20200101"))
    assert not (tmp_path / "moved.zarr").exists()


def test_the_command_does_it_and_its_help_says_when_it_is_no_inversion(whole, tmp_path):
    output = tmp_path / "moved.zarr"
    words = ["fringefleet", "rereference", whole, output]
    done = subprocess.run([*words, "--date", DATES[3]], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(output)
    assert xr.open_zarr(output).attrs["reference_date"].startswith("2018-02-11")
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "found no new reference; give one of --point, --lalo and --date." in refused.stderr.replace(
        "\n", " "
    )
    shown = subprocess.run([*words[:2], "--help"], capture_output=True, text=True, check=True).stdout
    said = " ".join(shown.replace("│", " ").split())
    assert "only where its pairs close" in said
    assert "--covariance" in said
