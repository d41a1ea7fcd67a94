import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from fringefleet import simulate
from fringefleet.cli import app, application
from fringefleet.errors import OptionError, OutputExistsError
from fringefleet.io import geometry_from_attributes
from fringefleet.simulate import Scene, physics, simulate_dataset, simulate_stack, true_dem_error, truth_path
from fringefleet.simulate import random_fields as grid

WAVELENGTH = 0.05546576
RADIANS_PER_METRE = -4 * np.pi / WAVELENGTH
SMALL = {"n_date": 8, "neighbours": 3, "shape": (40, 70)}


def expected_phase(scene, truth):
    """Phase of the pairs without offset and noise, from the truth."""
    phase = RADIANS_PER_METRE * truth.values.astype("f8")
    return np.stack([phase[j] - phase[i] for i, j in scene.pairs])


def at_reference(scene, data):
    return data.isel(y=scene.reference_point[0], x=scene.reference_point[1])


def without_offset(scene, stack):
    return stack["unwrapped_phase"] - at_reference(scene, stack["unwrapped_phase"])


def cut_into(monkeypatch, rows, columns):
    monkeypatch.setattr(Scene, "tile", property(lambda _: (rows, columns)))


def test_the_same_scene_gives_the_same_stack_and_another_seed_another():
    stack, truth = simulate_dataset(Scene(**SMALL, seed=3))
    again, truth_again = simulate_dataset(Scene(**SMALL, seed=3))
    other, other_truth = simulate_dataset(Scene(**SMALL, seed=4))
    xr.testing.assert_identical(stack, again)
    xr.testing.assert_identical(truth, truth_again)
    assert not np.allclose(stack["unwrapped_phase"], other["unwrapped_phase"])
    assert not np.allclose(truth, other_truth)


def test_the_truth_does_not_depend_on_the_tiles_to_the_last_digit(monkeypatch):
    scene = Scene(n_date=5, neighbours=1, shape=(150, 170))
    _, whole = simulate_dataset(scene)
    cut_into(monkeypatch, 32, 48)
    _, tiled = simulate_dataset(scene)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(
    ("n_date", "neighbours", "annual", "n_pair"),
    [
        (98, 3, False, 288),
        (98, 3, True, 356),
        (5, 10, False, 10),
        (2, 1, True, 1),
        (40, 35, True, 770),
    ],
)
def test_the_number_of_pairs_is_that_of_next_neighbours_and_years(n_date, neighbours, annual, n_pair):
    pairs = Scene(n_date=n_date, neighbours=neighbours, annual=annual).pairs
    assert len(pairs) == len(set(pairs)) == n_pair
    assert all(i < j for i, j in pairs)


def test_pairs_carry_their_dates_in_order_of_reference_then_secondary():
    stack, _ = simulate_dataset(Scene(n_date=4, neighbours=2, shape=(2, 2)))
    assert stack["reference_date"].dt.strftime("%Y%m%d").values.tolist() == [
        *("20180106", "20180106", "20180118", "20180118", "20180130")
    ]
    assert stack["secondary_date"].dt.strftime("%Y%m%d").values.tolist() == [
        *("20180118", "20180130", "20180130", "20180211", "20180211")
    ]


def test_annual_pairs_are_about_one_year_apart():
    scene = Scene(n_date=40, neighbours=1, annual=True)
    spans = {int(scene.days[j] - scene.days[i]) for i, j in scene.pairs}
    assert spans == {12, 360}


def test_phase_without_noise_is_the_difference_of_two_dates_plus_an_offset_per_pair():
    scene = Scene(**SMALL, noise=0)
    stack, truth = simulate_dataset(scene)
    np.testing.assert_allclose(without_offset(scene, stack), expected_phase(scene, truth), rtol=0, atol=2e-5)


