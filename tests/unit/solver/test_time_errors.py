"""Covariances of parameters: propagated from those of the dates, and by bootstrap."""

import numpy as np
import pytest

from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_errors import Bootstrap, covariance_propagated
from fringefleet.solver.time_fit import SeriesFit
from fringefleet.solver.time_functions import TimeFunctions

N_DATE, N_PIXEL = 20, 30
RNG = np.random.default_rng(1)
DATES = tuple(
    str(np.datetime64("2016-03-05T00:00:00") + np.timedelta64(30 * day, "D")) for day in range(N_DATE)
)
MODEL = TimeModel(TimeFunctions(periodic=1), DATES, tuple(range(N_DATE)))


@pytest.fixture
def covariance():
    root = RNG.normal(size=(N_PIXEL, N_DATE, N_DATE)) * 0.01
    return np.moveaxis(root @ root.transpose(0, 2, 1), 0, 2).astype(np.float32)


@pytest.fixture
def series():
    return RNG.normal(0, 0.01, (N_DATE, N_PIXEL)) + np.arange(N_DATE)[:, None] / 100


@pytest.mark.parametrize("used", [range(N_DATE), range(2, N_DATE)])
def test_a_covariance_is_propagated_exactly(covariance, series, used):
    series[5, :9], series[0, 3] = np.nan, np.nan
    covariance[5, :, :9] = covariance[:, 5, :9] = np.nan  # as where no pair leads to a date
    model = TimeModel(MODEL.functions, DATES, tuple(used))
    found = SeriesFit(model).fit(series, None, covariance_propagated(covariance))
    for pixel in range(N_PIXEL):
        rows = np.array(used)
        valid = np.isfinite(series[rows, pixel])
        operator = np.linalg.pinv(model.matrix[valid])
        dates = rows[valid]
        of_dates = covariance[np.ix_(dates, dates)][..., pixel].astype(float)
        expected = np.sqrt((operator @ of_dates @ operator.T)[1, 1])
        np.testing.assert_allclose(found["velocity_std"][pixel], expected, rtol=1e-6)


def test_a_date_whose_variance_nobody_knows_leaves_no_standard_error(covariance, series):
    covariance[7, :, 2] = np.nan
    found = SeriesFit(MODEL).fit(series, None, covariance_propagated(covariance))
    assert np.flatnonzero(np.isnan(found["velocity_std"])).tolist() == [2]
    assert np.isfinite(found["velocity"]).all()


def test_the_bootstrap_draws_dates_and_fits_them(series):
    """Against a plain loop over many other draws; the spread of both is by the number of draws."""
    found = SeriesFit(MODEL).fit(series, None, Bootstrap(MODEL, 4000, 0).of(series))
    random = np.random.default_rng(99)
    fits = []
    while len(fits) < 4000:
        drawn = random.integers(0, N_DATE, N_DATE)
        if np.linalg.matrix_rank(MODEL.matrix[drawn]) == MODEL.n_parameter:
            fits.append(np.linalg.lstsq(MODEL.matrix[drawn], series[drawn], rcond=None)[0][1])
    ratio = found["velocity_std"] / np.std(fits, axis=0)
    np.testing.assert_allclose(ratio, 1, atol=0.15)
    np.testing.assert_allclose(ratio.mean(), 1, atol=0.04)


def test_the_bootstrap_depends_on_seed_and_dates_and_on_nothing_else(series):
    series[5, ::2] = np.nan

    def std(seed, pixels=slice(None)):
        some = series[:, pixels]
        return SeriesFit(MODEL).fit(some, None, Bootstrap(MODEL, 50, seed).of(some))["velocity_std"]

    whole = std(7)
    np.testing.assert_array_equal(std(7), whole)
    np.testing.assert_allclose(std(7, slice(4, 9)), whole[4:9], rtol=1e-12)
    assert (std(8) != whole).all()


def test_too_few_dates_for_most_draws_give_no_standard_error(series):
    series[MODEL.n_parameter :, 0] = np.nan
    found = SeriesFit(MODEL).fit(series, None, Bootstrap(MODEL, 20, 0).of(series))
    assert np.isfinite(found["velocity"][0])
    assert np.isfinite(found["velocity_std"][1:]).all()
