import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import elimination, uncertainty

DTYPES = [torch.float32, torch.float64]


def network_of(n_date, pairs):
    days = np.datetime64("2020-01-01T00:00:00") + np.arange(n_date) * np.timedelta64(12, "D")
    return Network(tuple(days.astype(str).tolist()), tuple(pairs))


def neighbours_of(n_date, reach):
    return [(i, i + gap) for i in range(n_date) for gap in range(1, reach + 1) if i + gap < n_date]


TRIANGLE = network_of(3, [(0, 1), (1, 2), (0, 2)])
CHAIN = network_of(4, [(0, 1), (1, 2), (2, 3)])
NETWORKS = {
    "sequential": network_of(40, neighbours_of(40, 3)),
    "annual": network_of(40, neighbours_of(40, 2) + [(i, i + 12) for i in range(28)]),
    "all pairs": network_of(20, neighbours_of(20, 19)),
}


class Solved:
    """A batch that has been solved, and what is measured after it."""

    def __init__(self, network, n_pixel, dtype, device, *, root=0):
        self.to = {"dtype": dtype, "device": device}
        self.work = elimination.Workspace(plan_elimination(network, root), n_pixel, dtype, device)
        self.factor = uncertainty.Factor(self.work.plan, self.work.edge, self.work.inverse)
        self.room = uncertainty.VarianceBuffers(self.factor)

    def solve(self, weight, phase=None):
        weight = torch.as_tensor(weight, **self.to)
        phase = torch.zeros_like(weight) if phase is None else torch.as_tensor(phase, **self.to)
        self.solution = elimination.solve(self.work, phase, weight)
        return self

    def variances(self):
        return uncertainty.selected_variances(self.room)

    def covariance(self, *pixels):
        return uncertainty.covariance(self.factor, torch.tensor(pixels, device=self.to["device"]))

    def variance_factor(self):
        solution = self.solution
        return uncertainty.variance_factor(self.work.observations, solution.pair_count, solution.n_components)


def random_weights(network, n_pixel, decades, seed=0):
    shape = (network.n_pair, n_pixel)
    return 10 ** np.random.default_rng(seed).uniform(-decades / 2, decades / 2, shape)


def inverse_of(network, weight, root):
    """The covariance of one pixel by NumPy, for connected networks and weights not far apart."""
    incidence = np.zeros((network.n_pair, network.n_date))
    rows = np.arange(network.n_pair)
    incidence[rows, network.pair_array[:, 0]] = -1
    incidence[rows, network.pair_array[:, 1]] = 1
    rest = np.delete(np.arange(network.n_date), root)
    result = np.zeros((network.n_date,) * 2)
    result[np.ix_(rest, rest)] = np.linalg.inv((incidence.T * weight @ incidence)[np.ix_(rest, rest)])
    return result


def test_along_a_chain_the_variances_of_the_pairs_add_up_from_the_root(device):
    found = Solved(CHAIN, 1, torch.float64, device, root=1).solve([[0.5], [0.25], [0.1]]).variances()
    np.testing.assert_allclose(found[:, 0].cpu(), [2, 0, 4, 14])