def test_motion_towards_the_satellite_is_positive_and_shortens_the_phase():
    scene = Scene(n_date=40, neighbours=39, shape=(60, 60), noise=0)
    stack, truth = simulate_dataset(scene)
    last = truth.isel(date=-1)
    bowl, volcano = {"y": 20, "x": 18}, {"y": 18, "x": 44}
    assert float(last.isel(bowl)) < -0.08
    assert float(last.isel(volcano)) > 0.04
    phase = without_offset(scene, stack).isel(pair=scene.pairs.index((0, 39)))
    np.testing.assert_allclose(-WAVELENGTH / (4 * np.pi) * phase, last, atol=1e-6)


def test_the_truth_is_zero_at_the_first_date_and_at_the_reference_point():
    scene = Scene(**SMALL)
    _, truth = simulate_dataset(scene)
    assert not truth.isel(date=0).any()
    assert not at_reference(scene, truth).any()
    assert float(truth.isel(date=1).std()) > 1e-3


@pytest.mark.parametrize("missing", [0.0, 0.9])
def test_the_reference_point_has_a_phase_other_than_zero_in_every_pair(missing):
    scene = Scene(**SMALL, missing=missing)
    stack, _ = simulate_dataset(scene)
    phase = at_reference(scene, stack["unwrapped_phase"])
    assert (abs(phase) >= 0.5).all()
    assert len(np.unique(phase)) == len(scene.pairs)


def test_noise_has_the_standard_deviation_that_coherence_and_looks_imply():
    scene = Scene(n_date=12, neighbours=6, shape=(60, 60))
    quiet, _ = simulate_dataset(Scene(n_date=12, neighbours=6, shape=(60, 60), noise=0))
    noisy, _ = simulate_dataset(scene)
    g = quiet["coherence"].values.astype("f8")
    sigma = np.sqrt((1 - g**2) / (2 * noisy.attrs["looks"] * g**2))
    error = (noisy["unwrapped_phase"] - quiet["unwrapped_phase"]).values / sigma
    assert sigma.max() > 2.5 * sigma.min()
    for part in (sigma < np.median(sigma), sigma >= np.median(sigma)):
        assert error[part].mean() == pytest.approx(0, abs=0.02)
        assert error[part].std() == pytest.approx(1, abs=0.01)
    lag_one = np.corrcoef(error[0].ravel(), error[1].ravel())[0, 1]
    assert lag_one == pytest.approx(0, abs=0.05)


def test_coherence_decays_with_time_to_a_floor_and_stays_in_bounds():
    scene = Scene(n_date=60, neighbours=59, shape=(12, 12), noise=0)
    stack, _ = simulate_dataset(scene)
    from_first = [scene.pairs.index((0, j)) for j in range(1, 60)]
    mean = stack["coherence"].isel(pair=from_first).mean(("y", "x")).values
    assert (np.diff(mean) < 0).all()
    assert mean[0] > 0.5
    assert stack["coherence"].min() > 0.1
    noisy, _ = simulate_dataset(Scene(n_date=60, neighbours=59, shape=(12, 12)))
    assert noisy["coherence"].min() >= np.float32(0.01)
    assert noisy["coherence"].max() <= np.float32(0.999)


def test_the_missing_fraction_is_missing_and_the_rest_is_as_without_gaps():
    full, truth = simulate_dataset(Scene(**SMALL))
    gappy, same_truth = simulate_dataset(Scene(**SMALL, missing=0.2))
    gap = np.isnan(gappy["unwrapped_phase"])
    assert float(gap.mean()) == pytest.approx(0.2, abs=0.01)
    xr.testing.assert_identical(
        gappy["unwrapped_phase"], full["unwrapped_phase"].where(~gap, np.float32("nan"))
    )
    xr.testing.assert_identical(gappy["coherence"], full["coherence"])
    xr.testing.assert_identical(same_truth, truth)


