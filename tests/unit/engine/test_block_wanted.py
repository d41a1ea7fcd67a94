"""What a block gives besides the series, against dense matrices, sums over pairs and the physics."""

import numpy as np
import pytest

from fringefleet.engine import footprint
from fringefleet.engine.batch_solver import BatchSolver
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.network.network import Network
from fringefleet.network.triplets import triplets
from fringefleet.observation.weight_tables import phase_variance_table
from fringefleet.options import Options
from fringefleet.products.registry import all_variables
from fringefleet.products.velocity import VELOCITY
from fringefleet.solver import subsets as pieces
from fringefleet.status import Status

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in (1, 4, 8, 15, 29))
NETWORK = Network(DATES, ((0, 1), (0, 2), (1, 2), (1, 3), (3, 2), (2, 4), (3, 4)))
REFERENCE = (0.25, -1.5, 0.0, 2.0, 0.5, -0.75, 1.0)
WAVELENGTH = 0.0555
METRES = WAVELENGTH / (4 * np.pi)
WANTED = {"std": True, "covariance": True, "diagnose": True}
WEIGHTS = {  # for 8 looks
    "var": lambda g: 1 / phase_variance_table(8)[((g - 0.0025) / 0.005).astype(int)],
    "fim": lambda g: 16 * g**2 / (1 - g**2),
    "coh": lambda g: g,
    "no": np.ones_like,
}


def scene_of(date=0, network=NETWORK):
    return InversionContext(network, date, REFERENCE, WAVELENGTH, 8)


def observations(n_pixel=6, seed=0, noise=0.4):
    """Phases that scatter about a series, as (pair, 1, pixel), and coherences."""
    rng = np.random.default_rng(seed)
    series = rng.normal(0, 3, (5, n_pixel))
    i, j = NETWORK.pair_array.T
    phase = series[j] - series[i] + rng.normal(0, noise, (7, n_pixel)) + np.array(REFERENCE)[:, None]
    return phase[:, None].astype(np.float32), rng.uniform(0.1, 0.95, (7, 1, n_pixel)).astype(np.float32)


def cut(phase):
    """Leave pixel 1 without the pairs between {0 1 2} and {3 4}, pixel 2 without a date, 3 without any."""
    for pixel, keep in {1: [0, 1, 2, 6], 2: [0, 1, 2], 3: []}.items():
        phase[np.setdiff1d(np.arange(7), keep), 0, pixel] = np.nan
    return phase


def residuals(phase, series):
    """What the displacement leaves of the phases of each pair [rad], (pair, pixel)."""
    x = series.displacement[:, 0].astype(float) / -METRES
    i, j = NETWORK.pair_array.T
    return (phase[:, 0] - np.array(REFERENCE, np.float32)[:, None]) - (x[j] - x[i])


def dense_covariance(weight, date):
    """inv(A^T W A) of a pixel in rad^2, with the row and column of the reference date; (date, date)."""
    design = np.zeros((7, 5))
    design[np.arange(7), NETWORK.pair_array[:, 0]] = -1
    design[np.arange(7), NETWORK.pair_array[:, 1]] = 1
    design = np.delete(design, date, axis=1)
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    return np.insert(np.insert(inverse, date, 0, axis=0), date, 0, axis=1)


# --- how uncertain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", ["var", "fim", "coh", "no"])
@pytest.mark.parametrize("date", [0, 3])
def test_covariances_are_those_of_the_normal_matrix_formal_or_scaled_by_the_residuals(function, date, dtype):
    phase, coherence = observations()
    options = Options(weight_func=function, dtype=dtype, **WANTED)
    series = invert_block(Block(phase, coherence), scene_of(date), options)
    rest = residuals(phase, series)
    weight = WEIGHTS[function](coherence[:, 0].astype(float))
    for pixel in range(6):
        w = weight[:, pixel]
        unit = 1 if function in ("var", "fim") else (w * rest[:, pixel] ** 2).sum() / (7 - 4)
        expected = dense_covariance(w, date) * unit * METRES**2
        scale = np.abs(expected).max()
        np.testing.assert_allclose(series.displacement_cov[:, :, 0, pixel], expected, atol=1e-5 * scale)
        std = series.displacement_std[:, 0, pixel]
        np.testing.assert_allclose(std, np.sqrt(np.diag(expected)), atol=1e-5 * np.sqrt(scale))
        assert std[date] == series.displacement_cov[date, date, 0, pixel] == 0


