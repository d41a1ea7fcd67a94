from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import elimination, quality
from fringefleet.solver.observations import Observations
from fringefleet.solver.pair_residuals import sum_pairs
from strategies import SEEDS, cases

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 9))
RING = Network(DATES[:4], ((0, 1), (3, 0), (2, 1), (3, 2)))
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def summed(network, residual, weight, device, *, keep=None, dtype=torch.float64):
    """Sums of residuals [rad] that are given in the order of the network."""
    n_pixel = np.shape(residual)[1]
    observations = Observations(plan_elimination(network), n_pixel, dtype, device)
    observations.load(
        torch.tensor(residual, dtype=dtype, device=device), torch.tensor(weight, dtype=dtype, device=device)
    )
    quality.measure_quality(observations)  # what is missing is zero after it
    kept = np.ones(n_pixel) if keep is None else keep
    return sum_pairs(observations, torch.tensor(kept, dtype=dtype, device=device))


@both_dtypes
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), seed=SEEDS)
def test_sums_are_those_over_valid_and_kept_pixels_in_the_order_of_the_network(dtype, device, case, seed):
    keep = np.random.default_rng(seed).integers(0, 2, 6)
    sums = summed(case.network, case.phase, case.weight, device, keep=keep, dtype=dtype)
    counted = case.valid & (keep == 1)
    residual = np.where(counted, case.phase, 0)
    np.testing.assert_array_equal(sums.n_pixel.cpu(), counted.sum(1))
    np.testing.assert_array_equal(sums.n_cycle.cpu(), (np.abs(residual) > np.pi).sum(1))
    np.testing.assert_allclose(sums.square_sum.cpu(), (residual**2).sum(1), rtol=1e-6)


def test_rms_and_share_of_cycles_by_hand(device):
    residual = np.array([[1.0, -7, 0, 0], [3.2, -3.2, 3.1, -3.1], [0, 0, 0, 0], [4, 4, 4, 4]])
    weight = np.ones((4, 4))
    weight[0, 2:] = 0
    weight[3] = 0
    sums = summed(RING, residual, weight, device)
    np.testing.assert_allclose(
        sums.residual_rms.cpu(), [5, np.sqrt((3.2**2 + 3.1**2) / 2), 0, np.nan], rtol=1e-12
    )
    np.testing.assert_allclose(sums.cycle_share.cpu(), [1 / 2, 2 / 4, 0, np.nan])


@both_dtypes
def test_sums_of_two_halves_add_up_to_those_of_the_whole_in_float64(dtype, device):
    residual = np.random.default_rng(0).normal(0, 3, (4, 10))
    weight = np.random.default_rng(1).choice([0, 0.5, 2.0], (4, 10))
    left = summed(RING, residual[:, :4], weight[:, :4], device, dtype=dtype)
    right = summed(RING, residual[:, 4:], weight[:, 4:], device, dtype=dtype)
    whole = summed(RING, residual, weight, device, dtype=dtype)
    joined = left + right
    for name in ("n_pixel", "square_sum", "n_cycle", "residual_rms", "cycle_share"):
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name), rtol=1e-6, atol=0)
    assert joined.square_sum.dtype == torch.float64


def test_many_batches_in_float32_lose_nothing(device):
    one = summed(RING, np.ones((4, 1)), np.ones((4, 1)), device, dtype=torch.float32)
    big = summed(RING, np.full((4, 1), 2.0**15), np.ones((4, 1)), device, dtype=torch.float32)
    np.testing.assert_array_equal((big + one).square_sum.cpu(), 2.0**30 + 1)


def test_least_squares_leave_in_a_pair_what_the_others_know_better(device):
    network = Network(DATES, tuple(combinations(range(8), 2)))
    phase = torch.zeros((network.n_pair, 3), dtype=torch.float64, device=device)
    phase[11] = 2 * np.pi
    workspace = elimination.Workspace(plan_elimination(network), 3, torch.float64, device)
    elimination.solve(workspace, phase, torch.ones_like(phase))
    sums = sum_pairs(workspace.observations, torch.ones_like(phase[0]))
    leverage = 7 / network.n_pair  # of every pair, as all are alike
    assert sums.residual_rms[11].item() == pytest.approx(2 * np.pi * (1 - leverage))
    assert torch.nonzero(sums.cycle_share).tolist() == [[11]]
