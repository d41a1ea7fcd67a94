"""Robust norms: as small a sum as a linear program finds, and gross errors that do not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from fringefleet.network.network import Network
from fringefleet.solver import irls as robust
from fringefleet.solver.config import Method
from solving import ELIMINATION_32, ELIMINATION_64, series_of, solve, solve_arrays
from strategies import cases

numerics = settings(max_examples=30)

L1, HUBER = Method(norm="l1"), Method(norm="huber")
both = pytest.mark.parametrize("solver", [ELIMINATION_32, ELIMINATION_64], ids=str)


def least_sum(case, pixel):
    """The least sum of sqrt(w) |residual| over all series, by linear programming."""
    valid = case.valid[:, pixel]
    i, j = case.network.pair_array[valid].T
    phase, deviation = case.phase[valid, pixel], np.sqrt(case.weight[valid, pixel])
    n_pair, rows = valid.sum(), np.arange(valid.sum())
    design = np.zeros((n_pair, case.network.n_date))
    design[rows, i], design[rows, j] = -1, 1
    answer = linprog(
        np.r_[np.zeros(case.network.n_date), deviation, deviation],
        A_eq=np.c_[design, np.eye(n_pair), -np.eye(n_pair)],
        b_eq=phase,
        bounds=[(None, None)] * case.network.n_date + [(0, None)] * (2 * n_pair),
        method="highs",
    )
    assert answer.status == 0
    return answer.fun


def residuals_of(case, series):
    """Residual of every pair in its own standard deviations, 0 where it is missing."""
    i, j = case.network.pair_array.T
    residual = np.where(case.valid, case.phase, 0) - (series[j] - series[i]) * case.valid
    return np.sqrt(np.where(case.valid, case.weight, 0)) * np.abs(residual)


def with_cycles(case, rng, share):
    """Some pairs a whole number of cycles off."""
    wrong = rng.integers(-2, 3, case.phase.shape) * (rng.random(case.phase.shape) < share)
    return case._replace(phase=(case.phase + 2 * np.pi * wrong).astype("f4").astype("f8"))


@both
@given(cases(decades=st.floats(0, 3)), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.3]))
@numerics
def test_the_sum_of_l1_is_within_one_percent_of_the_least(solver, case, seed, share):
    case = with_cycles(case, np.random.default_rng(seed), share)
    solution = solve(solver, case, torch.device("cpu"), method=L1)
    found = residuals_of(case, series_of(solution)).sum(0)
    largest = [np.where(case.valid, np.abs(values), 0).max() for values in (case.phase, case.weight)]
    rounding = 1e-6 * largest[0] * largest[1] ** 0.5 * len(case.phase)
    for pixel, total in enumerate(found):
        assert total <= 1.01 * least_sum(case, pixel) + rounding


@pytest.mark.long
@both
@given(cases(decades=st.floats(0, 2), n_pixel=3), st.integers(0, 2**32 - 1))
@numerics
def test_huber_is_as_low_as_a_general_minimiser_gets(solver, case, seed):
    case = with_cycles(case, np.random.default_rng(seed), 0.1)
    solution = solve(solver, case, torch.device("cpu"), method=HUBER)

    def total(series, pixel):
        u = residuals_of(case, series[:, None])[:, pixel]
        inside = np.minimum(u, HUBER.huber_threshold)
        return (inside * (u - inside / 2)).sum()

    for pixel in torch.nonzero(solution.converged)[:, 0].tolist():
        found = series_of(solution)[:, pixel]
        lowest = minimize(total, np.zeros_like(found), args=(pixel,), method="L-BFGS-B").fun
        assert total(found, pixel) <= 1.005 * lowest + 1e-4


def scene(n_pixel, share, seed=0):
    """60 dates with 4 neighbours, noise of 0.2 rad; some pairs a cycle off."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, i + gap) for i in range(60) for gap in (1, 2, 3, 4) if i + gap < 60])
    days = np.datetime64("2018-01-06", "s") + np.arange(60) * np.timedelta64(12 * 86400, "s")
    network = Network(tuple(days.astype(str).tolist()), tuple(map(tuple, pairs.tolist())))
    truth = np.cumsum(rng.normal(0, 0.5, (60, n_pixel)), axis=0)
    truth -= truth[0]
    phase = truth[pairs[:, 1]] - truth[pairs[:, 0]] + rng.normal(0, 0.2, (len(pairs), n_pixel))
    phase += 2 * np.pi * rng.choice([-1, 1], phase.shape) * (rng.random(phase.shape) < share)
    return network, phase, np.full(phase.shape, 25.0), truth