def test_the_robust_norm_huber_has_the_uncertainty_of_its_own_weights():
    phase, coherence = observations(noise=0.1)
    phase[2] += 7
    options = Options(weight_func="fim", norm="huber", dtype="float64", std=True, max_iterations=1000)
    series = invert_block(Block(phase, coherence), scene_of(), options)
    rest, weight = residuals(phase, series), WEIGHTS["fim"](coherence[:, 0].astype(float))
    u = np.sqrt(weight) * np.abs(rest)
    robust = weight * np.minimum(1, 1.345 / u)
    for pixel in range(6):
        w = robust[:, pixel]
        unit = (w * rest[:, pixel] ** 2).sum() / (7 - 4)
        expected = np.sqrt(np.diag(dense_covariance(w, 0)) * unit) * METRES
        np.testing.assert_allclose(series.displacement_std[:, 0, pixel], expected, rtol=1e-3)
    assert (series.status == Status.OK).all()
    assert np.isfinite(series.displacement_std).all()
    assert (series.displacement_std[1:] > 0).all()


@pytest.mark.parametrize("gap_rule", ["minimum-norm", "linear", "none"])
@pytest.mark.parametrize("function", ["var", "no"])
def test_dates_that_are_not_tied_to_the_reference_date_have_no_uncertainty(gap_rule, function):
    phase, coherence = observations()
    options = Options(weight_func=function, gap_rule=gap_rule, min_redundancy=0.0, **WANTED)
    series = invert_block(Block(cut(phase), coherence), scene_of(), options)
    known = np.isfinite(series.displacement_std[:, 0])
    # Three pairs of three dates and one of two: one is redundant; of the last pixel nothing is known at all.
    np.testing.assert_array_equal(known[:, 1], [True, True, True, False, False])
    np.testing.assert_array_equal(known[:, 2], [True, True, True, False, False])
    assert not known[:, 3].any()
    assert known[:, [0, 4, 5]].all()
    np.testing.assert_array_equal(
        np.isfinite(series.displacement_cov[:, :, 0]), known[:, None] & known[None, :]
    )


def test_without_redundancy_the_residuals_tell_no_uncertainty_but_at_the_reference_date():
    phase, _ = observations(2)
    phase[[1, 3, 4], 0, 0] = np.nan  # a chain of four pairs
    series = invert_block(Block(phase), scene_of(1), Options(weight_func="no", **WANTED))
    expected = [False, True, False, False, False]
    np.testing.assert_array_equal(np.isfinite(series.displacement_std[:, 0, 0]), expected)
    np.testing.assert_array_equal(np.isfinite(np.diagonal(series.displacement_cov[:, :, 0, 0])), expected)
    assert np.isfinite(series.displacement_std[:, 0, 1]).all()
    assert series.status[0, 0] == Status.OK


def test_a_covariance_is_the_same_in_pieces(monkeypatch):
    block = Block(*observations(11))
    whole = invert_block(block, scene_of(), Options(covariance=True)).displacement_cov
    monkeypatch.setattr(pieces, "BYTES_AT_ONCE", 3 * 16 * 25)  # three pixels
    np.testing.assert_array_equal(
        invert_block(block, scene_of(), Options(covariance=True)).displacement_cov, whole
    )


