"""Fits of many pixels at once against one float64 least-squares solution each."""

import numpy as np
import pytest
import torch

from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_fit import SeriesFit
from fringefleet.solver.time_functions import TimeFunctions

N_DATE, N_PIXEL = 40, 1500
RNG = np.random.default_rng(0)
DAYS = np.sort(RNG.choice(1500, N_DATE, replace=False))
DATES = tuple(str(np.datetime64("2016-03-05T05:30:00") + np.timedelta64(int(day), "D")) for day in DAYS)
FUNCTIONS = {
    "linear": {},
    "quadratic": {"polynomial": 2},
    "seasons": {"periodic": (1, 0.5)},
    "all": {
        "polynomial": 2,
        "periodic": 1,
        "step": "20171001",
        "polyline": "20180101",
        "exponential": "20171001 60",
        "logarithmic": "20180501 30",
    },
}
LIBRARIES = [np.asarray, torch.from_numpy]


def model_of(used=range(N_DATE), **functions):
    return TimeModel(TimeFunctions(**functions), DATES, tuple(used))


def series_of(missing=0.0):
    values = 0.3 * RNG.normal(size=(1, N_PIXEL)) * DAYS[:, None] / 365 + RNG.normal(
        0, 0.01, (N_DATE, N_PIXEL)
    )
    values[RNG.random(values.shape) < missing] = np.nan
    return values.astype(np.float32)


def solve(matrix, values):
    """Parameters, their covariance for dates of variance 1, and the sum of squares, of one pixel."""
    found = np.linalg.lstsq(matrix, values, rcond=None)[0]
    unit = np.linalg.pinv(matrix) @ np.linalg.pinv(matrix).T
    return found, unit, ((values - matrix @ found) ** 2).sum()


