"""What only the elimination solver has: float32 with one refinement, and a second look in float64."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import elimination
from fringefleet.solver import shared_factor as shared
from fringefleet.solver.config import Method
from reference_series import series_by_decimals, series_by_svd
from solving import ELIMINATION_32, ELIMINATION_64, assert_series_close, parts_of, series_of, solve
from strategies import GRAIN, Case, dated


def case_of(decades, *, n_date=24, reach=3, n_pixel=40, seed=0):
    """Neighbouring and annual pairs with contradicting phases and weights over many decades."""
    rng = np.random.default_rng(seed)
    gaps = [*range(1, reach + 1), n_date // 2]
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date])
    network = dated(pairs, rng)
    shape = (len(pairs), n_pixel)
    phase = rng.integers(-20_000, 20_000, shape) * GRAIN
    weight = (10 ** rng.uniform(-decades / 2, decades / 2, shape)).astype("f4").astype("f8")
    return Case(network, phase, weight, np.ones(shape, bool))


@pytest.fixture
def looks(monkeypatch):
    """The dtype and the pixels of every estimate from here on."""
    made = []
    estimate = elimination.estimate

    def recording(work):
        made.append((work.phase.dtype, work.phase.shape[1]))
        return estimate(work)

    monkeypatch.setattr(elimination, "estimate", recording)
    return made


def test_weights_over_two_decades_are_settled_by_one_refinement_in_float32(looks, device):
    case = case_of(2)
    found = series_of(solve(ELIMINATION_32, case, device))
    assert looks == [(torch.float32, 40)]
    assert_series_close(found, series_by_decimals(case, "velocity"), ELIMINATION_32)


@pytest.mark.parametrize("decades", [0, 2, 4])
def test_one_refinement_in_float32_is_enough_without_a_second_look(decades, monkeypatch, device):
    monkeypatch.setattr(elimination, "LARGEST_CHANGE", np.inf)
    case = case_of(decades)
    found = series_of(solve(ELIMINATION_32, case, device))
    assert_series_close(found, series_by_decimals(case, "velocity"), ELIMINATION_32)


def test_badly_spread_pixels_get_a_second_look_in_float64_and_the_others_do_not(looks, device):
    good, bad = case_of(1, n_pixel=30), case_of(14, n_pixel=10, seed=1)
    case = Case(good.network, *(np.concatenate(pair, axis=1) for pair in zip(good[1:], bad[1:], strict=True)))
    found = series_of(solve(ELIMINATION_32, case, device))
    assert looks[0] == (torch.float32, 40)
    assert looks[1:] == [(torch.float64, 40)]
    assert_series_close(found, series_by_decimals(case, "velocity"), ELIMINATION_32)


def test_float64_is_refined_as_well(device):
    case = case_of(10, n_pixel=20)
    found = series_of(solve(ELIMINATION_64, case, device))
    exact = series_by_decimals(case, "velocity")
    assert np.abs(found - exact).max() < 1e-11


def test_the_input_is_left_alone(device):
    case = case_of(1, n_pixel=3)
    phase = torch.tensor(case.phase, dtype=torch.float32, device=device)
    weight = torch.tensor(case.weight, dtype=torch.float32, device=device)
    phase[0, 0] = np.nan
    before = phase.clone(), weight.clone()
    workspace = elimination.Workspace(plan_elimination(case.network), 3, torch.float32, device)
    elimination.solve(workspace, phase, weight)
    torch.testing.assert_close((phase, weight), before, rtol=0, atol=0, equal_nan=True)


def test_a_solution_outlives_the_next_batch_and_does_not_show_in_it(device):
    one, other = case_of(1, n_pixel=3), case_of(1, n_pixel=3, seed=5)
    plan = plan_elimination(one.network)
    workspace = elimination.Workspace(plan, 3, torch.float64, device)
    batches = [
        [torch.tensor(values, device=device) for values in (case.phase, case.weight)] for case in (one, other)
    ]
    first = elimination.solve(workspace, *batches[0])
    kept = [values.clone() for values in parts_of(first)]
    second = elimination.solve(workspace, *batches[1])
    torch.testing.assert_close(parts_of(first), kept, rtol=0, atol=0)
    fresh = elimination.solve(elimination.Workspace(plan, 3, torch.float64, device), *batches[1])
    torch.testing.assert_close(parts_of(second), parts_of(fresh), rtol=0, atol=0)


@pytest.mark.parametrize("solver", [ELIMINATION_32, ELIMINATION_64], ids=str)
def test_a_cut_network_does_not_show_in_the_next_batch(solver, device):
    case = case_of(1, n_pixel=3)
    phase, weight = (torch.tensor(values, dtype=solver.dtype, device=device) for values in case[1:3])
    cut = weight.clone()
    cut[(case.network.pair_array == 5).any(1)] = 0
    plan = plan_elimination(case.network)
    used, fresh = (elimination.Workspace(plan, 3, solver.dtype, device) for _ in range(2))
    assert (elimination.solve(used, phase, cut).n_components == 2).all()
    again, expected = (elimination.solve(workspace, phase, weight) for workspace in (used, fresh))
    torch.testing.assert_close(parts_of(again), parts_of(expected), rtol=0, atol=0)


@pytest.mark.parametrize(("decades", "seed"), [(5.0, 1), (6.5, 2), (7.5, 3), (7.5, 9), (8.0, 1)])
def test_weights_at_two_levels_far_apart_are_as_exact_as_any(decades, seed, device):
    """Light pairs follow the rounding of heavy ones here more than where weights are spread evenly."""
    rng = np.random.default_rng(seed)
    n_date, n_pixel = 60, 512
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in (1, 2, 3) if i + gap < n_date])
    shape = (len(pairs), n_pixel)
    walk = np.cumsum(rng.normal(0, 100, (n_date, n_pixel)), axis=0)
    phase = walk[pairs[:, 1]] - walk[pairs[:, 0]] + rng.normal(0, 300, shape)
    weight = np.where(rng.random(shape) < 0.5, 10 ** (-decades / 2), 10 ** (decades / 2))
    phase, weight = (values.astype("f4").astype("f8") for values in (phase, weight))
    case = Case(dated(pairs, rng), phase, weight, np.ones(shape, bool))
    exact = series_of(solve(ELIMINATION_64, case, device))
    assert_series_close(series_of(solve(ELIMINATION_32, case, device)), exact, ELIMINATION_32)


@pytest.mark.parametrize(("n_date", "decades", "seed"), [(300, 6, 360), (12, 12, 132)])
def test_either_sign_of_badly_spread_weights_is_needed(n_date, decades, seed, device):
    """Without the first, what the refinement changed, the first case fails; without the other the second."""
    rng = np.random.default_rng(seed)
    n_pixel = 8 if n_date == 300 else 64
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in (1, 2, 3) if i + gap < n_date])
    walk = np.cumsum(rng.normal(0, 1, (n_date, n_pixel)), axis=0)
    phase = walk[pairs[:, 1]] - walk[pairs[:, 0]] + rng.normal(0, 3, (len(pairs), n_pixel))
    weight = np.where(rng.random(phase.shape) < 0.5, 10 ** (-decades / 2), 10 ** (decades / 2))
    phase, weight = (values.astype("f4").astype("f8") for values in (phase, weight))
    case = Case(dated(pairs, rng), phase, weight, np.ones(phase.shape, bool))
    exact = series_of(solve(ELIMINATION_64, case, device))
    assert_series_close(series_of(solve(ELIMINATION_32, case, device)), exact, ELIMINATION_32)


def test_complete_pixels_that_share_a_factor_leave_out_those_that_lack_a_single_pair(device):
    case = case_of(0, n_pixel=40)
    assert shared.is_faster(plan_elimination(case.network))
    valid = np.ones(case.phase.shape, bool)
    valid[np.arange(10), np.arange(10)] = False
    lacking = case._replace(weight=valid.astype("f8"), valid=valid)
    solution = solve(ELIMINATION_32, lacking, device, method=Method(unweighted=True))
    assert_series_close(series_of(solution), series_by_svd(lacking, "velocity"), ELIMINATION_32)
    assert solution.pair_count.tolist() == valid.sum(0).tolist()


def test_what_a_pixel_without_answer_has_is_not_gap_filled(device):
    """Neither where nothing is observed nor where a date lacks the pairs that are asked for."""
    case = case_of(0, n_pixel=3)
    weight = case.weight.copy()
    weight[:, 1] = 0
    weight[(case.network.pair_array == 7).any(1), 2] = 0
    case = case._replace(weight=weight, valid=weight > 0)
    tied = solve(ELIMINATION_32, case, device)
    assert tied.gap_filled.sum(0).tolist() == [0, 0, 2]
    assert not series_of(tied)[:, 1].any()
    refused = solve(ELIMINATION_32, case, device, method=Method(min_redundancy=1.0))
    assert refused.too_few.tolist() == [False, True, True]
    assert not refused.gap_filled.any()
    apart = solve(ELIMINATION_32, case, device, method=Method(gap_rule="none"))
    assert not apart.gap_filled.any()
    assert np.isnan(series_of(apart)).sum(0).tolist() == [0, 0, 1]


def test_the_anchor_need_not_have_the_pairs_that_are_asked_for(device):
    case = case_of(0, n_pixel=2)
    ends = case.network.pair_array
    weight = case.weight.copy()
    weight[(ends == case.network.anchor).any(1) & (abs(ends[:, 0] - ends[:, 1]) > 1), 0] = 0
    weight[(ends == 5).any(1) & (abs(ends[:, 0] - ends[:, 1]) > 1) | (ends == [5, 6]).all(1), 1] = 0
    case = case._replace(weight=weight, valid=weight > 0)
    solution = solve(ELIMINATION_32, case, device, method=Method(min_redundancy=2.0))
    assert solution.too_few.tolist() == [False, True]