# --- which observations contradict one another ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_closures_are_those_of_the_triplets_of_valid_pairs(dtype):
    phase, coherence = observations(noise=1.5)
    phase[0, 0, 4] = np.nan
    options = Options(dtype=dtype, diagnose=True)
    series = invert_block(Block(cut(phase), coherence), scene_of(), options)
    i, j = NETWORK.pair_array.T
    turned = np.sign(j - i)[:, None] * (phase[:, 0].astype(float) - np.array(REFERENCE)[:, None])
    one, two, across = triplets(NETWORK).T
    closure = turned[one] + turned[two] - turned[across]
    count = np.isfinite(closure).sum(0)
    answer = series.status[0] < Status.NO_OBSERVATION
    np.testing.assert_array_equal(series.triplet_count[0], count * answer)
    np.testing.assert_array_equal(
        series.misclosed_count[0], (np.abs(np.nan_to_num(closure)) > np.pi).sum(0) * answer
    )
    assert series.misclosed_count.max() > 0
    with np.errstate(invalid="ignore"):
        rms = np.where(answer, np.sqrt(np.nansum(closure**2, 0) / count), np.nan)
    np.testing.assert_allclose(series.closure_rms[0], rms, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_over_pairs_count_just_the_observations_of_pixels_that_have_an_answer(dtype):
    phase, coherence = observations(12, noise=2.5)
    land = np.arange(12)[None] != 5
    block = Block(cut(phase), coherence, water_mask=land)
    series = invert_block(block, scene_of(), Options(dtype=dtype, diagnose=True))
    answer = np.isfinite(series.displacement[0, 0])
    assert answer.sum() == 12 - 3
    rest = np.where(np.isfinite(phase[:, 0]) & answer, residuals(phase, series), 0)
    n_pixel, square, cycles = series.pair_sums
    np.testing.assert_array_equal(n_pixel, (np.isfinite(phase[:, 0]) * answer).sum(1))
    np.testing.assert_allclose(square, (rest**2).sum(1), rtol=2e-4)
    np.testing.assert_array_equal(cycles, (np.abs(rest) > np.pi).sum(1))
    assert cycles.max() > 0


def test_everything_is_the_same_in_several_batches_with_an_overlapping_last_one(monkeypatch):
    phase, coherence = observations(45, noise=1)
    phase[np.random.default_rng(3).random(phase.shape) < 0.3] = np.nan
    phase, coherence = (values.reshape(7, 5, 9) for values in (phase, coherence))
    block = Block(phase, coherence, None, np.tri(5, 9, 5, dtype=bool), reference_point=(2, 3))
    options = Options(dtype="float64", **WANTED)
    whole = invert_block(block, scene_of(), options)
    assert whole.pair_sums.sum() > 0
    for batch in (44, 16, 7, 1):
        monkeypatch.setattr(footprint, "CPU_BATCH", batch)
        found = invert_block(block, scene_of(), options)
        np.testing.assert_allclose(found.pair_sums, whole.pair_sums, rtol=1e-9)
        for name, expected in whole.variables.items():
            np.testing.assert_allclose(
                getattr(found, name), expected, rtol=1e-5, atol=1e-9, err_msg=f"{name} in batches of {batch}"
            )


def test_no_pixel_is_summed_twice_where_memory_ran_out_half_way(monkeypatch):
    phase, coherence = observations(1000, noise=1)
    block, options = Block(phase, coherence), Options(dtype="float64", diagnose=True)
    whole = invert_block(block, scene_of(), options)
    monkeypatch.setattr(footprint, "CPU_BATCH", 600)
    invert, calls = BatchSolver.invert, []

    def run_out_once(self, raw, *, n_done=0):
        calls.append(self.n_pixel)
        if len(calls) == 2:
            raise MemoryError
        return invert(self, raw, n_done=n_done)

    monkeypatch.setattr(BatchSolver, "invert", run_out_once)
    found = invert_block(block, scene_of(), options)
    assert calls == [512, 512, 256, 256]
    np.testing.assert_array_equal(found.pair_sums[0], 1000)
    np.testing.assert_allclose(found.pair_sums, whole.pair_sums, rtol=1e-9)
    np.testing.assert_allclose(found.displacement, whole.displacement, atol=1e-9)


def test_the_reference_point_has_neither_motion_nor_doubt_nor_misclosure():
    phase, coherence = observations()
    phase[:, 0, 2] = np.array(REFERENCE)
    options = Options(**WANTED)
    series = invert_block(Block(phase, coherence, reference_point=(0, 2)), scene_of(), options)
    for name in ("displacement_std", "displacement_cov", "closure_rms", "misclosed_count"):
        assert (getattr(series, name)[..., 0, 2] == 0).all(), name
    assert series.triplet_count[0, 2] == len(triplets(NETWORK))
    assert (series.pair_sums[0] == 5).all()  # its phases are zero: no observations


def test_what_nobody_asked_for_is_not_there():
    series = invert_block(Block(*observations()), scene_of(), Options())
    assert all_variables().keys() - series.variables.keys() == {
        "displacement_std",
        "displacement_cov",
        "closure_rms",
        "misclosed_count",
        "triplet_count",
        "dem_error",
        "dem_error_std",
        *VELOCITY.variables,
    }
    assert series.pair_sums is None
    with pytest.raises(AttributeError, match="found no variable displacement_std"):
        _ = series.displacement_std


@pytest.mark.parametrize("norm", ["l2", "huber"])
def test_weights_over_many_decades_leave_float32_as_sure_as_float64(norm):
    """Some pixels are solved again in float64; what is wanted besides has to follow."""
    phase, coherence = observations(40, noise=0.3)
    coherence[::2] = 0.99995
    coherence[1::2] = 0.004
    options = {"weight_func": "fim", "norm": norm, **WANTED}
    single, double = (
        invert_block(Block(phase, coherence), scene_of(), Options(dtype=dtype, **options))
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(single.displacement, double.displacement, atol=2e-6)
    np.testing.assert_allclose(single.displacement_std, double.displacement_std, rtol=0.02, atol=1e-9)
    np.testing.assert_allclose(single.closure_rms, double.closure_rms, rtol=1e-3)
    np.testing.assert_allclose(single.pair_sums, double.pair_sums, rtol=0.01, atol=1e-3)


# --- cut networks and robust norms ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("gap_rule", "status"),
    [
        ("minimum-norm", Status.MINIMUM_NORM),
        ("linear", Status.LINEAR),
        ("none", Status.NOT_GAP_FILLED),
    ],
)
def test_cut_pixels_say_by_which_rule_they_were_gap_filled_and_where(gap_rule, status, dtype):
    phase, coherence = observations()
    options = Options(weight_func="coh", gap_rule=gap_rule, dtype=dtype)
    series = invert_block(Block(cut(phase), coherence), scene_of(3), options)
    expected = [Status.OK, status, Status.TOO_FEW_PAIRS, Status.NO_OBSERVATION, Status.OK, Status.OK]
    assert [Status(code) for code in series.status[0]] == expected
    gap = np.zeros((5, 6), np.uint8)
    gap[3, 1] = gap_rule != "none"  # the step to the fourth date
    np.testing.assert_array_equal(series.gap_filled[:, 0], gap)
    apart = [0, 1, 2] if gap_rule == "none" else []
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(series.displacement[:, 0, 1])), apart)
    inner = invert_block(Block(phase, coherence), scene_of(3), Options(weight_func="coh", dtype=dtype))
    steps = [series.displacement[4, 0, 1] - series.displacement[3, 0, 1] for series in (series, inner)]
    assert steps[0] == pytest.approx(steps[1], abs=1e-8)


