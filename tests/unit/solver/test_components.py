import numpy as np
import torch
from hypothesis import HealthCheck, given, settings

from fringefleet.network.network import Network
from fringefleet.solver.components import label_parts
from reference_series import label_by_search
from strategies import SEEDS, networks


def labels_of(pairs, valid, n_date, root, device=None):
    ends = torch.tensor(pairs, device=device).reshape(-1, 2)
    return label_parts(ends, torch.tensor(valid, device=device), n_date, root).cpu().numpy()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks(), SEEDS)
def test_labels_are_those_of_a_graph_search_with_the_part_of_the_root_first(device, network, seed):
    rng = np.random.default_rng(seed)
    root = int(rng.integers(network.n_date))
    valid = rng.random((network.n_pair, 5)) < rng.random(5)
    found = labels_of(network.pair_array, valid, network.n_date, root, device)
    for pixel in range(5):
        labels = label_by_search(network, valid[:, pixel])
        order = [labels[root], *(label for label in range(labels.max() + 1) if label != labels[root])]
        expected = np.argsort(order)[labels]
        np.testing.assert_array_equal(found[:, pixel], expected)


def test_dates_without_pairs_are_parts_of_their_own_in_order_of_date():
    np.testing.assert_array_equal(labels_of([(1, 3)], [[True]], 5, 3), [[1], [0], [2], [0], [3]])


def test_a_long_chain_in_a_bad_order_is_one_part():
    order = np.random.default_rng(0).permutation(400)
    pairs = np.stack([order[:-1], order[1:]], axis=1)
    np.testing.assert_array_equal(labels_of(pairs, np.ones((399, 2), bool), 400, 17), 0)


def test_the_helper_of_these_tests_numbers_parts_by_their_first_date():
    days = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 6))
    network = Network(days, ((4, 0), (1, 3), (2, 4)))
    np.testing.assert_array_equal(label_by_search(network, np.ones(3, bool)), [0, 1, 0, 1, 0])
