from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import closure, dense, elimination, quality
from fringefleet.solver.observations import Observations
from strategies import GRAIN, SEEDS, cases

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 7))
ALL_PAIRS = Network(DATES[:4], ((0, 1), (2, 0), (3, 0), (1, 2), (1, 3), (3, 2)))
TRIANGLE = Network(DATES[:3], ((1, 0), (1, 2), (0, 2)))
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def observed(network, residual, weight, device, dtype=torch.float64, root=0):
    """Observations with residuals [rad] that are given in the order and the sense of the network."""
    observations = Observations(plan_elimination(network, root), np.shape(residual)[1], dtype, device)
    observations.load(
        torch.tensor(residual, dtype=dtype, device=device), torch.tensor(weight, dtype=dtype, device=device)
    )
    quality.measure_quality(observations)  # what is missing is zero after it
    return observations


def measured(observations):
    rows = closure.triplet_rows(observations.plan, observations.residual.device)
    return [values.cpu().numpy() for values in closure.measure_closure(observations, rows)]


def by_hand(network, phase, valid):
    """RMS [rad], number beyond pi and number of the closures of every three dates, in plain NumPy."""
    ascending = {}
    for (i, j), values, good in zip(network.pairs, phase, valid, strict=True):
        ascending[min(i, j), max(i, j)] = np.where(good, values if i < j else -values, np.nan)
    closures = [
        ascending[i, j] + ascending[j, k] - ascending[i, k]
        for i, j, k in combinations(range(network.n_date), 3)
        if {(i, j), (j, k), (i, k)} <= ascending.keys()
    ]
    closures = np.reshape(closures, (-1, phase.shape[1]))
    count = np.isfinite(closures).sum(0)
    with np.errstate(invalid="ignore"):
        rms = np.sqrt(np.nansum(closures**2, 0) / count)
    return rms, (np.abs(closures) > np.pi).sum(0), count


def with_a_turn(network, pair):
    """Phases [rad] of a series, (pair, 1), with one pair a turn off."""
    series = np.random.default_rng(0).normal(0, 3, network.n_date)
    i, j = network.pair_array.T
    phase = (series[j] - series[i])[:, None]
    phase[pair] += 2 * np.pi
    return phase


@both_dtypes
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), seed=SEEDS)
def test_the_closure_of_the_residual_is_the_closure_of_the_phases(dtype, device, case, seed):
    network = case.network
    series = np.random.default_rng(seed).integers(-20_000, 20_000, (network.n_date, 6)) * GRAIN
    i, j = network.pair_array.T
    residual = case.phase - (series[j] - series[i])
    rms, n_misclosed, n_triplet = measured(
        observed(network, residual, case.weight, device, dtype, root=seed % network.n_date)
    )
    expected = by_hand(network, case.phase, case.valid)
    np.testing.assert_allclose(rms, expected[0], rtol=2e-6)
    np.testing.assert_array_equal(n_misclosed, expected[1])
    np.testing.assert_array_equal(n_triplet, expected[2])


@pytest.mark.parametrize("solver", [elimination, dense])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(decades=st.just(2)))
def test_the_closure_after_a_solution_is_the_closure_of_the_phases(solver, device, case):
    plan = plan_elimination(case.network)
    workspace = solver.Workspace(plan, case.phase.shape[1], torch.float64, device)
    solver.solve(workspace, torch.tensor(case.phase, device=device), torch.tensor(case.weight, device=device))
    rms, n_misclosed, n_triplet = measured(workspace.observations)
    expected = by_hand(case.network, case.phase, case.valid)
    np.testing.assert_allclose(rms, expected[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(n_misclosed, expected[1])
    np.testing.assert_array_equal(n_triplet, expected[2])


@pytest.mark.parametrize("pair", range(6))
def test_one_pair_a_turn_off_miscloses_just_the_triplets_that_it_is_in(pair, device):
    phase = with_a_turn(ALL_PAIRS, pair)
    rms, n_misclosed, n_triplet = measured(observed(ALL_PAIRS, phase, np.ones((6, 1)), device))
    np.testing.assert_array_equal([n_misclosed, n_triplet], [[2], [4]])
    np.testing.assert_allclose(rms, 2 * np.pi * np.sqrt(2 / 4))


@pytest.mark.parametrize("pair", range(6))
def test_a_triplet_does_not_count_where_one_of_its_pairs_is_missing(pair, device):
    weight = np.ones((6, 1))
    weight[pair] = 0
    rms, n_misclosed, n_triplet = measured(observed(ALL_PAIRS, with_a_turn(ALL_PAIRS, pair), weight, device))
    np.testing.assert_array_equal([n_misclosed, n_triplet], [[0], [2]])
    np.testing.assert_allclose(rms, 0, atol=1e-12)


@both_dtypes
@pytest.mark.parametrize("weight", [1.1e-17, 1e-3, 9e16])
def test_how_much_a_pair_weighs_does_not_matter(weight, dtype, device):
    residual = np.array([[1.0], [0], [0]])
    rms, _, n_triplet = measured(observed(TRIANGLE, residual, np.full((3, 1), weight), device, dtype))
    assert (rms, n_triplet) == (1, 1)


@both_dtypes
@pytest.mark.parametrize("pair", range(3))
def test_misclosed_is_more_than_half_a_turn_either_way(pair, dtype, device):
    residual = np.zeros((3, 5))
    residual[pair] = [-3.15, -3.14, 0, 3.14, 3.15]
    rms, n_misclosed, _ = measured(observed(TRIANGLE, residual, np.ones((3, 5)), device, dtype))
    np.testing.assert_array_equal(n_misclosed, [1, 0, 0, 0, 1])
    np.testing.assert_allclose(rms, np.abs(residual[pair]), rtol=1e-6)


def test_a_pixel_or_a_network_without_triplets_has_no_closure(device):
    weight = np.ones((3, 2))
    weight[1, 0] = 0
    rms, n_misclosed, n_triplet = measured(observed(TRIANGLE, np.ones((3, 2)), weight, device))
    np.testing.assert_array_equal(np.isnan(rms), [True, False])
    np.testing.assert_array_equal([n_misclosed, n_triplet], [[0, 0], [0, 1]])
    chain = Network(DATES[:3], ((0, 1), (1, 2)))
    rms, n_misclosed, n_triplet = measured(observed(chain, np.full((2, 1), 9.0), np.ones((2, 1)), device))
    assert np.isnan(rms)
    assert (n_misclosed, n_triplet) == (0, 0)


@both_dtypes
def test_the_residuals_come_back_as_they_were(dtype, device):
    residual = np.random.default_rng(0).normal(0, 2, (6, 5))
    weight = np.random.default_rng(1).choice([0, 0.5, 2.0], (6, 5))
    observations = observed(ALL_PAIRS, residual, weight, device, dtype)
    before = observations.residual.clone()
    measured(observations)
    assert (weight == 0).any()
    assert torch.equal(observations.residual, before)