def test_a_linear_bridge_puts_the_parts_on_one_line():
    rate = 0.3  # rad a day
    days = np.array([int(date[8:10]) for date in DATES])
    i, j = NETWORK.pair_array.T
    phase = np.repeat(rate * (days[j] - days[i])[:, None, None] + np.array(REFERENCE)[:, None, None], 6, 2)
    options = Options(weight_func="no", gap_rule="linear")
    series = invert_block(Block(cut(phase.astype(np.float32))), scene_of(), options)
    expected = -METRES * rate * (days - days[0])
    np.testing.assert_allclose(series.displacement[:, 0, 1], expected, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["l1", "huber"])
def test_rounds_that_come_to_their_limit_are_told_and_still_give_an_estimate(norm, dtype):
    phase, coherence = observations(noise=2)
    options = Options(norm=norm, max_iterations=1, dtype=dtype)
    stopped = invert_block(Block(cut(phase), coherence), scene_of(), options)
    assert [Status(code) for code in stopped.status[0, [0, 2, 3]]] == [
        Status.NOT_CONVERGED,
        Status.TOO_FEW_PAIRS,
        Status.NO_OBSERVATION,
    ]
    assert np.isfinite(stopped.displacement[:, 0, 0]).all()
    patient = invert_block(Block(phase, coherence), scene_of(), Options(norm=norm, dtype=dtype))
    assert Status.NOT_CONVERGED not in patient.status
    assert patient.status[0, 1] == Status.MINIMUM_NORM


