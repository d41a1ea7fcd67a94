"""Unwrapping errors and an error of the DEM, put into a scene whose answer is known, are taken out again."""

import numpy as np
import pytest

from fringefleet.lazy import invert
from fringefleet.simulate import Scene, simulate_dataset, true_dem_error

SIZE = {"n_date": 16, "neighbours": 4, "shape": (48, 48), "seed": 2}
LONG = {"n_date": 60, "neighbours": 3, "shape": (32, 32), "seed": 2}


def rms(error):
    return float(np.sqrt(np.nanmean(np.square(error))))


def solve(scene, **options):
    stack, _ = simulate_dataset(scene)
    return invert(stack, chunks=scene.shape, **options).compute(scheduler="synchronous")


def error_of(scene, **options):
    """RMS difference between the series and the truth [m]."""
    _, truth = simulate_dataset(scene)
    return rms((solve(scene, **options)["displacement"] - truth).values)


@pytest.fixture(scope="module")
def usual_error():
    return error_of(Scene(**SIZE))


@pytest.fixture(scope="module")
def wrong():
    """A scene that a robust norm can put right: hardly anywhere most pairs of a date are wrong."""
    return Scene(**SIZE, unwrapping_errors=0.15)


def test_unwrapping_errors_spoil_least_squares(wrong, usual_error):
    assert error_of(wrong) > 2 * usual_error


@pytest.mark.parametrize("norm", ["l1", "huber"])
def test_a_robust_norm_is_nearly_as_good_as_if_there_were_no_unwrapping_errors(norm, wrong, usual_error):
    assert error_of(wrong, norm=norm) < 1.3 * usual_error


def test_triplets_that_do_not_close_tell_where_pairs_are_wrong(wrong):
    right, spoilt = (simulate_dataset(scene)[0]["unwrapped_phase"] for scene in (Scene(**SIZE), wrong))
    is_wrong = (abs(spoilt - right) > np.pi).any("pair").values
    is_flagged = solve(wrong, diagnose=True)["misclosed_count"].values > 0
    assert 0.2 < is_wrong.mean() < 0.9
    assert is_flagged[is_wrong].mean() > 0.98
    assert is_flagged[~is_wrong].mean() < 0.1  # noise alone


def test_what_an_error_of_the_dem_adds_is_found_exactly_and_does_not_move_the_series():
    scene = Scene(**LONG, dem_error_std=20)
    plain, tilted = (solve(scene, dem_error=True) for scene in (Scene(**LONG), scene))
    found = (tilted["dem_error"] - plain["dem_error"]).values
    np.testing.assert_allclose(
        found[np.isfinite(found)], true_dem_error(scene).values[np.isfinite(found)], atol=0.01
    )
    np.testing.assert_allclose(tilted["displacement"], plain["displacement"], atol=2e-6)


def test_an_error_of_the_dem_is_seen_through_motion_and_atmosphere():
    scene = Scene(**LONG, dem_error_std=20)
    height = true_dem_error(scene).values
    result = solve(scene, dem_error=True)
    assert rms(result["dem_error"].values - height) < 0.5 * rms(height)
    assert error_of(scene, dem_error=True) < 0.5 * error_of(scene)
