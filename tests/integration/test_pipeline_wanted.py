"""What is wanted besides the series, through real stores: written, added up, killed, resumed, exported."""

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block
from fringefleet.errors import InputError, MissingMetadataError, OptionError, OutputExistsError
from fringefleet.execution.check import check
from fringefleet.execution.prepare import prepare
from fringefleet.io.store.conventions import with_conventions
from fringefleet.io.store.result import ResultStore
from fringefleet.io.store.unfinished import FINGERPRINT
from fringefleet.io.writers.mintpy import export_mintpy
from fringefleet.pipeline import compute, finish
from fringefleet.products.registry import all_variables
from fringefleet.simulate import Scene

SHAPE = (20, 18)
SCENE = Scene(n_date=8, neighbours=3, shape=SHAPE, seed=3, missing=0.1)
TILE = (8, 9)
EVERYTHING = Options(
    std=True,
    covariance=True,
    diagnose=True,
    dem_error=True,
    velocity=True,
    norm="huber",
    gap_rule="linear",
)
GEOMETRY = np.linspace(5e5, 6e5, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
MASK = np.tri(*SHAPE, 12, dtype=bool)
SETTING = Setting(geometry=GEOMETRY, water_mask=MASK)
TABLE = ("pair_residual_rms", "pair_cycle_share", "pair_pixel_count")


@pytest.fixture(scope="module")
def result(stack, tmp_path_factory):
    """An uninterrupted run with everything; not to be changed."""
    path = tmp_path_factory.mktemp("result") / "result.zarr"
    fringefleet.run(Run(stack, path, EVERYTHING, SETTING, TILE))
    return path


def files(store):
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_a_result_with_everything_describes_itself(result):
    found = xr.open_zarr(result)
    assert {*found.data_vars} == {*all_variables(), *TABLE}
    for name, variable in all_variables().items():
        assert found[name].dims == variable.dims, name
        assert found[name].dtype == np.dtype(variable.dtype), name
        assert found[name].attrs["long_name"] == variable.attrs["long_name"]
        assert found[name].encoding["chunks"][-2:] == TILE, name
    np.testing.assert_array_equal(found["date2"], found["date"])
    assert (found["displacement_cov"].attrs["units"], found["dem_error"].attrs["units"]) == ("m2", "m")
    assert found.sizes["pair"] == 18
    assert all(found[name].dims == ("pair",) for name in TABLE)
    assert (found.attrs["norm"], found.attrs["gap_rule"], found.attrs["huber_threshold"]) == (
        "huber",
        "linear",
        1.345,
    )
    assert found.attrs["std_scale"] == "variance factor of the residuals"
    assert (found.attrs["polynomial_order"], found.attrs["atmosphere_std"]) == (2, 1.0)


def test_the_consolidated_metadata_know_the_table_that_was_filled_later(result):
    for consolidated in (True, False):
        table = xr.open_zarr(result, consolidated=consolidated)
        assert np.isfinite(table["pair_residual_rms"]).all()


def test_formal_standard_deviations_are_told_from_scaled_ones(stack):
    data = fringefleet.open_stack(stack)
    for weight_func, said in (("var", "formal"), ("coh", "variance factor of the residuals")):
        assert fringefleet.invert(data, std=True, weight_func=weight_func).attrs["std_scale"] == said
    assert "std_scale" not in fringefleet.invert(data).attrs


def test_the_lazy_form_gives_what_the_run_form_wrote(stack, result):
    lazy = fringefleet.invert(fringefleet.open_stack(stack, chunks=TILE), EVERYTHING, setting=SETTING)
    written = xr.open_zarr(result).drop_dims("pair")
    xr.testing.assert_equal(lazy.compute(), written.compute())
    attrs = with_conventions(lazy, written.attrs["title"]).attrs
    assert attrs == {name: text for name, text in written.attrs.items() if name != FINGERPRINT}


def test_what_is_in_the_result_fits_together(result):
    found = xr.open_zarr(result).compute()
    variance = found["displacement_cov"].values[np.arange(8), np.arange(8)]
    np.testing.assert_allclose(np.sqrt(variance), found["displacement_std"], rtol=1e-4, atol=1e-9)
    land = np.isfinite(found["displacement"][0].values)
    assert land.sum() > 100
    assert not land[~MASK].any()
    assert np.isfinite(found["dem_error"].values[land]).all()
    assert (found["misclosed_count"] <= found["triplet_count"]).all()


@pytest.mark.parametrize(("norm", "tolerance"), [("l2", 1e-6), ("huber", 1e-3)])
def test_the_table_of_pairs_does_not_depend_on_the_tiles(stack, tmp_path, norm, tolerance):
    """But for a robust norm by as much as it takes for settled, of all pixels that are solved together."""
    options = Options(norm=norm, diagnose=True)
    for name, tile in (("tiles.zarr", TILE), ("one.zarr", SHAPE)):
        fringefleet.run(Run(stack, tmp_path / name, options, Setting(water_mask=MASK), tile))
    tiles, one = (xr.open_zarr(tmp_path / name)[list(TABLE)].compute() for name in ("tiles.zarr", "one.zarr"))
    np.testing.assert_array_equal(tiles["pair_pixel_count"], one["pair_pixel_count"])
    np.testing.assert_allclose(tiles["pair_residual_rms"], one["pair_residual_rms"], rtol=tolerance)
    np.testing.assert_allclose(tiles["pair_cycle_share"], one["pair_cycle_share"])
    prepared = prepare(fringefleet.open_stack(stack, chunks=None), options, Setting())
    arrays = [prepared.stack[name].values for name in ("unwrapped_phase", "coherence")]
    block = Block(*arrays, water_mask=MASK, reference_point=prepared.reference_point)
    n_pixel, square, cycles = invert_block(block, prepared.scene, options).pair_sums
    np.testing.assert_array_equal(one["pair_pixel_count"], n_pixel)
    np.testing.assert_allclose(one["pair_residual_rms"], np.sqrt(square / n_pixel), rtol=1e-6)
    np.testing.assert_allclose(one["pair_cycle_share"], cycles / n_pixel)


def test_a_run_that_was_killed_half_way_is_resumed_to_the_same_bytes(stack, result, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", EVERYTHING, SETTING, TILE)

    def kill(done):
        if done.n_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fringefleet.run(job, on_progress=kill)
    assert np.isnan(xr.open_zarr(job.output)["pair_residual_rms"]).all()
    summary = fringefleet.run(Run(stack, job.output, EVERYTHING, SETTING, TILE, existing="resume"))
    assert 3 <= summary.n_resumed < summary.n_tile
    assert files(job.output) == files(result)


def test_a_run_that_was_killed_after_its_last_tile_is_finished(stack, result, tmp_path, monkeypatch):
    job = Run(stack, tmp_path / "result.zarr", EVERYTHING, SETTING, TILE)

    def kill(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ResultStore, "finish", kill)
        with pytest.raises(KeyboardInterrupt):
            fringefleet.run(job)
    again = check(Run(stack, job.output, EVERYTHING, SETTING, TILE, existing="resume"))
    assert again.n_left == 0
    assert np.isnan(xr.open_zarr(job.output)["pair_residual_rms"]).all()
    finish(again)
    assert files(job.output) == files(result)


def test_the_table_is_not_filled_before_the_last_tile(stack, tmp_path):
    checked = check(Run(stack, tmp_path / "result.zarr", EVERYTHING, SETTING, TILE))
    compute(checked)
    group = zarr.open_group(tmp_path / "result.zarr", mode="r+")
    group["progress/done"][1, 1] = 0
    group["pair_residual_rms"][:] = np.nan
    finish(check(Run(stack, tmp_path / "result.zarr", EVERYTHING, SETTING, TILE, existing="resume")))
    assert np.isnan(xr.open_zarr(tmp_path / "result.zarr")["pair_residual_rms"]).all()


@pytest.mark.parametrize(
    "other",
    [
        {"norm": "l2"},
        {"huber_threshold": 2.0},
        {"max_iterations": 50},
        {"gap_rule": "none"},
        {"std": False},
        {"covariance": False},
        {"diagnose": False},
        {"polynomial_order": 1},
        {"atmosphere_std": 0.5},
        {"geometry": GEOMETRY + 1},
        {"geometry": None},
        {"water_mask": np.tri(*SHAPE, 11, dtype=bool)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_result_is_not_resumed_with_another_option_or_map(other, stack, result):
    setting = {"geometry": GEOMETRY, "water_mask": MASK}
    setting |= {name: value for name, value in other.items() if name in setting}
    options = vars(EVERYTHING) | {name: value for name, value in other.items() if name not in setting}
    with pytest.raises(OutputExistsError, match="cannot be resumed"):
        check(Run(stack, result, Options(**options), Setting(**setting), TILE, existing="resume"))


def test_an_export_has_the_covariance_of_every_two_dates(result, tmp_path):
    paths = export_mintpy(result, tmp_path)
    assert [path.name for path in paths][-1] == "timeseriesDecorCov.h5"
    expected = xr.open_zarr(result)["displacement_cov"].fillna(0)
    with h5py.File(tmp_path / "timeseriesDecorCov.h5") as file:
        np.testing.assert_array_equal(file["timeseries"][()], expected)
        assert file.attrs["UNIT"] == "m^2"
        assert file["date"].shape == (8,)


def test_a_dem_error_of_a_real_scene_is_the_same_with_the_geometry_of_its_middle(stack):
    """Given as an array, as the attributes say it, and in any order of its dimensions."""
    data = fringefleet.open_stack(stack, chunks=None)
    prepared = prepare(data, Options(dem_error=True), Setting())
    middle = prepared.scene.range_sine
    assert 4e5 < middle < 7e5
    flat = np.full(SHAPE, middle, np.float32)
    turned = xr.DataArray(flat.T, dims=("x", "y"))
    results = [
        fringefleet.invert(data, dem_error=True, geometry=geometry)["dem_error"].compute()
        for geometry in (None, flat, turned)
    ]
    for found in results[1:]:
        np.testing.assert_allclose(found, results[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "setting", "error", "message"),
    [
        ({}, {"geometry": GEOMETRY}, OptionError, "found geometry = ndarray, which has an effect only"),
        ({"dem_error": True}, {"geometry": GEOMETRY.T}, OptionError, r"found a geometry of \(18, 20\)"),
        ({"dem_error": True}, {"geometry": "nowhere.h5"}, InputError, "found no geometry file at nowhere.h5"),
        (
            {"dem_error": True},
            {"geometry": xr.DataArray(GEOMETRY, dims=("lat", "lon"))},
            OptionError,
            "found a geometry with the dimensions lat, lon; it needs y and x",
        ),
        ({"dem_error": True}, {"geometry": -GEOMETRY}, OptionError, "a geometry without any positive value"),
        ({"dem_error": True, "polynomial_order": 7}, {}, InputError, "at least 9 dates are needed"),
    ],
)
def test_what_a_dem_error_cannot_be_told_by_is_refused_at_once(stack, options, setting, error, message):
    with pytest.raises(error, match=message):
        fringefleet.invert(fringefleet.open_stack(stack), Options(**options), setting=Setting(**setting))


def test_a_dem_error_needs_baselines(stack):
    data = fringefleet.open_stack(stack).drop_vars("perpendicular_baseline")
    with pytest.raises(MissingMetadataError, match="found no perpendicular_baseline"):
        fringefleet.invert(data, dem_error=True)


def test_a_dem_error_without_range_and_angle_names_the_attributes(stack):
    data = fringefleet.open_stack(stack)
    data.attrs = {
        name: value for name, value in data.attrs.items() if "ANGLE" not in name and name != "HEIGHT"
    }
    with pytest.raises(MissingMetadataError, match="HEIGHT"):
        fringefleet.invert(data, dem_error=True)


def test_geometry_that_is_no_positive_number_tells_no_height(stack):
    geometry = GEOMETRY.copy()
    geometry[3, :3] = 0, -5e5, np.inf
    result = fringefleet.invert(fringefleet.open_stack(stack), dem_error=True, geometry=geometry).compute()
    assert np.isnan(result["dem_error"][3, :3]).all()
    assert np.isfinite(result["displacement"][:, 3, :3]).all()
