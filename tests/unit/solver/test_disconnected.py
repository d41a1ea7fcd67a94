"""Cut networks whose minimum-norm answer can be worked out by hand."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import subsets as pieces
from fringefleet.solver.config import Method
from fringefleet.solver.disconnected import connect_components, find_gap_filled

NAN = float("nan")


def network_of(days, *pairs):
    dates = np.datetime64("2018-01-01", "s") + np.array(days) * np.timedelta64(86400, "s")
    return Network(tuple(dates.astype(str).tolist()), pairs)


def connected(network, series, labels, rule, root=0):
    """Connect by one of the minimum norms, by a linear model, or not at all."""
    plan = plan_elimination(network, root)
    tensor = torch.tensor(series, dtype=torch.float64).reshape(network.n_date, -1)
    part = torch.tensor(labels).reshape(network.n_date, -1)
    method = Method(min_norm=rule) if rule in ("velocity", "phase") else Method(gap_rule=rule)
    return connect_components(plan, tensor, part, method).numpy()


EVEN = network_of([0, 10, 20, 30], (0, 1), (2, 3))
UNEVEN = network_of([0, 10, 40, 50], (0, 1), (2, 3))
WOVEN = network_of([0, 10, 30, 40], (0, 2), (1, 3))


def test_the_velocity_across_a_single_gap_is_zero():
    found = connected(EVEN, [0, 2, 7, 8], [0, 0, 1, 1], "velocity")
    np.testing.assert_allclose(found[:, 0], [0, 2, 2, 3], atol=1e-12)


def test_the_phase_of_a_part_without_the_anchor_has_zero_mean():
    found = connected(EVEN, [0, 2, 7, 9], [0, 0, 1, 1], "phase")
    np.testing.assert_allclose(found[:, 0], [0, 2, -1, 1], atol=1e-12)


def test_the_length_of_the_gap_does_not_matter_where_it_is_the_only_tie():
    found = connected(UNEVEN, [0, 2, 7, 8], [0, 0, 1, 1], "velocity")
    np.testing.assert_allclose(found[:, 0], [0, 2, 2, 3], atol=1e-12)


def test_short_intervals_hold_woven_parts_together_more_than_long_ones():
    """Phase (0, c, 3, c + 3): steps c, 3 - c, c over 10, 20 and 10 days.

    Minimise (c/10)^2 + ((3 - c)/20)^2 + (c/10)^2: 2 c/100 = (3 - c)/400, so that c = 1/3.
    """
    found = connected(WOVEN, [0, 5, 3, 8], [0, 1, 0, 1], "velocity")
    np.testing.assert_allclose(found[:, 0], [0, 1 / 3, 3, 10 / 3], atol=1e-12)


def test_dates_that_nothing_observes_lie_on_the_line_between_their_neighbours():
    network = network_of([0, 10, 30, 40], (0, 3), (1, 2))
    found = connected(network, [0, 0, 0, 8], [0, 1, 2, 0], "velocity")
    np.testing.assert_allclose(found[:, 0], [0, *(8 * share for share in THIRDS), 8], atol=1e-12)


# Steps a, b, c with a + b + c = 8 and a/10^2 = b/20^2 = c/10^2 is 1 : 4 : 1, not 1 : 2 : 1: the norm is
# that of the velocities of the intervals, each counted once however long it is.
THIRDS = (1 / 6, 5 / 6)


def test_the_anchor_of_a_single_reference_network_is_zero_before_the_root_is():
    star = network_of([0, 10, 20, 30], (2, 0), (2, 1), (2, 3))
    found = connected(star, [0, 5, 1, 4], [0, 1, 0, 1], "phase")
    # Relative to the anchor, date 2: (-1, 1/2, 0, -1/2) with a zero mean of dates 1 and 3; root is date 0.
    np.testing.assert_allclose(found[:, 0], [0, 1.5, 1, 0.5], atol=1e-12)


@pytest.mark.parametrize("norm", ["velocity", "phase", "linear"])
def test_another_root_takes_a_constant_off(norm):
    at_zero = connected(WOVEN, [0, 5, 3, 8], [0, 1, 0, 1], norm)
    at_three = connected(WOVEN, [0, 5, 3, 8], [1, 0, 1, 0], norm, root=3)
    np.testing.assert_allclose(at_three, at_zero - at_zero[3], atol=1e-12)
    assert at_three[3] == 0


@pytest.mark.parametrize("norm", ["velocity", "phase", "linear", "none"])
def test_pixels_in_fewer_parts_than_their_neighbours_are_tied_as_if_alone(norm):
    series = np.array([[0.0, 2, 7, 8], [0, 1, 2, 3], [0, 4, 4, 9]]).T
    labels = np.array([[0, 0, 1, 1], [0, 1, 2, 3], [0, 1, 0, 1]]).T
    together = connected(EVEN, series, labels, norm)
    for pixel in range(3):
        alone = connected(EVEN, series[:, pixel], labels[:, pixel], norm)
        np.testing.assert_allclose(together[:, [pixel]], alone, atol=1e-12)


@pytest.mark.parametrize("norm", ["velocity", "phase"])
def test_pieces_of_a_batch_give_what_the_whole_gives(norm, monkeypatch):
    rng = np.random.default_rng(0)
    series, labels = rng.normal(size=(4, 9)), rng.integers(0, 2, (4, 9))
    labels[0] = 0
    labels[3] = 1
    whole = connected(EVEN, series, labels, norm)
    monkeypatch.setattr(pieces, "BYTES_AT_ONCE", 200)
    np.testing.assert_allclose(connected(EVEN, series, labels, norm), whole, atol=1e-12)


def test_float32_series_are_tied_in_double_precision():
    plan = plan_elimination(EVEN)
    series = torch.tensor([[0.0], [2.0], [1e7], [1e7 + 1]])
    part = torch.tensor([[0], [0], [1], [1]])
    found = connect_components(plan, series, part, Method("velocity"))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found[:, 0], [0, 2, 2, 3])


def test_a_linear_model_continues_the_slope_that_the_parts_have_in_common():
    found = connected(UNEVEN, [0, 2, 7, 9], [0, 0, 1, 1], "linear")  # 2 rad in 10 days, over 50 days
    np.testing.assert_allclose(found[:, 0], [0, 2, 8, 10], atol=1e-12)


def test_the_slope_is_that_of_all_parts_about_their_means():
    """Slopes of 1 and 3 rad a step, over lever arms of the same length: 2, through the means of the parts."""
    found = connected(EVEN, [0, 1, 7, 10], [0, 0, 1, 1], "linear")
    np.testing.assert_allclose(found[:, 0], [0, 1, 3, 6], atol=1e-12)


@pytest.mark.parametrize("root", [0, 4])
def test_a_linear_bridge_is_the_least_squares_fit_of_shifts_and_one_line(root):
    """Shifts c, velocity v and offset b that minimise the distance of all dates from the line, at once."""
    rng = np.random.default_rng(root)
    network = network_of(np.cumsum(rng.integers(5, 60, 9)), *((i, i + 1) for i in range(8)))
    labels = np.array([0, 1, 0, 2, 0, 1, 3, 2, 1])
    series = rng.normal(0, 5, 9)
    years = np.array(network.years)
    member = labels[:, None] == np.arange(1, 4)  # the part of the root stays where it is
    design = np.column_stack([member, -years, -np.ones(9)])
    shifts = np.linalg.lstsq(design, -series, rcond=None)[0][:3]
    expected = series + member @ shifts
    found = connected(network, series, labels, "linear", root=root)
    np.testing.assert_allclose(found[:, 0], expected - expected[root], atol=1e-10)


def test_without_two_dates_that_are_tied_there_is_no_slope():
    found = connected(EVEN, [0, 5, 3, 8], [0, 1, 2, 3], "linear")
    np.testing.assert_array_equal(found[:, 0], 0)


def test_parts_that_are_left_apart_have_no_phase_relative_to_the_root():
    found = connected(EVEN, [0, 2, 7, 9], [1, 1, 0, 0], "none", root=2)
    np.testing.assert_array_equal(found[:, 0], [NAN, NAN, 0, 2])


def test_a_step_is_gap_filled_where_it_leaves_a_part_for_whichever_other():
    labels = torch.tensor([[0, 1, 1, 0, 2], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]]).T
    expected = [[False, True, False, True, True], [False] * 5, [False, False, True, False, False]]
    assert find_gap_filled(labels).T.tolist() == expected
