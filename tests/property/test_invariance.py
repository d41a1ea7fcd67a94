"""What may be done to the input of a solver, and what that does to the answer."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from reference_series import temporal_coherence_of
from solving import (
    PHASE,
    SOLVERS,
    VELOCITY,
    assert_series_close,
    series_of,
    solve,
    solve_arrays,
    tensor,
)
from strategies import SEEDS, cases, networks

numerics = settings(
    max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=str)
both_norms = pytest.mark.parametrize("method", [VELOCITY, PHASE], ids=lambda method: method.min_norm)
TWO = 2  # both answers may be off by the tolerance, in opposite directions


@every_solver
@given(cases(), SEEDS)
@numerics
def test_zero_weight_is_the_same_as_leaving_the_pair_out(solver, device, case, seed):
    network = case.network
    out = seed % network.n_pair
    rest = np.arange(network.n_pair) != out
    assume(len(np.unique(network.pair_array[rest])) == network.n_date)
    without = Network(network.dates, tuple(pair for k, pair in enumerate(network.pairs) if k != out))
    weight = case.weight.copy()
    weight[out] = 0
    zeroed = solve_arrays(solver, network, case.phase, weight, device)
    shorter = solve_arrays(solver, without, case.phase[rest], case.weight[rest], device)
    assert_series_close(series_of(zeroed), series_of(shorter), solver, slack=TWO)
    torch.testing.assert_close(zeroed.pair_count, shorter.pair_count)
    torch.testing.assert_close(zeroed.n_components, shorter.n_components)


@every_solver
@both_norms
@given(cases(), st.floats(-4, 4))
@numerics
def test_all_weights_times_a_constant_change_nothing(solver, method, device, case, exponent):
    scaled = case._replace(weight=case.weight * 10**exponent)
    before, after = (series_of(solve(solver, c, device, method=method)) for c in (case, scaled))
    assert_series_close(after, before, solver, slack=TWO)


@every_solver
@both_norms
@given(cases(), SEEDS)
@numerics
def test_the_order_of_the_pairs_does_not_matter(solver, method, device, case, seed):
    order = np.random.default_rng(seed).permutation(case.network.n_pair)
    network = Network(case.network.dates, tuple(case.network.pairs[k] for k in order))
    before = solve(solver, case, device, method=method)
    after = solve_arrays(solver, network, case.phase[order], case.weight[order], device, method=method)
    assert_series_close(series_of(after), series_of(before), solver, slack=TWO)
    torch.testing.assert_close(after.temporal_coherence, before.temporal_coherence, **_near(solver))


@every_solver
@given(cases(), SEEDS)
@numerics
def test_a_pair_turned_round_with_its_sign_changes_no_series_but_the_temporal_coherence_as_defined(
    solver, device, case, seed
):
    turned = np.random.default_rng(seed).random(case.network.n_pair) < 0.5
    pairs = tuple((j, i) if turn else (i, j) for (i, j), turn in zip(case.network.pairs, turned, strict=True))
    sign = np.where(turned, -1, 1)[:, None]
    other = case._replace(network=Network(case.network.dates, pairs), phase=sign * case.phase)
    before, after = solve(solver, case, device), solve(solver, other, device)
    assert_series_close(series_of(after), series_of(before), solver, slack=TWO)
    torch.testing.assert_close(after.residual_rms, before.residual_rms, **_near(solver))
    with np.errstate(invalid="ignore"):
        defined = temporal_coherence_of(other, series_of(after))
    tolerance = 1e-4 if solver.dtype == torch.float32 else 1e-7  # cosines of up to 1e3 rad
    np.testing.assert_allclose(after.temporal_coherence.cpu(), defined, atol=tolerance)


@every_solver
@both_norms
@given(cases(), st.integers(-3, 3), st.integers(-3, 3))
@numerics
def test_the_series_is_linear_in_the_phase(solver, method, device, case, a, b):
    one = np.where(case.valid, case.phase, 0)
    other = one[::-1] * 0.5
    weight = np.where(case.valid, case.weight, 0)
    x, y, both = (
        series_of(solve_arrays(solver, case.network, phase, weight, device, method=method))
        for phase in (one, other, a * one + b * other)
    )
    allowed = solver.tolerance(x) * abs(a) + solver.tolerance(y) * abs(b) + solver.tolerance(both)
    assert (np.abs(both - (a * x + b * y)).max(0) <= allowed).all()


@every_solver
@both_norms
@given(cases(), SEEDS)
@numerics
def test_another_reference_date_takes_a_constant_off_the_series(solver, method, device, case, seed):
    root = seed % case.network.n_date
    first, other = (solve(solver, case, device, root=r, method=method) for r in (0, root))
    expected = series_of(first) - series_of(first)[root]
    assert_series_close(series_of(other), expected, solver, slack=2 * TWO)
    np.testing.assert_allclose(series_of(other)[root], 0, atol=1e-12)
    torch.testing.assert_close(other.n_components, first.n_components)


@every_solver
@both_norms
@given(cases(n_pixel=7), SEEDS)
@numerics
def test_a_pixel_does_not_depend_on_its_neighbours_or_its_batch(solver, method, device, case, seed):
    pixels = np.random.default_rng(seed).permutation(7)[:3]
    some = case._replace(
        phase=case.phase[:, pixels], weight=case.weight[:, pixels], valid=case.valid[:, pixels]
    )
    alone = case._replace(phase=case.phase[:, :1], weight=case.weight[:, :1], valid=case.valid[:, :1])
    whole = solve(solver, case, device, method=method)
    for part, chosen in ((some, pixels), (alone, np.array([0]))):
        answer = solve(solver, part, device, method=method)
        expected = series_of(whole)[:, chosen]
        assert_series_close(series_of(answer), expected, solver)
        for name in ("pair_count", "n_components", "too_few"):
            torch.testing.assert_close(getattr(answer, name), getattr(whole, name)[chosen])


@every_solver
@given(networks(most_dates=12), SEEDS, st.data())
@numerics
def test_a_workspace_remembers_nothing_of_the_batch_before(solver, device, network, seed, data):
    first, second = (data.draw(cases(network=st.just(network))) for _ in range(2))
    fresh = solve(solver, second, device)
    workspace = solver.module.Workspace(plan_elimination(network), 6, solver.dtype, device)
    for case in (first, second):
        used = solver.module.solve(
            workspace,
            tensor(case.phase, solver, device),
            tensor(case.weight, solver, device),
            method=VELOCITY,
        )
    for name, value in used._asdict().items():
        torch.testing.assert_close(value, getattr(fresh, name), rtol=0, atol=0, equal_nan=True)


def _near(solver):
    tolerance = 1e-4 if solver.dtype == torch.float32 else 1e-8
    return {"rtol": 0, "atol": tolerance, "equal_nan": True}