def check(found, model, series, pixels, left_out=None):
    names = {"velocity": 1, "intercept": 0}
    for pixel in pixels:
        values = series[list(model.used), pixel].astype(float)
        valid = np.isfinite(values)
        if left_out is not None:
            valid &= left_out[list(model.used), pixel] == 0
        parameters, unit, squares = solve(model.matrix[valid], values[valid])
        n = valid.sum()
        assert found["date_count"][pixel] == n
        if n < model.n_parameter:
            assert np.isnan([found[name][pixel] for name in found if name != "date_count"]).all()
            continue
        np.testing.assert_allclose(found["series_residual_rms"][pixel], np.sqrt(squares / n), rtol=1e-6)
        std = np.sqrt(np.diag(unit) * squares / (n - model.n_parameter))
        for name, index in names.items():
            np.testing.assert_allclose(found[name][pixel], parameters[index], rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(found[f"{name}_std"][pixel], std[index], rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_complete_pixels_have_the_least_squares_solution(name, library):
    model, series = model_of(**FUNCTIONS[name]), series_of()
    found = {key: np.asarray(values) for key, values in SeriesFit(model).fit(library(series)).items()}
    check(found, model, series, range(0, N_PIXEL, 50))


@pytest.mark.parametrize("missing", [0.0, 0.02])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numba_and_numpy_give_the_same(name, missing, dtype):
    model, series = model_of(range(2, N_DATE - 1), **FUNCTIONS[name]), series_of(missing).astype(dtype)
    plain, compiled = (SeriesFit(model, is_compiled=how).fit(series) for how in (False, True))
    for key, values in plain.items():
        np.testing.assert_allclose(compiled[key], values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_pixels_that_lack_dates_have_theirs(name, library):
    model, series = model_of(**FUNCTIONS[name]), series_of(0.1)
    left_out = (RNG.random(series.shape) < 0.1).astype(np.uint8)
    found = SeriesFit(model).fit(library(series), library(left_out))
    check(
        {key: np.asarray(values) for key, values in found.items()},
        model,
        series,
        range(0, N_PIXEL, 50),
        left_out,
    )


def test_dates_that_are_not_used_make_no_difference():
    used = [*range(3, 20), *range(22, 38)]
    model, series = model_of(used, periodic=1), series_of()
    series[20] = np.nan
    found = SeriesFit(model).fit(series)
    check(found, model, series, range(0, N_PIXEL, 50))
    assert (found["date_count"] == len(used)).all()


def test_few_dates_give_an_answer_as_long_as_they_can():
    model, series = model_of(), series_of()
    for pixel, n_date in enumerate(range(5)):
        series[n_date:, pixel] = np.nan
    found = SeriesFit(model).fit(series)
    np.testing.assert_array_equal(found["date_count"][:5], range(5))
    np.testing.assert_array_equal(np.isnan(found["velocity"][:5]), [True, True, False, False, False])
    np.testing.assert_array_equal(np.isnan(found["velocity_std"][:5]), [True, True, True, False, False])
    check(found, model, series, [3, 4, 5])


def test_dates_that_cannot_tell_the_functions_apart_give_no_answer():
    model, series = model_of(step="20171001"), series_of()
    after = model.matrix[:, 2] == 1
    series[np.flatnonzero(after), 0] = np.nan
    found = SeriesFit(model).fit(series)
    assert found["date_count"][0] == (~after).sum()
    assert all(np.isnan(found[name][0]) for name in found if name != "date_count")
    check(found, model, series, [1, 2])


def test_dates_close_together_are_fitted_without_squaring_their_condition():
    """Few dates in a small part of the whole time, with a polynomial of order 4."""
    model, series = model_of(polynomial=4), series_of()
    series[6:, 0] = np.nan
    found = SeriesFit(model).fit(series.astype(np.float64))
    parameters, _, _ = solve(model.matrix[:6], series[:6, 0].astype(float))
    np.testing.assert_allclose(found["velocity"][0], parameters[1], rtol=1e-6)


def test_a_fit_that_leaves_next_to_nothing_says_how_much():
    model = model_of()
    exact = model.matrix @ np.array([[0.1], [0.5]]) + 1e-7 * RNG.normal(size=(N_DATE, 1))
    found = SeriesFit(model).fit(np.repeat(exact, 3, 1))
    check(found, model, np.repeat(exact, 3, 1), range(3))


def test_the_reference_point_has_zeros():
    found = SeriesFit(model_of(**FUNCTIONS["all"])).fit(np.zeros((N_DATE, 2), np.float32))
    assert {name for name, values in found.items() if values.any()} == {"date_count"}


def test_without_standard_errors_there_are_none():
    found = SeriesFit(model_of(periodic=1), has_std=False).fit(series_of())
    assert list(found) == [
        *("velocity", "intercept", "annual_amplitude", "annual_phase"),
        *("series_residual_rms", "date_count"),
    ]


def test_amplitude_and_phase_are_those_of_a_sine():
    model = model_of(periodic=0.5)
    t = model.matrix[:, 1]
    series = 0.02 * np.sin(2 * np.pi * t / 0.5 + 2.5)[:, None] + 0.03 * t[:, None]
    found = SeriesFit(model).fit(series)
    np.testing.assert_allclose(found["semiannual_amplitude"], 0.02, rtol=1e-9)
    np.testing.assert_allclose(found["semiannual_phase"], 2.5, rtol=1e-9)


def test_amplitude_and_phase_spread_as_their_standard_errors_say():
    model = model_of(periodic=1)
    t = model.matrix[:, 1]
    truth = 0.02 * np.sin(2 * np.pi * t + 1.0)
    noisy = truth[:, None] + np.random.default_rng(3).normal(0, 0.002, (N_DATE, 20000))
    found = SeriesFit(model).fit(noisy)
    for name in ("annual_amplitude", "annual_phase", "velocity"):
        expected = np.sqrt((found[f"{name}_std"] ** 2).mean())
        np.testing.assert_allclose(found[name].std(), expected, rtol=0.02)


def test_a_given_covariance_takes_the_place_of_the_residuals():
    model, series = model_of(periodic=1), series_of(0.02)
    spread = RNG.normal(size=(N_DATE, N_DATE)) * 0.01
    covariance = spread @ spread.T

    def propagate(pixels, operator):
        if operator.ndim == 2:
            return np.repeat((operator @ covariance @ operator.T)[..., None], len(range(N_PIXEL)[pixels]), 2)
        return np.einsum("pik,ij,qjk->pqk", operator, covariance, operator)

    found = SeriesFit(model).fit(series, propagate=propagate)
    for pixel in range(0, N_PIXEL, 50):
        valid = np.isfinite(series[:, pixel])
        operator = np.linalg.pinv(model.matrix[valid])
        expected = operator @ covariance[np.ix_(valid, valid)] @ operator.T
        np.testing.assert_allclose(found["velocity_std"][pixel], np.sqrt(expected[1, 1]), rtol=1e-8)
        cosine, sine = operator[2:4] @ series[valid, pixel]
        slope = np.array([cosine, sine]) / np.hypot(cosine, sine)
        np.testing.assert_allclose(
            found["annual_amplitude_std"][pixel], np.sqrt(slope @ expected[2:4, 2:4] @ slope), rtol=1e-6
        )


def test_a_pixel_has_the_same_bits_wherever_it_is():
    model, series = model_of(periodic=1), series_of()
    fit = SeriesFit(model, is_compiled=True)
    whole, part = fit.fit(series)["velocity"], fit.fit(series[:, 77:1340])["velocity"]
    np.testing.assert_array_equal(part, whole[77:1340])
    many = np.tile(series, 25)  # more than are fitted at once
    np.testing.assert_array_equal(fit.fit(many)["velocity"], np.tile(whole, 25))