def test_perpendicular_baselines_close_around_every_triangle():
    scene = Scene(n_date=10, neighbours=2, shape=(2, 2))
    baseline = simulate_dataset(scene)[0]["perpendicular_baseline"].values
    found = dict(zip(scene.pairs, baseline, strict=True))
    assert np.ptp(baseline) > 10
    for i in range(8):
        closure = found[i, i + 1] + found[i + 1, i + 2] - found[i, i + 2]
        assert closure == pytest.approx(0, abs=1e-3)


def test_the_asked_share_of_pairs_is_a_whole_turn_off_in_a_disc_and_the_rest_is_as_without():
    right, truth = simulate_dataset(Scene(**SMALL))
    wrong, same_truth = simulate_dataset(Scene(**SMALL, unwrapping_errors=0.4))
    turns = (wrong["unwrapped_phase"] - right["unwrapped_phase"]).values / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)
    assert set(np.unique(np.round(turns))) == {-1, 0, 1}
    is_wrong = np.abs(turns).max(axis=(1, 2)) > 0.5
    assert is_wrong.sum() == round(0.4 * len(is_wrong))
    share = (np.abs(turns[is_wrong]) > 0.5).mean(axis=(1, 2))
    assert (share > 0).all()
    assert (share < 0.3).all()  # a disc of at most 0.3 of the shorter side
    xr.testing.assert_identical(wrong["coherence"], right["coherence"])
    xr.testing.assert_identical(same_truth, truth)


def test_with_all_pairs_wrong_the_reference_point_is_right_and_another_seed_errs_elsewhere():
    faults = [Scene(**SMALL, unwrapping_errors=1, seed=seed) for seed in range(6)]
    stacks = [simulate_dataset(scene)[0]["unwrapped_phase"] for scene in faults]
    rights = [simulate_dataset(Scene(**SMALL, seed=seed))[0]["unwrapped_phase"] for seed in range(6)]
    for scene, wrong, right in zip(faults, stacks, rights, strict=True):
        np.testing.assert_array_equal(at_reference(scene, wrong), at_reference(scene, right))
    first, second = (
        abs(wrong - right).values > 1 for wrong, right in zip(stacks[:2], rights[:2], strict=True)
    )
    assert (first != second).any()


def test_faults_do_not_depend_on_the_tiles_to_the_last_digit(monkeypatch):
    faulty = Scene(**SMALL, unwrapping_errors=0.5, dem_error_std=30, noise=0)
    whole, _ = simulate_dataset(faulty)
    cut_into(monkeypatch, 16, 24)
    tiled, _ = simulate_dataset(faulty)
    np.testing.assert_array_equal(tiled["unwrapped_phase"], whole["unwrapped_phase"])


def test_an_error_of_the_dem_adds_a_phase_in_proportion_to_the_baseline_and_nothing_to_the_truth():
    plain, truth = simulate_dataset(Scene(**SMALL, noise=0))
    scene = Scene(**SMALL, noise=0, dem_error_std=20)
    stack, same_truth = simulate_dataset(scene)
    height = true_dem_error(scene)
    added = stack["unwrapped_phase"] - plain["unwrapped_phase"]
    baseline = stack["perpendicular_baseline"]
    expected = RADIANS_PER_METRE * baseline / geometry_from_attributes(stack.attrs) * height
    np.testing.assert_allclose(added, expected, atol=2e-5)
    assert float(abs(added).max()) > 0.5
    xr.testing.assert_identical(same_truth, truth)


def test_the_error_of_the_dem_is_smooth_and_zero_at_the_reference_point():
    scene = Scene(shape=(200, 200), dem_error_std=20)
    height = true_dem_error(scene)
    assert float(at_reference(scene, height)) == 0
    assert float(height.std()) == pytest.approx(20, rel=0.1)
    assert float(abs(height.diff("x")).mean()) < 2
    assert not true_dem_error(Scene(shape=(20, 20))).any()


