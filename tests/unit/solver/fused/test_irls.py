"""Robust norms in the fused kernel against the eager form, whose tests say what is right."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import uncertainty
from fringefleet.solver.config import Method
from fringefleet.solver.fused import solver as fused
from fringefleet.solver.measures import factor_of_sum
from solving import ELIMINATION_32, ELIMINATION_64, Solver, robust_case, series_of, solve, tensor
from strategies import GRAIN, Case

pytest.importorskip("triton")

FUSED_32 = Solver(fused, torch.float32, 1e-5, 4e-7)
FUSED_64 = Solver(fused, torch.float64, 1e-9, 1e-11)
L1, HUBER = Method(norm="l1"), Method(norm="huber")
norms = pytest.mark.parametrize("method", [L1, HUBER], ids=lambda method: method.norm)


@pytest.fixture
def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def both_of(case, device, method, *, root=0):
    """The two workspaces and solutions in float64, where both come to rest in the same round."""
    plan = plan_elimination(case.network, root)
    found = []
    for solver in (FUSED_64, ELIMINATION_64):
        workspace = solver.module.Workspace(plan, case.phase.shape[1], solver.dtype, device)
        workspace.keeps_factor = True
        observed = [tensor(values, solver, device) for values in (case.phase, case.weight)]
        found.append((workspace, solver.module.solve(workspace, *observed, method=method)))
    return found


@norms
def test_everything_is_as_the_eager_form_has_it(method, device):
    (workspace, found), (reference, expected) = both_of(robust_case(30), device, method, root=2)
    assert found.converged.equal(expected.converged)
    for name in ("phase", "temporal_coherence", "residual_rms", "pair_count", "n_components", "too_few"):
        close = {"rtol": 0, "atol": 1e-7, "equal_nan": True}
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), **close)
    torch.testing.assert_close(workspace.residual, reference.residual, rtol=0, atol=1e-7)
    for name in ("weight", "inverse", "edge"):
        torch.testing.assert_close(getattr(workspace, name), getattr(reference, name), rtol=1e-4, atol=1e-12)
    counts = expected.pair_count, expected.n_components
    unit = factor_of_sum(workspace.sums[3], sum(counts) - workspace.plan.network.n_date)
    of_eager = uncertainty.variance_factor(reference.observations, *counts)
    torch.testing.assert_close(unit, of_eager, rtol=1e-4, atol=0, equal_nan=True)


@norms
@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_rounds_are_made_than_allowed(method, limit, device):
    method = Method(norm=method.norm, max_iterations=limit)
    (_, found), (_, expected) = both_of(robust_case(20), device, method)
    assert found.converged.equal(expected.converged)
    assert not found.converged.all()
    torch.testing.assert_close(found.phase, expected.phase, rtol=0, atol=1e-7)


@pytest.mark.long
@norms
def test_float32_is_as_low_as_the_eager_form_gets(method, device):
    case = robust_case(30, n_date=5, seed=1)
    i, j = case.network.pair_array.T

    def total(solver):
        series = series_of(solve(solver, case, device, method=method))
        u = np.where(case.valid, np.abs(case.phase - (series[j] - series[i])) * np.sqrt(case.weight), 0)
        inside = np.minimum(u, method.huber_threshold)
        return (u if method.norm == "l1" else inside * (u - inside / 2)).sum(0)

    lowest = total(ELIMINATION_64)
    assert (total(FUSED_32) <= 1.01 * lowest).all()
    np.testing.assert_allclose(total(FUSED_32), total(ELIMINATION_32), rtol=1e-3)


@norms
def test_a_pixel_does_not_notice_who_is_solved_with_it(method, device):
    method = Method(norm=method.norm, max_iterations=4)  # some of the pixels go on, some do not
    case = robust_case(40, n_date=4)
    together = solve(FUSED_32, case, device, method=method)
    for few in (slice(0, 1), slice(29, 35)):
        part = Case(case.network, case.phase[:, few], case.weight[:, few], case.valid[:, few])
        alone = solve(FUSED_32, part, device, method=method)
        torch.testing.assert_close(together.phase[:, few], alone.phase, rtol=0, atol=0)
        assert together.converged[few].equal(alone.converged)


@norms
def test_pixels_that_fit_exactly_or_have_nothing_have_converged_and_cuts_stay(method, device):
    case = robust_case(4, share=0, missing=0)
    i, j = case.network.pair_array.T
    truth = np.round(np.random.default_rng(2).normal(0, 2, (6, 4)) / GRAIN) * GRAIN
    phase = truth[j] - truth[i]
    phase[:, 1] = np.nan
    phase[(i < 3) & (j >= 3), 2] = np.nan
    found = solve(FUSED_32, case._replace(phase=phase), device, method=method)
    np.testing.assert_allclose(series_of(found)[:, 0], truth[:, 0] - truth[0, 0], atol=1e-5)
    assert not series_of(found)[:, 1].any()
    assert found.converged.all()
    assert found.n_components.tolist() == [1, 6, 2, 1]
    assert found.gap_filled.sum(0).tolist()[2] == 1


@norms
def test_a_pixel_that_needs_float64_says_itself_whether_it_came_to_rest(method, device):
    rng = np.random.default_rng(0)
    case = robust_case(8, n_date=5, missing=0)
    weight = (10 ** rng.uniform(-8, 8, case.weight.shape)).astype("f4").astype("f8")
    case = case._replace(weight=weight)
    found = solve(FUSED_32, case, device, method=method)
    expected = solve(ELIMINATION_64, case, device, method=method)
    assert found.converged.equal(expected.converged)
    # One may come to rest a round before the other, where the sum is flat.
    torch.testing.assert_close(found.phase, expected.phase.float(), rtol=5e-4, atol=5e-4)
