"""The guarantee of the float32 solver, on a few pixels; ``benchmarks/accuracy.py`` measures it in full."""

import numpy as np
import pytest

from fringefleet.network.network import Network
from fringefleet.solver.config import Method
from named_networks import by_gap
from precision import series_by_mintpy_lstsq, series_in_long_double, walk_observations
from reference_series import series_by_decimals
from solving import ELIMINATION_32, ELIMINATION_64, series_of, solve_arrays
from strategies import Case

N_PIXEL = 6


def network_of(n_date):
    """Dates 12 days apart, each paired with the next three."""
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    pairs = np.array(by_gap(n_date, 1, 2, 3))
    return Network.from_dates(days[pairs[:, 0]], days[pairs[:, 1]])


def error_of(series, exact):
    """Largest error of any date and pixel [rad]."""
    return np.abs(series - exact).max()


@pytest.mark.parametrize("spread", [1e2, 1e6, 1e10])
def test_float32_is_exact_to_a_hundred_thousandth_of_a_radian(spread, device):
    network = network_of(98)
    observed = walk_observations(network, N_PIXEL, spread)
    exact = series_in_long_double(network, *observed)
    found = series_of(solve_arrays(ELIMINATION_32, network, *observed, device))
    assert error_of(found, exact) < 1e-5
    for min_norm_velocity in (True, False):
        theirs = series_by_mintpy_lstsq(network, *observed, min_norm_velocity=min_norm_velocity)
        assert error_of(found, exact) < 0.2 * error_of(theirs, exact) < 1


def test_a_factor_that_pixels_share_is_refined_as_any_other(device):
    network = network_of(98)
    observed = walk_observations(network, N_PIXEL, 1.0)
    exact = series_in_long_double(network, *observed)
    unweighted = Method(unweighted=True)
    found = series_of(solve_arrays(ELIMINATION_32, network, *observed, device, method=unweighted))
    assert error_of(found, exact) < 3e-6  # without, 1.2e-5


def test_a_thousand_dates_and_weights_over_ten_decades_are_no_exception(device):
    network = network_of(1000)
    observed = walk_observations(network, 2, 1e10)
    exact = series_in_long_double(network, *observed)
    assert error_of(series_of(solve_arrays(ELIMINATION_32, network, *observed, device)), exact) < 1e-5
    assert error_of(series_of(solve_arrays(ELIMINATION_64, network, *observed, device)), exact) < 1e-8


@pytest.mark.parametrize("spread", [1.0, 1e10])
def test_long_double_agrees_with_sixty_decimals(spread):
    network = network_of(30)
    phase, weight = walk_observations(network, 2, spread)
    case = Case(network, phase.astype("f8"), weight.astype("f8"), np.ones(phase.shape, bool))
    exact = series_by_decimals(case, "velocity")
    np.testing.assert_allclose(series_in_long_double(network, phase, weight), exact, rtol=0, atol=1e-13)
