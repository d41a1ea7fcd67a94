"""The variances of every date against the inverse of the normal matrix in 60 decimals, at every pixel."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import elimination, uncertainty
from reference_series import label_by_search
from strategies import SEEDS, cases, networks

numerics = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
# How near each standard deviation has to come, relatively.
precisions = pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 5e-6), (torch.float64, 1e-13)])
small_cases = cases(network=networks(most_dates=9), decades=st.floats(0, 10), n_pixel=4)
TWO = 2  # both answers may be off by the tolerance, in opposite directions


@precisions
@given(small_cases, SEEDS)
@numerics
def test_every_standard_deviation_has_full_relative_accuracy_whatever_the_spread(
    dtype, near, device, case, seed
):
    root = seed % case.network.n_date
    expected = np.sqrt(np.diagonal(exact_covariance(case, root), axis1=0, axis2=1).T)
    found = np.sqrt(variances(factor_of(case, root, dtype, device)))
    np.testing.assert_allclose(found, expected, rtol=near)  # NaN only where NaN is expected


@precisions
@given(small_cases, SEEDS)
@numerics
def test_the_covariance_of_every_two_dates_is_that_of_the_exact_inverse(dtype, near, device, case, seed):
    root = seed % case.network.n_date
    expected = exact_covariance(case, root)
    found = covariance(factor_of(case, root, dtype, device))
    np.testing.assert_allclose(found, expected, rtol=TWO * near)
    np.testing.assert_array_equal(found, found.swapaxes(0, 1))


@precisions
@given(cases(), SEEDS)
@numerics
def test_the_variances_are_the_diagonal_of_the_covariance_on_every_network(dtype, near, device, case, seed):
    factor = factor_of(case, seed % case.network.n_date, dtype, device)
    diagonal = np.diagonal(covariance(factor), axis1=0, axis2=1).T
    np.testing.assert_allclose(variances(factor), diagonal, rtol=TWO * near)


@given(cases(), SEEDS)
@numerics
def test_just_the_dates_in_another_part_than_the_root_have_no_variance_and_the_root_has_none(
    device, case, seed
):
    root = seed % case.network.n_date
    found = variances(factor_of(case, root, torch.float32, device))
    for pixel, valid in enumerate(case.valid.T):
        label = label_by_search(case.network, valid)
        np.testing.assert_array_equal(np.isnan(found[:, pixel]), label != label[root])
        np.testing.assert_array_equal(found[:, pixel] == 0, np.arange(len(label)) == root)


@given(cases(), SEEDS)
@numerics
def test_the_covariance_relative_to_another_date_is_that_of_the_differences(device, case, seed):
    root = seed % case.network.n_date
    first, other = (covariance(factor_of(case, r, torch.float64, device)) for r in (0, root))
    row = first[root]
    expected = first - row - row[:, None] + row[root]
    comparable = ~np.isnan(expected)
    scale = np.nanmax(first, axis=(0, 1), initial=0, where=~np.isnan(first))
    error = np.abs(other - expected) / np.maximum(scale, np.finfo(float).tiny)
    assert (error[comparable] < 1e-10).all()


@given(cases(missing=st.just(0.0)), SEEDS)
@numerics
def test_leaving_out_a_pair_makes_no_date_more_certain(device, case, seed):
    out = seed % case.network.n_pair
    less = case._replace(weight=np.where(np.arange(case.network.n_pair)[:, None] == out, 0, case.weight))
    before, after = (variances(factor_of(c, 0, torch.float64, device)) for c in (case, less))
    assert (np.isnan(after) | (after >= before * (1 - 1e-12))).all()


@precisions
@given(cases(), st.integers(-8, 8))
@numerics
def test_weights_times_a_constant_divide_the_variances_by_it(dtype, near, device, case, exponent):
    scaled = case._replace(weight=case.weight * 4.0**exponent)
    before, after = (variances(factor_of(c, 0, dtype, device)) for c in (case, scaled))
    np.testing.assert_allclose(after, before / 4.0**exponent, rtol=near)


def factor_of(case, root, dtype, device):
    plan = plan_elimination(case.network, root)
    work = elimination.Workspace(plan, case.phase.shape[1], dtype, device)
    phase, weight = (torch.tensor(v, dtype=dtype, device=device) for v in (case.phase, case.weight))
    elimination.solve(work, phase, weight)
    return uncertainty.Factor(plan, work.edge, work.inverse)


def variances(factor):
    workspace = uncertainty.VarianceBuffers(factor)
    return uncertainty.selected_variances(workspace).double().cpu().numpy()


def covariance(factor):
    pixels = torch.arange(factor.edge.shape[1], device=factor.edge.device)
    return uncertainty.covariance(factor, pixels).cpu().numpy()


def exact_covariance(case, root):
    """Invert the normal matrix of the dates that are tied to the root in 60 decimals; (date, date, pixel)."""
    n_date = case.network.n_date
    result = np.full((n_date, n_date, case.phase.shape[1]), np.nan)
    for pixel, valid in enumerate(case.valid.T):
        label = label_by_search(case.network, valid)
        tied = np.flatnonzero(label == label[root])
        result[np.ix_(tied, tied, [pixel])] = 0
        free = tied[tied != root]
        with localcontext(prec=60):
            matrix = _normal_matrix(case, valid, pixel)[np.ix_(free, free)]
            result[np.ix_(free, free, [pixel])] = _inverse(matrix).astype(float)[..., None]
    return result


def _normal_matrix(case, valid, pixel):
    matrix = np.full((case.network.n_date,) * 2, Decimal(0), dtype=object)
    for (i, j), weight, use in zip(case.network.pairs, case.weight[:, pixel], valid, strict=True):
        if use:
            for one, other, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
                matrix[one, other] += sign * Decimal(float(weight))
    return matrix


def _inverse(matrix):
    n = len(matrix)
    both = np.concatenate([matrix, np.where(np.eye(n) == 1, Decimal(1), Decimal(0))], axis=1)
    for k in range(n):  # positive definite: no pivoting
        both[k] /= both[k, k]
        for other in range(n):
            if other != k:
                both[other] -= both[other, k] * both[k]
    return both[:, n:]
