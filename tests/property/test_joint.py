"""The joint estimate of the DEM error against the whole least-squares problem, written out densely."""

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver.dem_error import DemError, estimate_dem_error
from fringefleet.solver.temporal_model import TemporalModel, temporal_columns
from reference_series import label_by_search
from solving import ELIMINATION_64, series_of, solve, tensor
from strategies import SEEDS, cases, networks

numerics = settings(
    max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
LONG = networks(most_dates=14).filter(lambda network: network.n_date >= 5)
WAVELENGTH = 0.0555
SURE = 1e-8  # a pivot of the columns at unit length that cannot be taken for rounding


def columns_of(network, seed, order=2):
    baseline = np.random.default_rng(seed).normal(0, 60, network.n_date).astype("f4")
    return torch.from_numpy(temporal_columns(network, baseline, WAVELENGTH, TemporalModel(order)))


def estimate(case, columns, atmosphere_std, device, *, root=0, dtype=torch.float64):
    """Solve for the series, then for the DEM error; float64 arrays (pixel,)."""
    plan = plan_elimination(case.network, root)
    series = tensor(series_of(solve(ELIMINATION_64, case, device, root=root)), ELIMINATION_64, device)
    rows = np.where(case.valid, case.weight, 0)[list(plan.pair_order)]
    found = estimate_dem_error(
        plan,
        series.to(dtype),
        tensor(rows, ELIMINATION_64, device).to(dtype),
        columns,
        atmosphere_std=atmosphere_std,
    )
    return DemError(*(values.double().cpu().numpy() for values in found))


def dense_estimate(case, pixel, columns, atmosphere_std):
    """DEM error, its standard deviation and the smallest pivot, by SVD and QR of one dense matrix."""
    network, valid = case.network, case.valid[:, pixel]
    model = columns.numpy() - columns.numpy().mean(0)
    length = np.linalg.norm(model, axis=0)
    pairs, n_date = network.pair_array[valid], network.n_date
    root = np.sqrt(case.weight[valid, pixel])[:, None]
    incidence = np.zeros((len(pairs), n_date))
    incidence[np.arange(len(pairs)), pairs[:, 0]] = -1
    incidence[np.arange(len(pairs)), pairs[:, 1]] = 1
    tie = np.eye(n_date) / atmosphere_std
    series_part = np.concatenate([root * incidence, tie])
    model_part = np.concatenate([np.zeros((len(pairs), model.shape[1])), -tie @ model / length])
    constant = np.concatenate([np.zeros((len(pairs), 1)), -tie.sum(1, keepdims=True)])
    matrix = np.concatenate([series_part, constant, model_part], axis=1)
    right = np.concatenate([root[:, 0] * case.phase[valid, pixel], np.zeros(n_date)])
    unknowns = np.linalg.lstsq(matrix, right, rcond=1e-14)[0]
    orthogonal = np.linalg.qr(series_part)[0]
    rest = model_part - orthogonal @ (orthogonal.T @ model_part)
    diagonal = np.abs(np.diag(np.linalg.qr(rest)[1]))
    pivots = (atmosphere_std * diagonal) ** 2
    return unknowns[-1] / length[-1], 1 / max(diagonal[-1], 1e-300) / length[-1], pivots.min()


@given(cases(network=LONG), SEEDS, st.sampled_from([0.1, 1.0, 10.0]), st.integers(1, 3))
@numerics
def test_the_dem_error_is_that_of_the_dense_problem_at_every_pixel(device, case, seed, std, order):
    columns = columns_of(case.network, seed, order)
    found = estimate(case, columns, std, device)
    for pixel, valid in enumerate(case.valid.T):
        tied = case.network.n_date - label_by_search(case.network, valid).max() - 1
        error, error_std, pivot = dense_estimate(case, pixel, columns, std)
        if tied < order + 1:
            assert np.isnan([found.error[pixel], found.std[pixel]]).all()
        elif pivot > SURE:
            assert abs(found.error[pixel] - error) <= 1e-6 * (abs(error) + error_std)
            np.testing.assert_allclose(found.std[pixel], error_std, rtol=1e-6)


@given(cases(network=LONG, n_pixel=3), SEEDS, SEEDS)
@numerics
def test_another_reference_date_changes_nothing(device, case, seed, root):
    columns = columns_of(case.network, seed)
    one = estimate(case, columns, 1.0, device)
    other = estimate(case, columns, 1.0, device, root=root % case.network.n_date)
    sure = [dense_estimate(case, pixel, columns, 1.0)[2] > SURE for pixel in range(len(one.error))]
    for before, after in zip(one, other, strict=True):
        assert (np.abs(after - before) <= 1e-6 * (np.abs(before) + one.std))[sure].all()


@given(cases(network=LONG, n_pixel=3), SEEDS)
@numerics
def test_zero_weight_is_the_same_as_leaving_the_pair_out_of_the_dense_problem(device, case, seed):
    columns = columns_of(case.network, seed)
    out = seed % case.network.n_pair
    valid = case.valid.copy()
    valid[out] = False
    found = estimate(case._replace(valid=valid, weight=np.where(valid, case.weight, 0)), columns, 1.0, device)
    for pixel in range(valid.shape[1]):
        error, error_std, pivot = dense_estimate(case._replace(valid=valid), pixel, columns, 1.0)
        if pivot > SURE:
            assert abs(found.error[pixel] - error) <= 1e-6 * (abs(error) + error_std)
