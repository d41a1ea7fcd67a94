"""Fits of functions of time on any dates, and intervals that hold what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import elimination, uncertainty
from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_errors import covariance_propagated
from fringefleet.solver.time_factor import propagate_factor
from fringefleet.solver.time_fit import SeriesFit
from fringefleet.solver.time_functions import TimeFunctions
from long_cases import mostly_long
from strategies import SEEDS, cases

numerics = settings(max_examples=40)
LEVEL, NEAR = 0.68, 0.01
N_PIXEL = 100_000
FIRST = np.datetime64("2016-03-05T00:00:00")


def dates_of(days):
    return tuple(str(FIRST + np.timedelta64(int(day), "D")) for day in days)


FITS = st.fixed_dictionaries(
    {
        "n_date": st.integers(12, 60),
        "polynomial": st.integers(1, 3),
        "periodic": st.sampled_from([(), (1.0,), (1.0, 0.5)]),
        "has_step": st.booleans(),
        "decays": st.booleans(),
        "missing": st.sampled_from([0.0, 0.1, 0.6]),
        "left_out": st.sampled_from([0.0, 0.2]),
    }
)


def make(seed, n_date, polynomial, periodic, has_step, decays, missing, left_out):
    """A model at irregular dates, series of a few pixels, and dates that are left out."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.choice(2000, n_date, replace=False))
    onset = str(FIRST + np.timedelta64(int(days[n_date // 2]), "D"))
    step, logarithmic = (onset,) * has_step, (f"{onset},90",) * decays
    functions = TimeFunctions(polynomial, periodic, step=step, logarithmic=logarithmic)
    model = TimeModel(functions, dates_of(days), tuple(range(n_date)))
    series = rng.normal(0, 0.1, (n_date, 7)) * rng.uniform(0, 10)
    series[rng.random(series.shape) < missing] = np.nan
    return model, series, (rng.random(series.shape) < left_out).astype(np.uint8)


@given(SEEDS, FITS)
@numerics
def test_every_fit_is_the_least_squares_solution_by_singular_values(seed, case):
    model, series, left_out = make(seed, **case)
    found = SeriesFit(model).fit(series, left_out)
    for pixel in range(series.shape[1]):
        valid = np.isfinite(series[:, pixel]) & (left_out[:, pixel] == 0)
        matrix = model.matrix[valid]
        assert found["date_count"][pixel] == valid.sum()
        scaled = matrix / np.where((length := np.linalg.norm(matrix, axis=0)) > 0, length, 1)
        singular = np.linalg.svd(scaled, compute_uv=False) if len(scaled) else np.zeros(1)
        if valid.sum() < model.n_parameter or singular[-1] < 1e-12:
            assert np.isnan(found["velocity"][pixel])
        elif singular[-1] > 1e-7:  # between the two it may be either
            expected = np.linalg.lstsq(matrix, series[valid, pixel], rcond=None)[0]
            size = 1e-14 / singular[-1] * np.abs(series[valid, pixel]).max() / length[1]
            np.testing.assert_allclose(found["velocity"][pixel], expected[1], rtol=1e-9, atol=1e3 * size)


@given(cases(n_pixel=4), SEEDS)
@numerics
def test_the_factor_gives_what_the_whole_covariance_gives(case, seed):
    """On any network with any weights; NaN just where a date that is used has no covariance."""
    import torch

    rng = np.random.default_rng(seed)
    plan = plan_elimination(case.network, seed % case.network.n_date)
    work = elimination.Workspace(plan, case.phase.shape[1], torch.float64, torch.device("cpu"))
    elimination.solve(work, torch.from_numpy(case.phase), torch.from_numpy(case.weight))
    factor = uncertainty.factor_of(work)
    whole = uncertainty.covariance(factor, torch.arange(4)).numpy()
    operator = rng.normal(size=(2, case.network.n_date)) * (rng.random(case.network.n_date) < 0.7)
    for given_operator in (operator, np.repeat(operator[..., None], 4, 2) * rng.normal(size=4)):
        unit = torch.ones((), dtype=torch.float64)
        found = propagate_factor(factor, unit, np.arange(4), given_operator).numpy()
        compiled = propagate_factor(factor, unit, slice(0, 4), given_operator, is_compiled=True)
        np.testing.assert_allclose(
            compiled, found, rtol=1e-9, atol=1e-12 * np.nanmax(np.abs(found), initial=0)
        )
        expected = covariance_propagated(whole)(slice(None), given_operator)
        size = np.nanmax(np.abs(expected), axis=(0, 1), initial=1e-300)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found / size, expected / size, atol=1e-9)


def network_of(n_date):
    days = FIRST + np.arange(n_date) * np.timedelta64(12, "D")
    pairs = [(i, i + gap) for i in range(n_date) for gap in (1, 2, 3) if i + gap < n_date]
    first, second = zip(*pairs, strict=True)
    return Network.from_dates(days[list(first)], days[list(second)])


@pytest.mark.slow
@pytest.mark.parametrize("n_date", mostly_long([40, 10], 1))
def test_intervals_of_the_covariance_hold_what_they_say(n_date):
    """Pairs with noise of just the variances that their weights state; z, as the attributes say."""
    import torch

    network, rng = network_of(n_date), np.random.default_rng(n_date)
    plan, functions = plan_elimination(network), TimeFunctions(periodic=0.2)
    model = TimeModel(functions, network.dates, tuple(range(n_date)))
    variance = rng.uniform(0.1, 3, (network.n_pair, 1))
    motion = model.matrix @ np.array([0.0, 20.0, 2.0, 1.0])
    motion -= motion[plan.root]
    first, second = network.pair_array.T
    held = []
    for _ in range(N_PIXEL // 10_000):
        noise = rng.normal(size=(network.n_pair, 10_000)) * np.sqrt(variance)
        phase = (motion[second] - motion[first])[:, None] + noise
        work = elimination.Workspace(plan, 10_000, torch.float32, torch.device("cpu"))
        weight = np.broadcast_to(1 / variance, phase.shape).astype(np.float32)
        series = elimination.solve(
            work, torch.from_numpy(phase.astype(np.float32)), torch.from_numpy(weight)
        ).phase
        factor, unit = uncertainty.factor_of(work), torch.ones(())
        found = SeriesFit(model).fit(
            series.numpy(), None, lambda *some, f=factor, u=unit: propagate_factor(f, u, *some)
        )
        held.append(
            np.abs(found["velocity"] - 20.0) <= stats.norm.ppf((1 + LEVEL) / 2) * found["velocity_std"]
        )
    assert abs(np.mean(held) - LEVEL) <= NEAR


@pytest.mark.slow
@pytest.mark.parametrize("n_date", [6, 10, 40])
def test_intervals_of_the_residuals_hold_what_they_say_by_students_t(n_date):
    """Independent noise of one variance, which differs from pixel to pixel; t, and z only with many dates."""
    rng = np.random.default_rng(n_date)
    dates = dates_of(np.sort(rng.choice(1000, n_date, replace=False)))
    model = TimeModel(TimeFunctions(polynomial=2), dates, tuple(range(n_date)))
    truth = model.matrix @ np.array([0.01, 0.05, -0.02])
    series = truth[:, None] + rng.normal(size=(n_date, N_PIXEL)) * rng.uniform(0.001, 0.01, N_PIXEL)
    found = SeriesFit(model).fit(series)
    ratio = np.abs(found["velocity"] - 0.05) / found["velocity_std"]
    freedom = found["date_count"][0] - model.n_parameter
    by_t, by_z = (
        (ratio <= quantile).mean()
        for quantile in (stats.t.ppf((1 + LEVEL) / 2, freedom), stats.norm.ppf((1 + LEVEL) / 2))
    )
    assert abs(by_t - LEVEL) <= NEAR
    assert (abs(by_z - LEVEL) <= NEAR) == (n_date == 40)
