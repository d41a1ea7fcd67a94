"""Every kind of network, with holes of every kind, against an answer that is known by other means."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.network.network import Network
from named_networks import by_gap, scattered
from reference_series import label_by_search, series_by_svd
from solving import (
    ELIMINATION_32,
    ELIMINATION_64,
    PHASE,
    SOLVERS,
    VELOCITY,
    assert_series_close,
    parts_of,
    series_of,
    solve,
    solve_arrays,
)
from strategies import GRAIN, MISSING_PHASE, MISSING_WEIGHT, SEEDS, Case, dated

numerics = settings(
    max_examples=3, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=str)
both_eliminations = pytest.mark.parametrize("solver", [ELIMINATION_32, ELIMINATION_64], ids=str)
both_norms = pytest.mark.parametrize("method", [VELOCITY, PHASE], ids=lambda method: method.min_norm)

KINDS = {
    "one pair": [(0, 1)],
    "three dates": by_gap(3, 1, 2),
    "three dates in a row": by_gap(3, 1),
    "sequential": by_gap(24, 1),
    "three neighbours": by_gap(24, 1, 2, 3),
    "sequential and annual": by_gap(40, 1, 15, 30),
    "annual alone": by_gap(40, 10),  # ten islands, interleaved in time
    "all pairs": by_gap(12, *range(1, 12)),
    "star on the first": [(0, date) for date in range(1, 20)],
    "star on another": [(7, date) for date in range(20) if date != 7],
    "ring": [*by_gap(15, 1), (0, 14)],
    "islands one after another": [*by_gap(8, 1, 2), *((i + 8, j + 8) for i, j in by_gap(9, 1, 3)), (17, 18)],
    "islands of even and odd": by_gap(21, 2, 4),
    "scattered": scattered(30, 70),
}
BIG = {
    "sequential": by_gap(400, 1),
    "four neighbours": by_gap(333, 1, 2, 3, 4),
    "neighbours and annual": by_gap(300, 1, 2, 30),
    "scattered": scattered(150, 450),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def network_of(pairs, rng):
    """Irregular days; pairs shuffled and turned at random."""
    pairs = rng.permutation(np.array(pairs))
    turned = rng.random(len(pairs)) < 0.5
    pairs[turned] = pairs[turned, ::-1]
    return dated(pairs, rng)


def case_of(network, rng, *, n_pixel, decades=4, missing=0.0):
    """Phases that contradict one another, weights that differ, some pairs of no weight."""
    shape = (network.n_pair, n_pixel)
    phase = rng.integers(-20_000, 20_000, shape) * GRAIN
    valid = rng.random(shape) >= missing
    return Case(network, phase, np.where(valid, weights_over(decades, shape, rng), 0), valid)


def weights_over(decades, shape, rng):
    return (10 ** rng.uniform(-decades / 2, decades / 2, shape)).astype("f4").astype("f8")


@every_kind
@every_solver
@both_norms
@given(SEEDS, st.sampled_from([0, 0.2]))
@numerics
def test_every_kind_of_network_gives_the_series_of_an_svd_relative_to_any_date(
    kind, solver, method, device, seed, missing
):
    rng = np.random.default_rng(seed)
    network = network_of(KINDS[kind], rng)
    case = case_of(network, rng, n_pixel=4, missing=missing)
    root = int(rng.integers(network.n_date))
    solution = solve(solver, case, device, root=root, method=method)
    expected = series_by_svd(case, method.min_norm)
    assert_series_close(series_of(solution), expected - expected[root], solver, slack=2)
    for pixel, valid in enumerate(case.valid.T):
        assert solution.n_components[pixel] == label_by_search(network, valid).max() + 1


@pytest.mark.parametrize("kind", BIG)
@both_eliminations
def test_networks_of_hundreds_of_dates_give_the_series_of_an_svd(kind, solver, device):
    rng = np.random.default_rng(5)
    case = case_of(network_of(BIG[kind], rng), rng, n_pixel=3, decades=3)
    expected = series_by_svd(case, "velocity")
    assert_series_close(series_of(solve(solver, case, device)), expected, solver)


@pytest.mark.parametrize("kind", BIG)
@both_eliminations
def test_weights_over_ten_decades_recover_a_consistent_series_of_hundreds_of_dates(kind, solver, device):
    rng = np.random.default_rng(6)
    network = network_of(BIG[kind], rng)
    truth = rng.integers(-100_000, 100_000, (network.n_date, 6)) * GRAIN
    i, j = network.pair_array.T
    weight = weights_over(10, (network.n_pair, 6), rng)
    solution = solve_arrays(solver, network, truth[j] - truth[i], weight, device)
    assert_series_close(series_of(solution), truth - truth[0], solver)
    assert (solution.n_components == 1).all()


@both_eliminations
@given(SEEDS)
@numerics
def test_without_redundancy_the_weights_do_not_matter(solver, device, seed):
    """Sums of neighbouring phases and single phases, whatever the weights: ten decades of them."""
    rng = np.random.default_rng(seed)
    phase = rng.integers(-20_000, 20_000, (60, 5)) * GRAIN
    weight = weights_over(10, phase.shape, rng)
    chain, star = (
        dated(np.array(pairs), np.random.default_rng(0))
        for pairs in (by_gap(61, 1), [(0, date) for date in range(1, 61)])
    )
    along = series_of(solve_arrays(solver, chain, phase, weight, device))
    out = series_of(solve_arrays(solver, star, phase, weight, device))
    assert_series_close(along, np.insert(phase.cumsum(0), 0, 0, axis=0), solver)
    assert_series_close(out, np.insert(phase, 0, 0, axis=0), solver)


@every_kind
@every_solver
@given(SEEDS, st.sampled_from([0.1, 0.5]))
@numerics
def test_all_kinds_of_holes_are_the_same_hole(kind, solver, device, seed, fraction):
    """Each pixel has the same observations and the same holes, each made in another way."""
    rng = np.random.default_rng(seed)
    network = network_of(KINDS[kind], rng)
    one = case_of(network, rng, n_pixel=1)
    hole = rng.random((network.n_pair, 1)) < fraction
    hole[rng.integers(network.n_pair)] = True
    n_phase, n_weight = len(MISSING_PHASE), len(MISSING_WEIGHT)
    phase = np.where(hole, [*MISSING_PHASE, *[1.0] * n_weight], one.phase)
    weight = np.where(hole, [*[1.0] * n_phase, *MISSING_WEIGHT], one.weight)
    solution = solve_arrays(solver, network, phase, weight, device)
    zero_weight = n_phase + MISSING_WEIGHT.index(0.0)
    for value in parts_of(solution):
        expected = value[..., [zero_weight]].expand_as(value)
        torch.testing.assert_close(value, expected, equal_nan=True)
    assert np.isfinite(series_of(solution)).all()


@every_solver
def test_a_pair_that_is_missing_at_one_pixel_is_deleted_there_and_nowhere_else(solver, device):
    rng = np.random.default_rng(8)
    network = network_of(KINDS["three neighbours"], rng)
    case = case_of(network, rng, n_pixel=1)
    n_pair = network.n_pair
    phase, weight = (np.repeat(values, n_pair + 1, axis=1) for values in (case.phase, case.weight))
    for k in range(n_pair):  # pixel k lacks pair k; the last pixel lacks none
        spoilt, holes = ((phase, MISSING_PHASE), (weight, MISSING_WEIGHT))[k % 2]
        spoilt[k, k] = holes[k // 2 % len(holes)]
    found = series_of(solve_arrays(solver, network, phase, weight, device))
    for k in range(n_pair):
        rest = np.arange(n_pair) != k
        shorter = Network(network.dates, tuple(network.pairs[pair] for pair in np.flatnonzero(rest)))
        alone = solve_arrays(solver, shorter, case.phase[rest], case.weight[rest], device)
        assert_series_close(found[:, [k]], series_of(alone), solver, slack=2)
    whole = series_of(solve(solver, case, device))
    assert_series_close(found[:, [n_pair]], whole, solver)


@every_kind
@every_solver
def test_a_network_without_any_valid_pair_has_a_series_of_zeros_in_as_many_parts_as_dates(
    kind, solver, device
):
    network = network_of(KINDS[kind], np.random.default_rng(3))
    nothing = np.full((network.n_pair, 2), np.nan)
    solution = solve_arrays(solver, network, nothing, np.ones_like(nothing), device)
    np.testing.assert_array_equal(series_of(solution), 0)
    np.testing.assert_array_equal(solution.n_components.cpu(), network.n_date)
    np.testing.assert_array_equal(solution.pair_count.cpu(), 0)
