"""The DEM error where the answer is known: from the physics, from simpler estimates, from no data at all."""

from math import pi

import numpy as np
import pytest
import torch

from fringefleet.errors import InputError, OptionError
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver.config import Method
from fringefleet.solver.dem_error import estimate_dem_error, remove_dem_error
from fringefleet.solver.disconnected import connect_components
from fringefleet.solver.temporal_model import TemporalModel, temporal_columns
from solving import ELIMINATION_64, solve_arrays
from strategies import dated

N_DATE = 20
WAVELENGTH = 0.0555  # [m]
RANGE_TIMES_SINE = 850e3 * np.sin(np.radians(38))  # [m]
MODEL = TemporalModel()


def network_of(*gaps, n_date=N_DATE):
    pairs = [(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date]
    return dated(np.array(pairs), np.random.default_rng(0))


NETWORK = network_of(1, 2, 3, 9)
BASELINE = np.random.default_rng(1).normal(0, 60, N_DATE)  # [m]
COLUMNS = torch.from_numpy(temporal_columns(NETWORK, BASELINE, WAVELENGTH, MODEL))


def double(values, device):
    return torch.tensor(np.array(values), dtype=torch.float64, device=device)


def pair_phase(series, network=NETWORK):
    return series[network.pair_array[:, 1]] - series[network.pair_array[:, 0]]


def weights(n_pixel=4, decades=2.0, network=NETWORK):
    exponent = np.random.default_rng(2).uniform(-decades / 2, decades / 2, (network.n_pair, n_pixel))
    return 10**exponent


def estimate(phase, weight, device, *, columns=COLUMNS, network=NETWORK, std=1.0, **options):
    """Solve for the series of the pairs' phases, then for the DEM error; all in the network's order."""
    plan = plan_elimination(network)
    series = solve_arrays(ELIMINATION_64, network, phase, weight, device).phase
    rows = double(weight[list(plan.pair_order)], device)
    return series, estimate_dem_error(plan, series, rows, columns, atmosphere_std=std, **options)


def noise(shape, std=1.0, seed=3):
    return np.random.default_rng(seed).normal(0, std, shape)


def polynomial(coefficients):
    years = NETWORK.years
    return sum(c * years[:, None] ** (power + 1) for power, c in enumerate(coefficients))


def test_the_displacement_of_a_dem_error_is_baseline_over_range_and_sine_as_in_mintpy(device):
    height = np.array([-30.0, 0.0, 12.5, 80.0])  # [m]
    displacement = BASELINE[:, None] / RANGE_TIMES_SINE * height  # [m], towards the satellite
    phase = -4 * pi / WAVELENGTH * displacement
    _, found = estimate(pair_phase(phase), weights(), device)
    np.testing.assert_allclose(found.error.cpu() * RANGE_TIMES_SINE, height, atol=1e-8)


def test_the_motion_is_kept_and_the_dem_error_removed(device):
    motion = polynomial(noise((2, 4), 5))
    phase = motion - 4 * pi / WAVELENGTH * BASELINE[:, None] * np.array([1e-5, -4e-5, 0, 1e-4])
    series, found = estimate(pair_phase(phase), weights(), device)
    cleaned = remove_dem_error(series, COLUMNS[:, -1], found.error, root=0)
    np.testing.assert_allclose(cleaned.cpu(), motion, atol=1e-9)


def test_the_series_is_not_smoothed_towards_the_model(device):
    phase = noise((N_DATE, 4), 3)
    series, found = estimate(pair_phase(phase), weights(), device)
    cleaned = remove_dem_error(series, COLUMNS[:, -1], found.error, root=0)
    error = found.error.cpu().numpy()
    expected = phase - phase[0] + 4 * pi / WAVELENGTH * (BASELINE - BASELINE[0])[:, None] * error
    np.testing.assert_allclose(cleaned.cpu(), expected, atol=1e-9)


@pytest.mark.parametrize("root", [0, 7])
def test_the_root_stays_where_it_is(root, device):
    series = double(noise((N_DATE, 3)), device)
    cleaned = remove_dem_error(series, COLUMNS[:, -1], double([1e-4, -1e-4, np.nan], device), root)
    torch.testing.assert_close(cleaned[root], series[root], rtol=0, atol=0)
    torch.testing.assert_close(cleaned[:, 2], series[:, 2], rtol=0, atol=0)
    assert (cleaned[:, :2] != series[:, :2]).sum() == 2 * (N_DATE - 1)


def test_with_much_atmosphere_it_is_ordinary_least_squares_on_the_series_whatever_the_weights(device):
    weight = weights(decades=6)
    series, found = estimate(noise(weight.shape), weight, device, std=1e7)
    design = np.column_stack([np.ones(N_DATE), COLUMNS])
    expected = np.linalg.lstsq(design / np.linalg.norm(design, axis=0), series.cpu().numpy(), rcond=None)[0]
    expected = expected[-1] / np.linalg.norm(design[:, -1])
    np.testing.assert_allclose(found.error.cpu(), expected, rtol=1e-8)


def test_without_atmosphere_it_is_weighted_least_squares_on_the_pairs(device):
    weight = weights()
    phase = noise(weight.shape)
    _, found = estimate(phase, weight, device, std=1e-3)
    design = pair_phase(COLUMNS.numpy())
    length = np.linalg.norm(design, axis=0)
    for pixel in range(weight.shape[1]):
        root = np.sqrt(weight[:, pixel])
        matrix = root[:, None] * design / length
        expected = np.linalg.lstsq(matrix, root * phase[:, pixel], rcond=None)[0][-1] / length[-1]
        variance = np.linalg.inv(matrix.T @ matrix)[-1, -1] / length[-1] ** 2
        np.testing.assert_allclose(found.error[pixel].cpu(), expected, rtol=1e-3)
        np.testing.assert_allclose(found.std[pixel].cpu(), np.sqrt(variance), rtol=1e-3)


def test_the_standard_deviation_is_the_scatter_of_the_estimates(device):
    n_pixel, atmosphere_std = 4000, 0.5
    weight = np.repeat(weights(1), n_pixel, axis=1)
    rng = np.random.default_rng(4)
    atmosphere = rng.normal(0, atmosphere_std, (N_DATE, n_pixel))
    phase = pair_phase(atmosphere) + rng.normal(0, 1, weight.shape) / np.sqrt(weight)
    _, found = estimate(phase, weight, device, std=atmosphere_std)
    assert found.std[0].item() == pytest.approx(found.error.std().item(), rel=0.04)


def test_the_parts_of_a_cut_network_may_be_at_any_level(device):
    network = network_of(1, 2)
    i, j = network.pair_array.T
    weight = weights(network=network)
    weight[(i < 8) & (j >= 8)] = 0
    columns = torch.from_numpy(temporal_columns(network, BASELINE, WAVELENGTH, MODEL))
    series, found = estimate(noise(weight.shape), weight, device, columns=columns, network=network)
    series[8:] += 1000
    plan = plan_elimination(network)
    rows = double(weight[list(plan.pair_order)], device)
    again = estimate_dem_error(plan, series, rows, columns, atmosphere_std=1.0)
    torch.testing.assert_close(list(again), list(found), rtol=1e-10, atol=1e-14)


def test_a_cut_network_is_as_without_dem_error_when_it_is_tied_together_after_the_removal(device):
    network = network_of(1, 2)
    i, j = network.pair_array.T
    weight = weights(network=network)
    weight[(i < 8) & (j >= 8)] = 0
    columns = torch.from_numpy(temporal_columns(network, BASELINE, WAVELENGTH, MODEL))
    motion = polynomial([3, 0]) * np.ones(weight.shape[1])
    height = columns[:, -1:].numpy() * 5e-5
    without, _ = estimate(pair_phase(motion, network), weight, device, columns=columns, network=network)
    phase = pair_phase(motion + height, network)
    series, found = estimate(phase, weight, device, columns=columns, network=network)
    cleaned = remove_dem_error(series, columns[:, -1], found.error, root=0)
    assert (cleaned - without).abs().max() > 0.1
    labels = torch.tensor([[0]] * 8 + [[1]] * 12, device=device).expand_as(cleaned)
    tied = connect_components(plan_elimination(network), cleaned, labels, Method())
    torch.testing.assert_close(tied, without, rtol=0, atol=1e-9)


@pytest.mark.parametrize("decades", [2, 10])
def test_a_pixel_with_too_few_tied_dates_has_no_estimate_and_its_neighbours_have(decades, device):
    weight = weights(5, decades)
    i, j = NETWORK.pair_array.T
    weight[:, 0] = 0
    for pixel, n_tied in ((1, 2), (2, 3), (3, 4)):
        weight[np.maximum(i, j) >= n_tied, pixel] = 0
    _, found = estimate(noise(weight.shape), weight, device)
    for values in found:
        assert values.isnan().tolist() == [True, True, True, False, False]


def test_baselines_that_are_the_same_at_the_tied_dates_give_no_estimate(device):
    baseline = BASELINE.copy()
    baseline[:10] = 20
    columns = torch.from_numpy(temporal_columns(NETWORK, baseline, WAVELENGTH, MODEL))
    weight = weights(2)
    weight[(NETWORK.pair_array >= 10).any(1), 0] = 0
    _, found = estimate(noise(weight.shape), weight, device, columns=columns)
    assert found.error.isnan().tolist() == [True, False]


def test_float32_is_enough_for_the_series_and_the_weights(device):
    weight = weights()
    series, exact = estimate(noise(weight.shape, 10), weight, device)
    plan = plan_elimination(NETWORK)
    rows = double(weight[list(plan.pair_order)], device)
    found = estimate_dem_error(plan, series.float(), rows.float(), COLUMNS, atmosphere_std=1.0)
    assert found.error.dtype == found.std.dtype == torch.float32
    assert ((found.error - exact.error).abs() < 1e-5 * exact.std).all()
    torch.testing.assert_close(found.std, exact.std.float(), rtol=1e-5, atol=0)


def test_pixels_do_not_know_of_one_another_and_the_input_is_left_alone(device):
    weight = weights(7)
    series, whole = estimate(noise(weight.shape), weight, device)
    plan = plan_elimination(NETWORK)
    rows = double(weight[list(plan.pair_order)], device)
    given = series.clone(), rows.clone(), COLUMNS.clone()
    cut = estimate_dem_error(plan, series, rows, COLUMNS, atmosphere_std=1.0, pixels_at_once=3)
    torch.testing.assert_close(list(cut), list(whole), rtol=1e-12, atol=0)
    torch.testing.assert_close(given, (series, rows, COLUMNS), rtol=0, atol=0)


def test_the_date_that_baselines_are_relative_to_makes_no_difference():
    moved = torch.from_numpy(temporal_columns(NETWORK, BASELINE + 1000, WAVELENGTH, MODEL))
    torch.testing.assert_close(moved, COLUMNS, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "baseline",
    [np.full(N_DATE, 30, "f4"), (5 + 40 * NETWORK.years - 9 * NETWORK.years**2).astype("f4")],
    ids=["constant", "parabola"],
)
def test_baselines_that_follow_the_polynomial_are_refused(baseline):
    with pytest.raises(
        InputError, match=r"found 20 dates .* from .* m, .* polynomial of order 2 .*lower order"
    ):
        temporal_columns(NETWORK, baseline, WAVELENGTH, MODEL)


def test_as_many_dates_as_unknowns_are_enough_and_fewer_are_refused():
    baseline = np.array([0, 50, -20, 70], "f4")
    network = network_of(1, n_date=4)
    assert temporal_columns(network, baseline, WAVELENGTH, MODEL).shape == (4, 3)
    with pytest.raises(InputError, match=r"found 4 dates .* at least 5 dates are needed"):
        temporal_columns(network, baseline, WAVELENGTH, TemporalModel(3))


@pytest.mark.parametrize("order", [0, -1])
def test_a_polynomial_of_order_zero_is_refused(order):
    with pytest.raises(OptionError, match=f"is {order}; 1 or more is needed"):
        TemporalModel(order)


@pytest.mark.parametrize("std", [0.0, -1.0, np.inf, np.nan])
def test_an_atmosphere_without_a_positive_standard_deviation_is_refused(std):
    with pytest.raises(OptionError, match=f"is {std} rad; a positive number is needed"):
        TemporalModel(atmosphere_std=std)