@pytest.mark.parametrize("method", [L1, HUBER], ids=lambda method: method.norm)
def test_unwrapping_errors_spoil_least_squares_but_no_robust_norm(method, device):
    """Against least squares of the same noise without unwrapping errors, which nothing can beat."""
    network, clean, weight, truth = scene(300, 0)
    _, wrong, _, _ = scene(300, 0.05)

    def error_of(phase, method):
        solution = solve_arrays(ELIMINATION_32, network, phase, weight, device, method=method)
        return np.sqrt(((series_of(solution) - truth) ** 2).mean(0))

    best = error_of(clean, Method())
    assert np.median(error_of(wrong, Method()) / best) > 5
    assert np.median(error_of(wrong, method) / best) < 1.3
    assert np.quantile(error_of(wrong, method) / best, 0.9) < 2.5


@pytest.mark.parametrize("method", [L1, HUBER], ids=lambda method: method.norm)
def test_a_pixel_does_not_notice_who_is_solved_with_it(method, device):
    network, phase, weight, _ = scene(100, 0.1)
    together = solve_arrays(ELIMINATION_64, network, phase, weight, device, method=method)
    for few in (slice(0, 1), slice(40, 60)):
        alone = solve_arrays(ELIMINATION_64, network, phase[:, few], weight[:, few], device, method=method)
        np.testing.assert_allclose(series_of(together)[:, few], series_of(alone), atol=1e-8)


def test_too_few_rounds_are_reported(device):
    network, phase, weight, _ = scene(20, 0.1)
    few = solve_arrays(
        ELIMINATION_32, network, phase, weight, device, method=Method(norm="l1", max_iterations=3)
    )
    many = solve_arrays(ELIMINATION_32, network, phase, weight, device, method=L1)
    assert not few.converged.any()
    assert many.converged.all()


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_no_more_rounds_are_made_than_allowed(limit, monkeypatch, device):
    rounds = []
    substitute = robust.substitute
    monkeypatch.setattr(robust, "substitute", lambda work: rounds.append(work) or substitute(work))
    network, phase, weight, _ = scene(20, 0.1)
    method = Method(norm="l1", max_iterations=limit)
    solve_arrays(ELIMINATION_32, network, phase, weight, device, method=method)
    assert len(rounds) == limit


def test_huber_goes_by_its_threshold_from_least_squares_to_l1(device):
    network, phase, weight, _ = scene(20, 0.1)
    i, j = network.pair_array.T

    def series_with(**options):
        return series_of(
            solve_arrays(ELIMINATION_64, network, phase, weight, device, method=Method(**options))
        )

    def total(series):
        return np.abs(phase - (series[j] - series[i])).sum(0)

    high, low = (series_with(norm="huber", huber_threshold=threshold) for threshold in (1e6, 1e-3))
    np.testing.assert_allclose(high, series_with(), atol=1e-6)
    np.testing.assert_allclose(total(low), total(series_with(norm="l1")), rtol=0.01)
    assert (total(low) < 0.9 * total(high)).all()


def test_small_residuals_of_large_phases_are_no_rounding(device):
    network, phase, weight, _ = scene(30, 0)
    i, j = network.pair_array.T
    phase = 0.1 * phase + 300 * (j - i)[:, None]

    def total(solver, method):
        series = series_of(solve_arrays(solver, network, phase, weight, device, method=method))
        return np.abs(phase - (series[j] - series[i])).sum(0)

    least = total(ELIMINATION_64, L1)
    assert (total(ELIMINATION_32, L1) < 1.02 * least).all()
    assert (total(ELIMINATION_64, Method()) > 1.03 * least).all()


def test_a_pixel_that_fits_exactly_has_converged_and_one_without_observations_too(device):
    network, _, weight, truth = scene(2, 0)
    i, j = network.pair_array.T
    weight[:, 1] = 0
    solution = solve_arrays(ELIMINATION_32, network, truth[j] - truth[i], weight, device, method=L1)
    np.testing.assert_allclose(series_of(solution)[:, 0], truth[:, 0], atol=1e-5)
    assert solution.converged.all()
    assert not series_of(solution)[:, 1].any()


def test_a_cut_network_is_cut_whatever_the_norm(device):
    network, phase, weight, _ = scene(4, 0.05)
    i, j = network.pair_array.T
    weight[(i < 30) & (j >= 30), :2] = 0
    solution = solve_arrays(ELIMINATION_32, network, phase, weight, device, method=L1)
    assert solution.n_components.tolist() == [2, 2, 1, 1]
    assert solution.gap_filled.sum(0).tolist() == [1, 1, 0, 0]
