import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver.observations import Observations, batches
from strategies import MISSING_PHASE, MISSING_WEIGHT

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 8))
RING = Network(DATES, ((0, 1), (2, 1), (2, 3), (4, 3), (4, 5), (6, 5), (6, 0)))
STAR = Network(DATES[:4], ((2, 0), (2, 1), (2, 3)))
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def loaded(network, phase, weight, dtype, device):
    """Phase and weight as they are after loading, but in the order and the sense of the network."""
    plan = plan_elimination(network)
    n_pixel = np.shape(phase)[1]
    observations = Observations(plan, n_pixel, dtype, device)
    observations.load(
        torch.tensor(phase, dtype=dtype, device=device), torch.tensor(weight, dtype=dtype, device=device)
    )
    back = torch.argsort(observations.order)
    turned = (observations.residual * observations.sign)[back]
    return turned.cpu().numpy(), observations.weight[back].cpu().numpy(), observations


@both_dtypes
def test_good_observations_are_taken_as_they_are(dtype, device):
    rng = np.random.default_rng(0)
    phase = rng.normal(size=(7, 3)).astype("f4")
    weight = rng.uniform(0.1, 9, (7, 3)).astype("f4")
    found_phase, found_weight, _ = loaded(RING, phase, weight, dtype, device)
    np.testing.assert_array_equal(found_phase, phase)
    np.testing.assert_array_equal(found_weight, weight)


@both_dtypes
@pytest.mark.parametrize("bad", MISSING_PHASE)
def test_a_phase_that_is_no_reasonable_number_is_missing(bad, dtype, device):
    phase = np.ones((7, 2))
    phase[3, 1] = bad
    found_phase, found_weight, _ = loaded(RING, phase, np.ones((7, 2)), dtype, device)
    expected = np.ones((7, 2))
    expected[3, 1] = 0
    np.testing.assert_array_equal(found_phase, expected)
    np.testing.assert_array_equal(found_weight, expected)


@both_dtypes
@pytest.mark.parametrize("bad", [*MISSING_WEIGHT, -np.float32(1e-30)])
def test_a_weight_that_is_no_positive_number_makes_its_phase_missing(bad, dtype, device):
    weight = np.full((7, 2), 2.0)
    weight[5, 0] = bad
    _, found_weight, observations = loaded(RING, np.ones((7, 2)), weight, dtype, device)
    expected = np.full((7, 2), 2.0)
    expected[5, 0] = 0
    np.testing.assert_array_equal(found_weight, expected)
    assert torch.isfinite(observations.residual).all()


@both_dtypes
@pytest.mark.parametrize(
    ("phase", "weight", "valid"),
    [
        (1.7e10, 1, True),
        (-1.7e10, 1, True),
        (1.8e10, 1, False),
        (-1.8e10, 1, False),
        (1, 1.4e17, True),
        (1, 1.5e17, False),
        (1, 7e-18, True),
        (1, 6.9e-18, False),
        (0, 1, True),  # zero is a phase to a solver; that it is no data to a file is the block's business
        (1e-30, 1, True),
    ],
)
def test_the_limits_are_wide_and_the_same_in_both_precisions(phase, weight, valid, dtype, device):
    _, found, _ = loaded(STAR, np.full((3, 1), phase), np.full((3, 1), weight), dtype, device)
    np.testing.assert_array_equal(found > 0, valid)


@pytest.mark.parametrize("weight", [9e16, 1.1e-17])
def test_weights_at_the_limits_neither_overflow_nor_vanish_in_float32(weight, device):
    from fringefleet.solver import elimination

    workspace = elimination.Workspace(plan_elimination(RING), 1, torch.float32, device)
    truth = torch.arange(7.0, device=device)[:, None]
    i, j = torch.tensor(RING.pair_array, device=device).T
    solution = elimination.solve(workspace, truth[j] - truth[i], torch.full((7, 1), weight, device=device))
    torch.testing.assert_close(solution.phase, truth)


def test_fewest_pairs_leaves_out_the_anchor(device):
    weight = np.ones((3, 3))
    weight[0, 1] = 0  # the only pair of date 0
    weight[:, 2] = 0
    _, _, observations = loaded(STAR, np.ones((3, 3)), weight, torch.float32, device)
    np.testing.assert_array_equal(observations.fewest_pairs().cpu(), [1, 0, 0])


def test_fewest_pairs_counts_dates_not_weights(device):
    weight = np.full((7, 2), 0.25)
    weight[0, 1] = 0  # between dates 0 and 1
    _, _, observations = loaded(RING, np.ones((7, 2)), weight, torch.float32, device)
    np.testing.assert_array_equal(observations.fewest_pairs().cpu(), [2, 1])


@pytest.mark.parametrize("n_row", [1, 3, 4, 5, 8, 9])
def test_batches_cover_every_row_once(n_row):
    assert [k for rows in batches(n_row) for k in range(rows.start, rows.stop)] == list(range(n_row))