def test_a_second_way_to_a_date_halves_what_it_adds_as_resistors_in_parallel_do(device):
    solved = Solved(TRIANGLE, 1, torch.float64, device).solve([[1.0], [1.0], [1.0]])
    np.testing.assert_allclose(solved.variances()[:, 0].cpu(), [0, 2 / 3, 2 / 3])
    np.testing.assert_allclose(
        solved.covariance(0)[..., 0].cpu(), [[0, 0, 0], [0, 2 / 3, 1 / 3], [0, 1 / 3, 2 / 3]]
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("root", [0, 7])
def test_the_covariance_is_the_inverse_of_the_normal_matrix(name, root, device):
    network = NETWORKS[name]
    weight = random_weights(network, 3, 2)
    solved = Solved(network, 3, torch.float64, device, root=root).solve(weight)
    found, variances = solved.covariance(2, 0).cpu().numpy(), solved.variances().cpu().numpy()
    for place, pixel in enumerate((2, 0)):
        expected = inverse_of(network, weight[:, pixel], root)
        np.testing.assert_allclose(found[..., place], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(variances[:, pixel], np.diag(expected), rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_is_as_good_as_its_digits(name, device):
    weight = random_weights(NETWORKS[name], 50, 6).astype(np.float32)
    single, double = (Solved(NETWORKS[name], 50, d, device).solve(weight) for d in DTYPES)
    exact = double.variances().cpu().numpy()
    np.testing.assert_allclose(single.variances().cpu(), exact, rtol=1e-5)
    np.testing.assert_allclose(single.covariance(3).cpu(), double.covariance(3).cpu(), rtol=1e-5)


def test_long_runs_of_edges_give_what_short_ones_give(monkeypatch, device):
    network = NETWORKS["all pairs"]
    weight = random_weights(network, 5, 4)
    found = []
    for length in (1, uncertainty.LONG_RUN, network.n_date):
        monkeypatch.setattr(uncertainty, "LONG_RUN", length)
        found.append(Solved(network, 5, torch.float64, device).solve(weight).variances())
    torch.testing.assert_close(found[0], found[1], rtol=1e-13, atol=0)
    torch.testing.assert_close(found[2], found[1], rtol=1e-13, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_date_that_is_cut_off_has_no_variance_and_the_others_keep_theirs(dtype, device):
    weight = [[4.0, 4.0], [0.0, 2.0], [1.0, 1.0]]  # the first pixel lacks the pair in the middle
    solved = Solved(CHAIN, 2, dtype, device).solve(weight)
    nan = np.nan
    np.testing.assert_allclose(
        solved.variances().cpu(), [[0, 0], [0.25, 0.25], [nan, 0.75], [nan, 1.75]], rtol=1e-6
    )
    whole, cut = solved.covariance(1, 0).unbind(2)
    assert whole.isfinite().all()
    np.testing.assert_allclose(cut[:2, :2].cpu(), [[0, 0], [0, 0.25]], rtol=1e-6)
    assert cut[2:].isnan().all()
    assert cut[:, 2:].isnan().all()


def test_a_pixel_without_observation_knows_the_root_only(device):
    found = Solved(TRIANGLE, 1, torch.float32, device).solve(np.zeros((3, 1))).variances()
    np.testing.assert_array_equal(found[:, 0].cpu(), [0, np.nan, np.nan])


def test_the_factor_is_left_alone_and_the_next_batch_starts_afresh(device):
    network = NETWORKS["annual"]
    holes = random_weights(network, 4, 3, seed=1)
    holes[::2] = 0
    weights = [holes, random_weights(network, 4, 3)]
    used = Solved(network, 4, torch.float64, device)
    first = used.solve(weights[0]).variances()
    kept = first.clone()
    factor = [values.clone() for values in used.solve(weights[1]).factor[1:]]
    second = used.variances()
    used.covariance(0, 1)
    torch.testing.assert_close(list(used.factor[1:]), factor, rtol=0, atol=0)
    fresh = Solved(network, 4, torch.float64, device).solve(weights[1]).variances()
    torch.testing.assert_close(second, fresh, rtol=0, atol=0)
    torch.testing.assert_close(used.variances(), fresh, rtol=0, atol=0)
    torch.testing.assert_close(first, kept, rtol=0, atol=0, equal_nan=True)


def test_the_covariance_of_no_pixel_is_empty(device):
    pixels = torch.zeros(0, dtype=torch.int64, device=device)
    solved = Solved(TRIANGLE, 2, torch.float32, device).solve(np.ones((3, 2)))
    assert uncertainty.covariance(solved.factor, pixels).shape == (3, 3, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_variance_factor_is_the_weighted_square_of_the_residual_per_redundant_pair(dtype, device):
    weight = np.array([[1.0, 1, 1], [2, 2, 2], [4, 0, 4]])
    phase = np.array([[1.0, 1, np.nan], [1, 1, 1], [9, 9, 2]])
    found = Solved(TRIANGLE, 3, dtype, device).solve(weight, phase).variance_factor()
    # A misclosure of 7 rad in a triangle of variances 1, 1/2, 1/4: 49 / 1.75. The others are not redundant.
    np.testing.assert_allclose(found.cpu(), [28, np.nan, np.nan], rtol=1e-5)


def test_a_cut_network_counts_one_unknown_less_for_each_part(device):
    triangles = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]
    network = network_of(6, [*triangles, (2, 3)])
    weight = np.ones((7, 2))
    weight[6, 0] = 0  # in two parts
    phase = np.array([0.0, 0, 3, 0, 0, 6, 5])[:, None].repeat(2, axis=1)
    solved = Solved(network, 2, torch.float64, device).solve(weight, phase)
    # Misclosures of 3 and 6 rad, two redundant pairs, whether or not the bridge is there.
    np.testing.assert_allclose(solved.variance_factor().cpu(), [(3 + 12) / 2, (3 + 12) / 2])


@pytest.mark.parametrize("scale", [1, 0.01])
def test_noise_of_the_variance_that_the_weights_say_has_the_factor_one_or_what_they_are_off_by(scale, device):
    network = NETWORKS["sequential"]
    weight = random_weights(network, 2000, 2)
    noise = np.random.default_rng(1).normal(0, weight**-0.5)
    found = Solved(network, 2000, torch.float32, device).solve(scale * weight, noise).variance_factor()
    # The mean over 2000 pixels of 75 redundant pairs each: 0.0037 is its standard deviation.
    np.testing.assert_allclose(found.mean().item() / scale, 1, atol=0.015)