@pytest.mark.parametrize("norm", ["l1", "huber"])
def test_a_robust_norm_finds_the_series_in_spite_of_a_pair_that_is_a_cycle_off(norm):
    phase, _ = observations(noise=0)
    clean = invert_block(Block(phase), scene_of(), Options(weight_func="no"))
    phase[2, 0, ::2] += 2 * np.pi
    robust, plain = (
        invert_block(Block(phase), scene_of(), Options(weight_func="no", norm=name)) for name in (norm, "l2")
    )
    error, plain_error = (np.abs(s.displacement - clean.displacement).max() for s in (robust, plain))
    assert error < {"l1": 0.01, "huber": 0.5}[norm] * plain_error


# --- the error of the DEM ---------------------------------------------------------------------------------

N_DATE = 14
BASELINE = np.random.default_rng(8).normal(0, 80, N_DATE).round(1)  # [m]
RANGE_SINE = 5.4e5  # [m]


def dem_scene(reference_date=0, range_sine=RANGE_SINE):
    days = np.datetime64("2018-01-06", "s") + 12 * np.arange(N_DATE).astype("timedelta64[D]")
    pairs = [(i, i + gap) for i in range(N_DATE) for gap in (1, 2, 3) if i + gap < N_DATE]
    i, j = np.array(pairs).T
    network = Network.from_dates(days[i], days[j])
    return InversionContext(
        network, reference_date, (0.0,) * len(pairs), WAVELENGTH, 8, tuple(BASELINE.tolist()), range_sine
    )


def dem_phases(scene, height, range_sine):
    """Phases of a ground that moves, seen over a DEM that lacks some height [m]; and the motion [m].

    A point that is higher than the DEM says looks displaced towards the satellite by Bperp / (R sin) * dz
    (Fattahi & Amelung 2013); the phase is -4 pi / lambda times the displacement.
    """
    years = scene.network.years - scene.network.years[0]
    pixel = np.arange(len(height))
    motion = -0.02 * years[:, None] * (1 + pixel) + 0.03 * years[:, None] ** 2
    seen = motion + BASELINE[:, None] / range_sine * height
    i, j = scene.network.pair_array.T
    phase = -4 * np.pi / WAVELENGTH * (seen[j] - seen[i])
    return phase[:, None].astype(np.float32), motion - motion[scene.reference_date]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["elimination", "dense"])
