"""Results without any answer, and the option that they are due to."""

import pytest

from fringefleet.errors import OptionError, in_words_of_python
from fringefleet.network.network import Network
from fringefleet.products.answers import ANSWERED, WITHOUT, check_redundancy, describe_no_answer, named_counts
from fringefleet.status import Status

NETWORK = Network.from_dates(
    ["2020-01-01", "2020-01-01", "2020-01-13"], ["2020-01-13", "2020-01-25", "2020-01-25"]
)
CHAIN = Network.from_dates(["2020-01-01", "2020-01-13"], ["2020-01-13", "2020-01-25"])


@pytest.mark.parametrize(
    ("network", "least"), [(NETWORK, 2), (NETWORK, 2.0), (CHAIN, 1), (CHAIN, 0), (CHAIN, 0.5)]
)
def test_as_many_pairs_as_there_are_may_be_asked_for(network, least):
    check_redundancy(network, least)


@pytest.mark.parametrize(
    ("network", "least", "message"),
    [
        (NETWORK, 2.5, "found min_redundancy = 2.5, but 20200101 has only 2 pairs .* Give 2 or less"),
        (NETWORK, 99, "found min_redundancy = 99, but 20200101 has only 2 pairs"),
        (CHAIN, 2, "found min_redundancy = 2, but 20200101 has only 1 pairs .* Give 1 or less"),
    ],
)
def test_more_pairs_than_there_are_is_refused_with_the_date_that_has_fewest(network, least, message):
    with pytest.raises(OptionError, match=message):
        check_redundancy(network, least)


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (Status.TOO_FEW_PAIRS, {"min_redundancy": 3.0}, "check min_redundancy = 3, the minimum"),
        (Status.MASKED, {"water_mask": "sea.h5"}, "check water_mask and average_coherence, which exclude"),
        (Status.FAILED_TILE, {}, "on_error = skip skipped"),
        (Status.NO_OBSERVATION, {}, "the stack contains no data"),
        (Status.NO_OBSERVATION, {"mask_dataset": "none"}, "the stack contains no data"),
        (
            Status.NO_OBSERVATION,
            {"mask_dataset": "coherence", "mask_threshold": 0.9},
            "check mask_dataset = coherence with mask_threshold = 0.9",
        ),
        (
            Status.NO_OBSERVATION,
            {"mask_dataset": "connected_component", "mask_threshold": 0.4},
            "check mask_dataset = connected_component, which",
        ),
    ],
)
def test_the_option_that_leaves_no_answer_is_named(status, said, message):
    counts = {status.name.lower(): 900, Status.REFERENCE_POINT.name.lower(): 1, Status.MASKED.name.lower(): 5}
    counts[status.name.lower()] = 900
    found = describe_no_answer(counts, said)
    assert message in in_words_of_python(found)
    assert f"900 {status.name.lower()}" in found


@pytest.mark.parametrize("status", ANSWERED)
def test_one_answer_is_enough(status):
    assert describe_no_answer({"masked": 10**9, status.name.lower(): 1}, {}) is None


def test_nothing_is_said_where_nothing_was_done():
    assert describe_no_answer(named_counts(()), {}) is None


def test_every_status_is_an_answer_or_none_or_the_reference():
    assert {*ANSWERED, *WITHOUT, Status.REFERENCE_POINT} == set(Status)
