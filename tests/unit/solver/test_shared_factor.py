"""Unweighted pixels that share one factor, against every pixel by itself."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import shared_factor as shared
from fringefleet.solver.config import Method
from reference_series import series_by_svd
from solving import ELIMINATION_32, ELIMINATION_64, assert_series_close, parts_of, series_of, solve
from strategies import GRAIN, SEEDS, Case, dated, networks


def by_gap(n_date, *gaps):
    """Dates that are paired with those some places further on."""
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date])
    return dated(pairs, np.random.default_rng(0))


UNWEIGHTED = Method(unweighted=True)
both_precisions = pytest.mark.parametrize("solver", [ELIMINATION_32, ELIMINATION_64], ids=str)


@pytest.fixture
def always_pays(monkeypatch):
    monkeypatch.setattr(shared, "WORTH", np.inf)
    shared.is_faster.cache_clear()
    yield
    shared.is_faster.cache_clear()


@pytest.fixture
def products(monkeypatch):
    """How many batches went through a product."""
    made = []
    estimate = shared.estimate_complete

    def recording(work):
        made.append(work.phase.shape[1])
        return estimate(work)

    monkeypatch.setattr(shared, "estimate_complete", recording)
    return made


def unweighted(network, rng, n_pixel, missing):
    """Contradicting phases of weight 1; a share of the pixels lacks some pairs."""
    shape = (network.n_pair, n_pixel)
    phase = rng.integers(-100_000, 100_000, shape) * GRAIN
    valid = (rng.random(n_pixel) >= missing) | (rng.random(shape) < 0.7)
    return Case(network, np.where(valid, phase, np.nan), valid.astype("f8"), valid)


@both_precisions
@given(networks(), SEEDS, st.sampled_from([0.0, 0.2, 0.4]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_series_is_that_of_an_svd_at_every_pixel(always_pays, solver, device, network, seed, missing):
    case = unweighted(network, np.random.default_rng(seed), 12, missing)
    solution = solve(solver, case, device, method=UNWEIGHTED)
    assert_series_close(series_of(solution), series_by_svd(case, "velocity"), solver)


@both_precisions
def test_everything_else_is_as_without_sharing(always_pays, products, solver, device):
    case = unweighted(by_gap(12, 1, 2, 3), np.random.default_rng(0), 40, 0.3)
    apart = solve(solver, case, device)
    together = solve(solver, case, device, method=UNWEIGHTED)
    assert products == [40]
    for one, other in zip(parts_of(apart), parts_of(together), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5, equal_nan=True)


@pytest.mark.parametrize(("missing", "n_product"), [(0.0, 1), (0.3, 1), (0.9, 0)])
def test_a_batch_of_mostly_incomplete_pixels_is_eliminated(always_pays, products, missing, n_product, device):
    case = unweighted(by_gap(12, 1, 2, 3), np.random.default_rng(0), 200, missing)
    solve(ELIMINATION_32, case, device, method=UNWEIGHTED)
    assert len(products) == n_product


def test_weights_keep_every_pixel_to_itself(always_pays, products, device):
    case = unweighted(by_gap(12, 1, 2, 3), np.random.default_rng(0), 20, 0)
    solve(ELIMINATION_32, case._replace(weight=2 * case.weight), device)
    assert products == []


def test_a_product_pays_where_the_elimination_fills_up_and_not_for_long_sequences():
    assert shared.is_faster(plan_elimination(by_gap(30, *range(1, 30))))
    assert shared.is_faster(plan_elimination(by_gap(98, 1, 2, 3, 30)))
    assert shared.is_faster(plan_elimination(by_gap(98, 1, 2, 3)))
    assert not shared.is_faster(plan_elimination(by_gap(333, 1, 2, 3, 4)))
