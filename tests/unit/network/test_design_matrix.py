import h5py
import numpy as np
import pytest

from fringefleet.network.design_matrix import date_baselines, phase_design_matrix, velocity_design_matrix
from fringefleet.network.network import Network

DAYS = np.array(["2020-01-01", "2020-01-13", "2020-02-06", "2020-03-01", "2021-01-01"], "M8[s]")


def network_of(*pairs):
    first, second = np.array(pairs).T
    return Network.from_dates(DAYS[first], DAYS[second])


CHAIN = network_of((0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4))
REVERSED = network_of((1, 0), (1, 2), (2, 0), (3, 2), (4, 3), (2, 4))
STAR = network_of((2, 0), (2, 1), (2, 3), (2, 4))


@pytest.mark.parametrize("network", [CHAIN, REVERSED, STAR])
def test_both_designs_predict_the_difference_of_phases(network):
    phase = np.random.default_rng(0).normal(size=network.n_date)
    pair_phase = np.array([phase[j] - phase[i] for i, j in network.pairs])
    epochs = np.delete(phase - phase[network.anchor], network.anchor)
    velocity = np.diff(phase) / np.diff(network.years)
    np.testing.assert_allclose(phase_design_matrix(network) @ epochs, pair_phase, atol=1e-12)
    np.testing.assert_allclose(velocity_design_matrix(network) @ velocity, pair_phase, atol=1e-12)


def test_the_column_of_the_common_date_of_a_single_reference_network_is_left_out():
    np.testing.assert_array_equal(phase_design_matrix(STAR), np.eye(4))


def test_a_pair_against_time_has_negative_durations():
    years = np.diff(REVERSED.years)
    np.testing.assert_allclose(velocity_design_matrix(REVERSED)[0], [-years[0], 0, 0, 0])
    np.testing.assert_allclose(velocity_design_matrix(REVERSED)[2], [-years[0], -years[1], 0, 0])


@pytest.mark.parametrize("network", [CHAIN, REVERSED, STAR])
def test_consistent_baselines_are_found_at_their_dates(network):
    truth = np.array([0.0, 30.5, -12.25, 80.0, 7.0])
    pairs = np.array([truth[j] - truth[i] for i, j in network.pairs], dtype=np.float32)
    found = date_baselines(network, pairs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, atol=1e-5)


def test_a_cut_network_gets_the_minimum_norm_baselines():
    cut = network_of((0, 1), (2, 3), (3, 4))
    found = date_baselines(cut, np.array([10.0, 20.0, 40.0]))
    expected = np.linalg.pinv(phase_design_matrix(cut)) @ [10, 20, 40]
    np.testing.assert_allclose(found, [0, *expected], atol=1e-5)


@pytest.mark.parametrize("network", [CHAIN, REVERSED])
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_pair_without_a_finite_baseline_is_left_out(network, hole):
    truth = np.array([0.0, 30.5, -12.25, 80.0, 7.0])
    pairs = np.array([truth[j] - truth[i] for i, j in network.pairs], dtype=np.float32)
    pairs[[0, 4]] = hole
    np.testing.assert_allclose(date_baselines(network, pairs), truth, atol=1e-5)


def test_dates_that_no_finite_baseline_reaches_are_where_the_anchor_is():
    found = date_baselines(CHAIN, np.array([10.0, 20.0, 30.0, 40.0, np.nan, np.nan]))
    np.testing.assert_allclose(found, [0, 10, 30, 70, 0], atol=1e-5)
    found = date_baselines(STAR, np.array([-5.0, np.nan, 20.0, 40.0]))
    np.testing.assert_allclose(found, [0, 5, 5, 25, 45], atol=1e-5)
    np.testing.assert_array_equal(date_baselines(CHAIN, np.full(6, np.nan)), np.zeros(5))


@pytest.mark.parametrize(
    ("stack", "series"),
    [
        ("mexico_city/ifgramStack.h5", "mexico_city/expected/var/timeseries.h5"),
        ("nasty_24/inputs/ifgramStack.h5", "nasty_24/expected/no_vel_none/timeseries.h5"),
    ],
)
def test_the_baselines_are_those_that_mintpy_writes(shared_data, stack, series):
    with h5py.File(shared_data / stack, locking=False) as file:
        days = [[f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in pair] for pair in file["date"][()].astype(str)]
        dates = np.array(days, "M8[s]")
        baseline = file["bperp"][()]
    found = date_baselines(Network.from_dates(dates[:, 0], dates[:, 1]), baseline)
    with h5py.File(shared_data / series, locking=False) as file:
        np.testing.assert_allclose(found, file["bperp"][()], atol=1e-4)  # MintPy solves in float32
