import numpy as np
import pytest
from hypothesis import given

from fringefleet.errors import NetworkError
from fringefleet.network.network import Network
from reference_series import label_by_search
from strategies import networks

DATES = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00", "2019-01-06T06:00:00")


def test_dates_are_found_sorted_and_each_once():
    days = np.array(DATES, "datetime64[s]")
    network = Network.from_dates(days[[3, 0, 2]], days[[0, 1, 1]])
    assert network.dates == DATES
    assert network.pairs == ((3, 0), (0, 1), (2, 1))
    assert (network.n_date, network.n_pair) == (4, 3)
    np.testing.assert_array_equal(network.times, days)


def test_years_are_of_365_25_days():
    np.testing.assert_allclose(
        Network(DATES, ((0, 1), (1, 2), (2, 3))).years, [0, 12 / 365.25, 24 / 365.25, 1]
    )


def test_networks_from_the_same_dates_are_equal_and_hash_equal():
    one, other = (Network(DATES[:2] + DATES[2:], ((0, 1), (1, 2), (2, 3))) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Network(DATES, ((1, 0), (1, 2), (2, 3)))


@pytest.mark.parametrize(
    ("pairs", "anchor"),
    [
        (((0, 1), (1, 2), (2, 3)), 0),
        (((2, 0), (2, 1), (2, 3)), 2),
        (((0, 2), (1, 2), (3, 2)), 0),  # a common secondary date is none
        (((3, 0), (3, 1), (3, 2)), 3),
    ],
)
def test_the_anchor_is_the_first_date_or_the_one_reference_date_of_all(pairs, anchor):
    assert Network(DATES, pairs).anchor == anchor


@given(networks())
def test_component_labels_are_those_of_a_graph_search(network):
    expected = label_by_search(network, np.ones(network.n_pair, bool))
    np.testing.assert_array_equal(network.component_labels(), expected)


def test_pairs_are_named_as_in_the_field_with_a_time_where_there_is_one():
    network = Network(DATES, ((0, 1), (3, 2), (1, 2)))
    assert network.pair_name(0) == "20180106_20180118"
    assert network.pair_name(1) == "20190106T060000_20180130"
    assert network.pair_names([0, 2]) == "20180106_20180118, 20180118_20180130"
    assert network.pair_names([0, 1, 2], at_most=1) == "20180106_20180118, ... (3 in all)"


def test_a_single_date_is_no_series():
    with pytest.raises(NetworkError, match=r"found 1 date\(s\) in 0 pair\(s\).*needs at least 2 dates"):
        Network(DATES[:1], ())


def test_a_pair_of_a_date_with_itself_is_refused_by_name():
    with pytest.raises(
        NetworkError, match=r"found 1 pair\(s\) of a date with itself: 20180118; .*dropIfgram"
    ):
        Network(DATES, ((0, 1), (1, 1), (1, 2), (2, 3)))


@pytest.mark.parametrize("copy", [(0, 1), (1, 0)])
def test_the_same_two_dates_twice_are_refused_in_either_order(copy):
    with pytest.raises(NetworkError, match=r"found 1 duplicate pair\(s\).*2018.*_2018.*every pair may occur"):
        Network(DATES, ((0, 1), (1, 2), copy, (2, 3)))


def test_a_date_that_no_pair_uses_is_refused():
    with pytest.raises(NetworkError):  # as its docstring says
        Network(DATES, ((0, 1), (1, 2)))
