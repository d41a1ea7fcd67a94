"""The series of both solvers against an SVD in float64, for every network, weight and hole."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.solver.config import Method
from reference_series import (
    label_by_search,
    residual_rms_of,
    series_by_decimals,
    series_by_svd,
    temporal_coherence_of,
)
from solving import (
    ELIMINATION_32,
    ELIMINATION_64,
    PHASE,
    SOLVERS,
    VELOCITY,
    assert_series_close,
    series_of,
    solve,
    solve_arrays,
)
from strategies import GRAIN, SEEDS, cases, networks, with_holes

numerics = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=str)
both_norms = pytest.mark.parametrize("method", [VELOCITY, PHASE], ids=lambda method: method.min_norm)
CONNECTED = ("chain", "neighbours", "star", "all pairs", "annual", "one pair")


@every_solver
@both_norms
@given(cases())
@numerics
def test_the_series_is_that_of_a_float64_svd_at_every_pixel(solver, method, device, case):
    solution = solve(solver, case, device, method=method)
    assert_series_close(series_of(solution), series_by_svd(case, method.min_norm), solver)


@pytest.mark.parametrize("solver", [ELIMINATION_32, ELIMINATION_64], ids=str)
@both_norms
@given(cases(network=networks(most_dates=16), decades=st.just(10.0)))
@numerics
def test_weights_over_ten_decades_give_the_series_of_exact_sums(solver, method, device, case):
    solution = solve(solver, case, device, method=method)
    exact = series_by_decimals(case, method.min_norm)
    assert_series_close(series_of(solution), exact, solver, slack=1 if solver.dtype == torch.float32 else 10)


@every_solver
@given(cases(missing=st.sampled_from([0.3, 0.6, 0.9])), st.sampled_from([1.0, 1.5, 2.0]))
@numerics
def test_pixels_with_enough_pairs_are_tied_together_whatever_the_others_lack(
    solver, device, case, min_redundancy
):
    solution = solve(solver, case, device, method=Method("velocity", min_redundancy))
    enough = ~solution.too_few.cpu().numpy()
    found, expected = series_of(solution), series_by_svd(case, "velocity")
    assert np.isfinite(found).all()
    if enough.any():
        assert_series_close(found[:, enough], expected[:, enough], solver)


@every_solver
@given(networks(CONNECTED), SEEDS, st.floats(0, 6))
@numerics
def test_consistent_phase_is_recovered_on_every_connected_network(solver, device, network, seed, decades):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-100_000, 100_000, (network.n_date, 5)) * GRAIN
    truth -= truth[0]
    i, j = network.pair_array.T
    weight = 10 ** rng.uniform(-decades / 2, decades / 2, (network.n_pair, 5))
    solution = solve_arrays(solver, network, truth[j] - truth[i], weight, device)
    assert_series_close(series_of(solution), truth, solver)
    assert (solution.n_components == 1).all()
    np.testing.assert_allclose(solution.temporal_coherence.cpu(), 1, atol=1e-6)
    np.testing.assert_allclose(solution.residual_rms.cpu(), 0, atol=8 * solver.tolerance(truth).max())


@every_solver
@given(cases())
@numerics
def test_quality_is_that_of_the_svd_series(solver, device, case):
    small = np.where(case.valid, np.fmod(np.nan_to_num(case.phase), 4), case.phase)
    case = case._replace(phase=small)  # float32 has no digits for the cosine of 1e3 rad
    solution = solve(solver, case, device)
    expected = series_by_svd(case, "velocity")
    tolerance = 1e-5 if solver.dtype == torch.float32 else 1e-8
    with np.errstate(invalid="ignore"):
        coherence, rms = temporal_coherence_of(case, expected), residual_rms_of(case, expected)
    np.testing.assert_allclose(solution.temporal_coherence.cpu(), coherence, atol=tolerance)
    np.testing.assert_allclose(solution.residual_rms.cpu(), rms, atol=tolerance)


@every_solver
@given(cases(network=networks(ascending=True), missing=st.just(0.0)))
@numerics
def test_temporal_coherence_is_at_most_one_and_one_just_where_nothing_is_left(solver, device, case):
    i, j = case.network.pair_array.T
    consistent = np.arange(case.network.n_date)[:, None] * np.full(3, 0.5)
    small = np.concatenate([np.remainder(case.phase, 2)[:, 3:], (consistent[j] - consistent[i])], axis=1)
    solution = solve_arrays(solver, case.network, small, case.weight, device)
    coherence, rms = solution.temporal_coherence.cpu().numpy(), solution.residual_rms.cpu().numpy()
    assert ((coherence >= 0) & (coherence <= 1)).all()
    np.testing.assert_allclose(coherence[rms < 1e-5], 1, atol=1e-6)
    assert (coherence[rms > 0.01] < 1 - 1e-6).all()  # float32 knows 1e-7
    assert (rms[3:] < 1e-5).all()


@every_solver
@given(cases(), st.sampled_from([0.0, 1.0, 1.5, 2.0]))
@numerics
def test_the_parts_and_the_pairs_are_counted_exactly(solver, device, case, min_redundancy):
    solution = solve(solver, case, device, method=Method(min_redundancy=min_redundancy))
    network = case.network
    for pixel, valid in enumerate(case.valid.T):
        pairs_at = np.bincount(network.pair_array[valid].ravel(), minlength=network.n_date)
        assert solution.n_components[pixel] == label_by_search(network, valid).max() + 1
        assert solution.pair_count[pixel] == valid.sum()
        assert solution.too_few[pixel] == (np.delete(pairs_at, network.anchor).min() < min_redundancy)


@every_solver
@given(cases(decades=st.floats(0, 14)))
@numerics
def test_pixels_without_observation_have_no_quality_and_all_others_have(solver, device, case):
    solution = solve(solver, case, device)
    empty = ~case.valid.any(0)
    np.testing.assert_array_equal(torch_isnan(solution.temporal_coherence), empty)
    np.testing.assert_array_equal(torch_isnan(solution.residual_rms), empty)
    np.testing.assert_array_equal(series_of(solution)[:, empty], 0)


@pytest.mark.gpu
@given(cases())
@numerics
def test_cpu_and_gpu_agree(case):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    here = solve(ELIMINATION_32, case, torch.device("cpu"))
    there = solve(ELIMINATION_32, case, torch.device("cuda"))
    assert_series_close(series_of(there), series_of(here), ELIMINATION_32, slack=2)
    for name in ("pair_count", "n_components", "too_few"):
        np.testing.assert_array_equal(getattr(there, name).cpu(), getattr(here, name))


@given(SEEDS)
def test_holes_are_never_valid_and_the_rest_is_as_it_was(seed):
    rng = np.random.default_rng(seed)
    valid = rng.random((5, 4)) < 0.5
    phase, weight = with_holes(np.ones((5, 4)), np.ones((5, 4)), valid, rng)
    good = np.isfinite(phase) & (np.abs(phase) < 1e10) & np.isfinite(weight) & (weight > 0)
    np.testing.assert_array_equal(good, valid)


def torch_isnan(values):
    return values.isnan().cpu().numpy()