@pytest.mark.parametrize("date", [0, 5])
def test_a_dem_error_is_found_in_metres_and_taken_off(date, solver, dtype):
    scene, height = dem_scene(date), np.array([25.0, -12.0, 0.0, 3.5])
    phase, motion = dem_phases(scene, height, RANGE_SINE)
    options = Options(weight_func="no", dem_error=True, dtype=dtype, solver=solver)
    series = invert_block(Block(phase), scene, options)
    np.testing.assert_allclose(series.dem_error[0], height, atol=0.01)
    np.testing.assert_allclose(series.displacement[:, 0], motion, atol=2e-6)
    assert (series.dem_error_std > 0).all()
    plain = invert_block(Block(phase), scene, Options(weight_func="no", dtype=dtype))
    assert np.abs(plain.displacement[:, 0, 0] - motion[:, 0]).max() > 2e-3


def test_the_geometry_of_each_pixel_is_used_and_where_it_is_unknown_the_series_is_still_corrected():
    scene, height = dem_scene(range_sine=np.nan), np.array([25.0, 25.0, 25.0, -10.0])
    geometry = np.array([5.0e5, 5.5e5, 6.0e5, 5.8e5])
    phase, motion = dem_phases(scene, height, geometry)
    known = geometry.astype(np.float32)
    known[2] = np.nan
    block = Block(phase, range_sine=known[None])
    series = invert_block(block, scene, Options(weight_func="no", dem_error=True, std=True))
    np.testing.assert_allclose(series.dem_error[0], np.where(np.isnan(known), np.nan, height), atol=0.01)
    np.testing.assert_array_equal(np.isnan(series.dem_error_std[0]), np.isnan(known))
    np.testing.assert_allclose(series.displacement[:, 0], motion, atol=2e-6)
    assert (series.status == Status.OK).all()


def test_the_standard_deviation_of_a_dem_error_grows_with_the_atmosphere():
    scene, height = dem_scene(), np.zeros(3)
    phase, _ = dem_phases(scene, height + 5, RANGE_SINE)
    few, many = (
        invert_block(Block(phase), scene, Options(weight_func="no", dem_error=True, atmosphere_std=std))
        for std in (0.5, 5.0)
    )
    np.testing.assert_array_less(few.dem_error_std, many.dem_error_std)


def test_a_dem_error_that_is_not_told_by_the_pairs_of_a_pixel_is_nan_and_the_series_stays():
    scene = dem_scene()
    phase, _ = dem_phases(scene, np.full(2, 8.0), RANGE_SINE)
    phase[2:, 0, 1] = np.nan  # three dates for three columns
    options = Options(weight_func="no", min_redundancy=0.0)
    series = invert_block(Block(phase), scene, Options(weight_func="no", min_redundancy=0.0, dem_error=True))
    plain = invert_block(Block(phase), scene, options)
    np.testing.assert_array_equal(np.isnan(series.dem_error), [[False, True]])
    np.testing.assert_allclose(series.displacement[:, 0, 1], plain.displacement[:, 0, 1], atol=1e-9)


def test_the_reference_point_has_the_dem_error_zero():
    scene = dem_scene()
    phase, _ = dem_phases(scene, np.full(3, 8.0), RANGE_SINE)
    phase[:, 0, 1] = 0
    series = invert_block(
        Block(phase, reference_point=(0, 1)), scene, Options(weight_func="no", dem_error=True)
    )
    assert (series.dem_error[0, 1], series.dem_error_std[0, 1]) == (0, 0)
    assert series.dem_error[0, 0] == pytest.approx(8, abs=0.01)


def test_the_threshold_of_huber_reaches_the_solver():
    phase, coherence = observations(noise=0.1)
    phase[2] += 7
    found = {
        threshold: invert_block(
            Block(phase, coherence), scene_of(), Options(norm="huber", huber_threshold=threshold)
        ).displacement
        for threshold in (1e-2, 1e6)
    }
    plain = invert_block(Block(phase, coherence), scene_of(), Options()).displacement
    np.testing.assert_allclose(found[1e6], plain, atol=1e-7)
    assert np.abs(found[1e-2] - plain).max() > 1e-3
