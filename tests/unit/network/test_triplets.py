from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings

from fringefleet.network.network import Network
from fringefleet.network.triplets import triplets
from strategies import dated, networks

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 6))


def by_hand(network):
    """Go through every three dates; what the vectorised search must find, in the same order."""
    index = {tuple(sorted(pair)): k for k, pair in enumerate(network.pairs)}
    wanted = [((i, j), (j, k), (i, k)) for i, j, k in combinations(range(network.n_date), 3)]
    return [[index[pair] for pair in three] for three in wanted if all(pair in index for pair in three)]


def network_of(n_date, gaps):
    pairs = [(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date]
    return dated(np.array(pairs), np.random.default_rng(0))


@settings(max_examples=30)
@given(networks(most_dates=20))
def test_every_three_dates_that_are_all_paired_are_found_once(network):
    assert triplets(network).tolist() == by_hand(network)


def test_pairs_come_as_first_leg_second_leg_and_across_whichever_date_they_start_at():
    network = Network(DATES, ((4, 0), (2, 4), (1, 3), (2, 0)))
    assert triplets(network).tolist() == [[3, 1, 0]]


@pytest.mark.parametrize("pairs", [[(0, 1)], [(0, 1), (1, 2), (2, 3)], [(0, 1), (2, 0), (0, 3)]])
def test_a_pair_a_chain_and_a_star_have_no_triplets(pairs):
    assert triplets(Network(DATES[: len(pairs) + 1], tuple(pairs))).shape == (0, 3)


@pytest.mark.parametrize(
    ("n_date", "gaps", "expected"),
    [
        (30, range(1, 30), comb(30, 3)),
        (98, range(1, 4), 96 + 2 * 95),  # spans of 2 and 3
        (300, range(1, 11), sum((span - 1) * (300 - span) for span in range(2, 11))),
    ],
)
def test_regular_networks_have_as_many_triplets_as_counted_on_paper(n_date, gaps, expected):
    assert len(triplets(network_of(n_date, gaps))) == expected


def test_a_large_random_network_has_as_many_triplets_as_its_adjacency_matrix_says():
    rng = np.random.default_rng(1)
    first, second = np.triu_indices(1000, 1)
    chosen = (rng.random(len(first)) < 0.01) | (second - first == 1)
    network = dated(np.stack([first[chosen], second[chosen]], axis=1), rng)
    adjacent = np.zeros((1000, 1000))
    i, j = network.pair_array.T
    adjacent[i, j] = adjacent[j, i] = 1
    assert len(triplets(network)) == round(np.sum(adjacent @ adjacent * adjacent) / 6)


def test_triplets_are_made_once_per_network_and_cannot_be_changed():
    pairs = ((0, 1), (1, 2), (0, 2))
    found = triplets(Network(DATES[:3], pairs))
    assert triplets(Network(DATES[:3], pairs)) is found
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
