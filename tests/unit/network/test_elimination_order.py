import pickle

import numpy as np
import pytest
from hypothesis import given

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from named_networks import scattered
from strategies import SEEDS, networks

LONG_AGO = np.datetime64("1995-01-01", "s")


def network_of(pairs):
    first, second = (
        LONG_AGO + np.array(side) * np.timedelta64(86400, "s") for side in zip(*pairs, strict=True)
    )
    return Network.from_dates(first, second)


def neighbours(n_date, reach, *more):
    gaps = [*range(1, reach + 1), *more]
    return network_of([(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date])


@given(networks(), SEEDS)
def test_every_date_goes_once_and_the_root_last(network, seed):
    plan = plan_elimination(network, seed % network.n_date)
    assert sorted(plan.order) == list(range(network.n_date))
    assert plan.order[-1] == plan.root == seed % network.n_date


@given(networks(), SEEDS)
def test_the_plan_is_a_fill_path_of_the_graph(network, seed):
    """Follow the plan with sets: every slot, row and run is where an elimination by hand puts it."""
    plan = plan_elimination(network, seed % network.n_date)
    place = {date: position for position, date in enumerate(plan.order)}
    edges = {tuple(sorted((place[i], place[j]))) for i, j in network.pairs}
    slots, rows = [], []
    for position, turn in enumerate(plan.turns):
        later = sorted(b for a, b in edges if a == position)
        edges |= {(a, b) for a in later for b in later if a < b}
        assert members(turn.neighbours) == dict(enumerate(later))
        slots += [(position, b) for b in later]
        assert turn.slots.stop == len(slots) or not later
        rows += [(position, plan_row_end(plan, place, row)) for row in range(turn.rows.start, turn.rows.stop)]
        assert members(turn.partners) == {
            row - turn.rows.start: rows[row][1] for row in range(turn.rows.start, turn.rows.stop)
        }
    assert plan.n_slot == len(slots) == len(edges)
    assert len(rows) == network.n_pair
    index = {edge: slot for slot, edge in enumerate(slots)}
    for position, turn in enumerate(plan.turns):
        later = sorted(b for a, b in edges if a == position)
        for row, slot in members(turn.pair_slots).items():
            assert index[rows[turn.rows.start + row]] == slot
        updated = {
            (later[up.neighbour], later[a]): slot
            for up in turn.updates
            for a, slot in members([up.run]).items()
        }
        assert updated == {(a, b): index[a, b] for a in later for b in later if a < b}


@given(networks(), SEEDS)
def test_the_date_that_goes_has_the_fewest_ties_and_is_the_latest_of_those(network, seed):
    plan = plan_elimination(network, seed % network.n_date)
    tied = {date: set() for date in range(network.n_date)}
    for i, j in network.pairs:
        tied[i].add(j)
        tied[j].add(i)
    for date in plan.order[:-1]:
        waiting = set(tied) - {plan.root}
        assert date == min(waiting, key=lambda other: (len(tied[other]), -other))
        around = tied.pop(date)
        for other in around:
            tied[other] = (tied[other] | around) - {other, date}


@given(networks(), SEEDS)
def test_every_pair_has_a_row_and_the_sign_of_its_direction(network, seed):
    plan = plan_elimination(network, seed % network.n_date)
    assert sorted(plan.pair_order) == list(range(network.n_pair))
    place = {date: position for position, date in enumerate(plan.order)}
    for pair, sign in zip(plan.pair_order, plan.pair_sign, strict=True):
        i, j = network.pairs[pair]
        assert sign == (1 if place[j] < place[i] else -1)  # phase[earlier] - phase[later]


@pytest.mark.parametrize(
    ("network", "n_fill"),
    [
        (neighbours(40, 1), 0),
        (neighbours(40, 3), 0),  # chordal: a perfect order exists and minimum degree finds it
        (network_of([(0, i) for i in range(1, 20)]), 0),
        (neighbours(15, 15), 0),
        (network_of([(0, 1)]), 0),
        (network_of([(i, (i + 1) % 10) for i in range(10)]), 7),  # a ring: triangles all the way
        (network_of([(i, j) for i in range(3) for j in range(3, 6)]), 3),  # K(3, 3)
    ],
    ids=["chain", "neighbours", "star", "all pairs", "one pair", "ring", "bipartite"],
)
def test_known_networks_have_the_known_fill(network, n_fill):
    assert plan_elimination(network).n_fill == n_fill


@pytest.mark.parametrize("root", [0, 7, 29])
def test_a_star_eliminates_its_rays_whatever_the_root(root):
    star = network_of([(10, i) for i in range(30) if i != 10])
    plan = plan_elimination(star, root)
    assert plan.n_fill == 0
    assert plan.n_neighbour == 1


def test_neighbours_of_a_sequential_network_are_handled_in_one_operation():
    plan = plan_elimination(neighbours(50, 3))
    assert all(len(turn.neighbours) == 1 for turn in plan.turns)
    assert sum(len(turn.pair_slots) for turn in plan.turns) == 49


def test_a_thousand_dates_with_annual_pairs_are_planned_with_little_fill():
    network = neighbours(1000, 4, 30, 31)
    plan = plan_elimination(network)
    assert network.n_pair == 5929
    assert plan.n_fill < 40 * network.n_pair  # a dense factor of it has 84
    assert plan.n_neighbour < 200


@pytest.mark.parametrize("root", [0, 613])
def test_a_thousand_scattered_dates_are_planned_as_a_dense_matrix_is_eliminated(root):
    """Half a million runs: every edge among the neighbours of a date is updated just once, at its slot."""
    network = network_of(scattered(1000, 5000))
    plan = plan_elimination(network, root)
    places = np.argsort(plan.order)[network.pair_array]
    tied = np.zeros((1000, 1000), bool)
    tied[places, places[:, ::-1]] = True
    slot = np.full(tied.shape, -1)
    n_slot = 0
    for place, turn in enumerate(plan.turns):
        degree = tied[place:, place:].sum(1)[np.arange(place, 1000) != 999]
        later = np.flatnonzero(tied[place])
        assert len(later) == degree.min()
        assert turn.slots == slice(n_slot, n_slot + len(later))
        slot[place, later] = range(n_slot, n_slot + len(later))
        n_slot += len(later)
        np.testing.assert_array_equal(list(members(turn.neighbours).values()), later)
        tied[np.ix_(later, later)] = ~np.eye(len(later), dtype=bool)
        tied[later, place] = False
    assert plan.n_slot == n_slot > 100_000
    for place, turn in enumerate(plan.turns):
        later = np.flatnonzero(slot[place] >= 0)
        neighbour, start, stop, first = turn.mesh.T
        height = stop - start
        along = np.arange(height.sum()) - np.repeat(height.cumsum() - height, height)
        updated = np.full((len(later), len(later)), -1)
        updated[np.repeat(neighbour, height), np.repeat(start, height) + along] = (
            np.repeat(first, height) + along
        )
        assert height.sum() == len(later) * (len(later) - 1) // 2
        np.testing.assert_array_equal(updated, np.triu(slot[np.ix_(later, later)] + 1, 1) - 1)


def test_a_thousand_scattered_dates_have_the_rows_of_their_pairs():
    network = network_of(scattered(1000, 5000))
    plan = plan_elimination(network, 999)
    places = np.sort(np.argsort(plan.order)[network.pair_array[list(plan.pair_order)]])
    assert (np.diff(places @ [1000, 1]) > 0).all()
    for place, turn in enumerate(plan.turns):
        np.testing.assert_array_equal(places[turn.rows, 0], place)
        np.testing.assert_array_equal(places[turn.rows, 1], list(members(turn.partners).values()))


def test_the_plan_of_a_network_is_made_once():
    assert plan_elimination(neighbours(9, 2), 3) is plan_elimination(neighbours(9, 2), 3)


def test_plans_are_equal_just_where_network_and_root_are():
    plan = plan_elimination(neighbours(9, 2), 3)
    other = plan_elimination.__wrapped__(neighbours(9, 2), 3)
    assert plan is not other
    assert plan == other
    assert hash(plan) == hash(other)
    assert plan != plan_elimination(neighbours(9, 2), 4)
    assert plan != plan_elimination(neighbours(9, 3), 3)


@given(networks())
def test_a_plan_that_was_sent_to_another_process_says_the_same(network):
    plan = plan_elimination(network)
    sent = pickle.loads(pickle.dumps(plan))
    assert sent == plan
    for name in ("order", "pair_order", "pair_sign", "n_slot", "n_neighbour", "n_fill"):
        assert getattr(sent, name) == getattr(plan, name)
    for one, other in zip(sent.turns, plan.turns, strict=True):
        for name in ("slots", "neighbours", "updates", "rows", "partners", "pair_slots"):
            assert getattr(one, name) == getattr(other, name)


def members(runs):
    return {k: run.target + k - run.start for run in runs for k in range(run.start, run.stop)}


def plan_row_end(plan, place, row):
    i, j = plan.network.pairs[plan.pair_order[row]]
    return max(place[i], place[j])