def test_the_range_of_the_columns_is_that_of_the_angle():
    attrs = simulate_dataset(Scene(**SMALL))[0].attrs
    by_angle = geometry_from_attributes(attrs)
    by_columns = geometry_from_attributes({k: v for k, v in attrs.items() if k != "CENTER_INCIDENCE_ANGLE"})
    assert by_angle == pytest.approx(by_columns, rel=1e-9)
    assert 5e5 < by_angle < 6e5


def test_metadata_agree_with_each_other():
    scene = Scene(n_date=3, shape=(20, 30))
    stack, _ = simulate_dataset(scene)
    attrs = stack.attrs
    row, column = attrs["reference_point"]
    assert (attrs["REF_Y"], attrs["REF_X"]) == (str(row), str(column))
    assert (attrs["LENGTH"], attrs["WIDTH"]) == ("20", "30")
    assert float(attrs["WAVELENGTH"]) == attrs["wavelength"] == WAVELENGTH
    assert round(float(attrs["NCORRLOOKS"])) == attrs["looks"]
    assert round(float(attrs["ALOOKS"]) * float(attrs["RLOOKS"]) / 1.94) == attrs["looks"]
    assert stack["y"].values[row] == attrs["reference_point_y"]
    assert stack["x"].values[column] == attrs["reference_point_x"]
    first, step = float(attrs["Y_FIRST"]), float(attrs["Y_STEP"])
    np.testing.assert_allclose(stack["y"], first + step * (np.arange(20) + 0.5))
    assert stack["spatial_ref"].attrs["crs_wkt"].startswith("GEOGCRS")
    assert all(isinstance(value, str) for name, value in attrs.items() if name.isupper())


@pytest.mark.parametrize(
    "options", [{}, {"missing": 0.3}, {"unwrapping_errors": 0.3}, {"dem_error_std": 20.0}]
)
def test_the_streamed_stack_is_the_one_made_in_memory(tmp_path, monkeypatch, options):
    cut_into(monkeypatch, 32, 32)
    scene = Scene(**SMALL, **options)
    calls = []
    truth = simulate_stack(
        scene, tmp_path / "stack.zarr", progress=lambda done, total: calls.append((done, total))
    )
    stack_in_memory, truth_in_memory = simulate_dataset(scene)
    assert truth == truth_path(tmp_path / "stack.zarr") == tmp_path / "stack_truth.zarr"
    with xr.open_zarr(tmp_path / "stack.zarr") as stack, xr.open_zarr(truth) as stored_truth:
        xr.testing.assert_identical(stack.load(), stack_in_memory)
        xr.testing.assert_equal(stored_truth["displacement"].load(), truth_in_memory)
        assert ("dem_error" in stored_truth) == ("dem_error_std" in options)
        if "dem_error" in stored_truth:
            xr.testing.assert_identical(stored_truth["dem_error"].load().rename(None), true_dem_error(scene))
        assert stack["coherence"].encoding["chunks"] == (len(scene.pairs), 32, 32)
    pixels = 40 * 70
    assert calls[-1] == (pixels, pixels)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack.zarr", "stack_truth.zarr"]


def test_only_one_tile_at_a_time_is_in_memory(tmp_path, monkeypatch):
    import tracemalloc

    cut_into(monkeypatch, 64, 64)
    scene = Scene(n_date=20, shape=(640, 320))
    whole = 4 * (2 * len(scene.pairs) + scene.n_date) * 640 * 320
    tracemalloc.start()
    simulate_stack(scene, tmp_path / "stack.zarr")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < whole / 5


@pytest.mark.parametrize("n_pair", [1, 50, 288, 356, 3000])
def test_tiles_hold_about_sixteen_mebibytes_of_phase(n_pair):
    scene = Scene(n_date=n_pair + 1, neighbours=1, shape=(5000, 5000))
    size = 4 * n_pair * scene.tile[0] * scene.tile[1]
    assert 10e6 < size < 30e6


