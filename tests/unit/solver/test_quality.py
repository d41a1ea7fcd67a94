import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import quality
from fringefleet.solver.observations import Observations

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 7))
CHAIN = Network(DATES, tuple((i, i + 1) for i in range(5)))
TURNED = Network(DATES, ((1, 0), *((i, i + 1) for i in range(1, 5))))


def measured(network, residual, weight, device):
    """Quality of residuals [rad] given in the order and the sense of the pairs of the network."""
    observations = Observations(plan_elimination(network), np.shape(residual)[1], torch.float64, device)
    observations.load(
        torch.tensor(residual, dtype=torch.float64, device=device),
        torch.tensor(weight, dtype=torch.float64, device=device),
    )
    return [values.cpu().numpy() for values in quality.measure_quality(observations)]


def test_no_residual_is_a_coherence_of_exactly_one(device):
    coherence, rms, count = measured(CHAIN, np.zeros((5, 2)), np.ones((5, 2)), device)
    np.testing.assert_array_equal(coherence, 1)
    np.testing.assert_array_equal(rms, 0)
    np.testing.assert_array_equal(count, 5)


def test_residuals_by_hand(device):
    quarter = np.pi / 2
    residual = np.array([[0, 0, quarter, -quarter, 0], [quarter, 0, 0, 0, 0]]).T
    coherence, rms, _ = measured(CHAIN, residual, np.ones((5, 2)), device)
    np.testing.assert_allclose(coherence, [3 / 5, np.hypot(4, 1) / 5])
    np.testing.assert_allclose(rms, quarter * np.sqrt([2 / 5, 1 / 5]))


def test_weights_do_not_count_but_whether_there_is_one(device):
    residual = np.array([[0.5, -0.5, 2.0, 3.0, 0.0]]).T
    weight = np.array([[0.01, 100, 0, 0, 7]]).T
    coherence, rms, count = measured(CHAIN, residual, weight, device)
    np.testing.assert_allclose(coherence, (2 * np.cos(0.5) + 1) / 3)
    np.testing.assert_allclose(rms, np.sqrt(0.5 / 3))
    np.testing.assert_array_equal(count, 3)


def test_a_pair_turned_round_with_its_sign_changes_the_coherence_as_it_is_defined(device):
    residual = np.array([[0.5, 0.5, 0.5, 0.5, 0.5]]).T
    other = residual.copy()
    other[0] *= -1
    same, _, _ = measured(CHAIN, residual, np.ones((5, 1)), device)
    changed, _, _ = measured(TURNED, other, np.ones((5, 1)), device)
    np.testing.assert_allclose(same, 1)
    np.testing.assert_allclose(changed, np.abs(4 * np.exp(0.5j) + np.exp(-0.5j)) / 5)


def test_whole_turns_are_no_incoherence_but_a_residual(device):
    coherence, rms, _ = measured(CHAIN, np.full((5, 1), 2 * np.pi), np.ones((5, 1)), device)
    np.testing.assert_allclose(coherence, 1)
    np.testing.assert_allclose(rms, 2 * np.pi)


def test_a_pixel_without_pairs_has_no_quality(device):
    coherence, rms, count = measured(CHAIN, np.zeros((5, 1)), np.zeros((5, 1)), device)
    assert np.isnan([coherence, rms]).all()
    assert count == 0


@pytest.mark.parametrize("n_date", [2, 4, 5, 6])
def test_every_pair_counts_however_many_there_are(n_date, device):
    network = Network(DATES[:n_date], tuple((i, i + 1) for i in range(n_date - 1)))
    residual = np.linspace(-1, 1, n_date)[:-1, None]
    coherence, rms, count = measured(network, residual, np.ones((n_date - 1, 1)), device)
    np.testing.assert_allclose(coherence, np.abs(np.exp(1j * residual).mean()))
    np.testing.assert_allclose(rms, np.sqrt((residual**2).mean()))
    assert count == n_date - 1


def test_rounding_never_lifts_the_coherence_above_one(device):
    residual = torch.linspace(-3, 3, 2000, device=device).repeat(5, 1)
    observations = Observations(plan_elimination(CHAIN), 2000, torch.float32, device)
    observations.residual.copy_(residual * observations.sign)
    observations.weight.fill_(1)
    assert quality.measure_quality(observations).temporal_coherence.max() == 1