@pytest.mark.parametrize("taken", ["stack.zarr", "stack_truth.zarr"])
def test_an_existing_store_is_refused_unless_it_is_to_be_overwritten(tmp_path, taken):
    scene = Scene(n_date=3, shape=(4, 4))
    output = tmp_path / "stack.zarr"
    simulate_stack(scene, output)
    other = output if taken == "stack_truth.zarr" else truth_path(output)
    other.rename(tmp_path / "elsewhere")
    with pytest.raises(OutputExistsError, match=rf"{taken} exists"):
        simulate_stack(scene, output)
    simulate_stack(Scene(n_date=3, shape=(5, 4)), output, overwrite=True)
    assert xr.open_zarr(output).sizes["y"] == 5
    assert xr.open_zarr(truth_path(output)).sizes["y"] == 5


def test_a_folder_that_is_no_store_is_never_overwritten(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    with pytest.raises(OutputExistsError, match="not a Zarr store"):
        simulate_stack(Scene(n_date=3, shape=(4, 4)), tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"


def test_an_interrupted_simulation_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    output = tmp_path / "stack.zarr"
    simulate_stack(Scene(n_date=3, shape=(4, 4)), output)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_stack(Scene(n_date=3, shape=(5, 5)), output, overwrite=True, progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack.zarr", "stack_truth.zarr"]
    assert xr.open_zarr(output).sizes["y"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_date": 1}, "found dates = 1; a scene needs at least 2"),
        ({"neighbours": 0}, "found neighbours = 0; a scene needs at least 1"),
        ({"seed": -1}, "found seed = -1"),
        ({"shape": (1, 9)}, "found shape 1 x 9"),
        ({"missing": 1.0}, "found missing = 1"),
        ({"missing": -0.1}, "found missing = -0.1"),
        ({"missing": float("nan")}, "found missing = nan"),
        ({"noise": -1.0}, "found noise = -1"),
        ({"unwrapping_errors": 1.1}, "found unwrapping errors = 1.1"),
        ({"unwrapping_errors": -0.1}, "found unwrapping errors = -0.1"),
        ({"dem_error_std": -1.0}, "found dem_error_std = -1"),
        ({"dem_error_std": float("inf")}, "found dem_error_std = inf"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_with_what_was_found_and_needed(options, message):
    with pytest.raises(OptionError, match=message):
        Scene(**options)


def test_a_volcano_is_seen_from_the_west_by_an_ascending_satellite_that_looks_right():
    scene = Scene(n_date=10, shape=(200, 200))
    *_, volcano = physics._grounds(scene, slice(0, 200), slice(0, 200))
    row, column = np.unravel_index(np.argmax(volcano), volcano.shape)
    assert volcano[60, 148] == pytest.approx(0.09 * np.cos(np.radians(39)))
    assert column < 148
    assert abs(row - 60) <= 2
    assert volcano[60, 120] > volcano[60, 176]


def test_splines_pass_through_their_nodes_and_keep_straight_lines():
    line = np.arange(9, dtype="f4")[:, None] + 10 * np.arange(9, dtype="f4")
    pixels = slice(0, 25)
    fine = grid.interpolate(line, 5, pixels, pixels)
    inside = np.arange(25) / 5 + 1
    np.testing.assert_allclose(fine, inside[:, None] + 10 * inside, rtol=1e-5)


def test_the_command_passes_what_is_to_be_wrong_on_to_the_scene(tmp_path, monkeypatch):
    scenes = []

    def note(scene, output, **_):
        scenes.append(scene)
        return truth_path(output)

    monkeypatch.setattr(simulate, "simulate_stack", note)
    monkeypatch.setattr(application, "start_logging", lambda *_, **__: None)
    args = ["--dates", "5", "--unwrapping-errors", "0.25", "--dem-error-std", "12.5"]
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "stack.zarr"), *args])
    assert done.exit_code == 0, done.output
    assert scenes == [Scene(n_date=5, unwrapping_errors=0.25, dem_error_std=12.5)]
