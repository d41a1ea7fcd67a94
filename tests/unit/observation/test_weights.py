import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fringefleet.errors import OptionError
from fringefleet.observation.weight_tables import phase_variance_table
from fringefleet.observation.weights import (
    coherence_to_weight,
    coherence_weight,
    fisher_information_weight,
    phase_variance_weight,
    weight_table,
)


def exact_variance(coherence, looks):
    """The tabulated sum over Lee's hypergeometric form of the density, with 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        gamma = mpmath.mpf(coherence)
        total = mpmath.mpf(0)
        for i in range(100):  # the other half of the 200 phases is its mirror image
            phase = -mpmath.pi + 2 * mpmath.pi * i / 199
            beta = gamma * mpmath.cos(phase)
            skew = mpmath.gamma(looks + mpmath.mpf(1) / 2) * beta
            skew /= 2 * mpmath.sqrt(mpmath.pi) * mpmath.gamma(looks)
            skew /= (1 - beta**2) ** (looks + mpmath.mpf(1) / 2)
            even = mpmath.hyp2f1(looks, 1, mpmath.mpf(1) / 2, beta**2) / (2 * mpmath.pi)
            total += 2 * phase**2 * (1 - gamma**2) ** looks * (skew + even)
        return float(total * 2 * mpmath.pi / 200)


@pytest.mark.parametrize("looks", [1, 2, 5, 39, 80])
def test_the_table_is_the_sum_over_the_density_of_the_multilooked_phase(looks):
    table = phase_variance_table(looks)
    for index in (0, 9, 100, 190, 199):
        expected = exact_variance(f"{(25 + 50 * index) / 10000}", looks)
        assert table[index] == pytest.approx(expected, rel=1e-10)


def test_a_small_coherence_has_the_variance_of_a_uniform_phase():
    uniform = (np.linspace(-np.pi, np.pi, 200) ** 2).mean()
    assert phase_variance_table(1)[0] == pytest.approx(uniform, rel=0.01)


@pytest.mark.parametrize("looks", range(1, 81))
def test_the_variance_is_positive_and_falls_with_coherence(looks):
    table = phase_variance_table(looks)
    assert table.shape == (200,)
    assert table.min() > 0
    assert np.all(np.diff(table) < 0)


def test_more_looks_make_a_smaller_variance():
    tables = np.stack([phase_variance_table(looks) for looks in (1, 2, 5, 10, 20)])
    assert np.all(np.diff(tables[:, :-5], axis=0) < 0)


def test_more_than_80_looks_count_as_80_for_the_variance_only():
    np.testing.assert_array_equal(phase_variance_table(500), phase_variance_table(80))
    half = torch.tensor([[0.5]])
    ratio = fisher_information_weight(half, 500) / fisher_information_weight(half, 80)
    assert ratio.item() == pytest.approx(500 / 80)


def test_nobody_can_change_the_table_of_somebody_else():
    with pytest.raises(ValueError, match="read-only"):
        phase_variance_table(3)[0] = 1.0


def test_a_table_is_found_again():
    assert phase_variance_table(7) is phase_variance_table(7)


def numpy_bin(coherence):
    """Bin of float32 coherences by the definition, in float64."""
    kept = np.where(np.isnan(coherence) | (coherence < np.float32(0.05)), 0.05, coherence)
    clipped = np.clip(kept.astype(np.float64), 0.0025, 0.9975)
    return ((clipped - 0.0025) / 0.005).astype(np.int16)


def values_around_the_bin_edges():
    """Every edge in float32 and its neighbours on both sides, as float32."""
    edge = (np.arange(200) * 0.005 + 0.0025).astype(np.float32)
    values = [edge]
    for direction in (np.float32(-1), np.float32(2)):
        neighbour = edge
        for _ in range(4):
            neighbour = np.nextafter(neighbour, direction)
            values.append(neighbour)
    special = np.array([0, -1, 0.05, 0.999, 1, 1.5, np.nan, np.inf, -np.inf], dtype=np.float32)
    return np.concatenate([*values, special])


def test_every_coherence_at_an_edge_falls_in_the_bin_that_the_definition_says():
    coherence = values_around_the_bin_edges()
    number_of_bin = torch.arange(200, dtype=torch.float32)
    found = phase_variance_weight(torch.from_numpy(coherence)[None], number_of_bin)[0]
    np.testing.assert_array_equal(found.numpy(), numpy_bin(coherence))


def test_a_reciprocal_instead_of_a_division_would_find_the_same_bins():
    clipped = np.clip(values_around_the_bin_edges()[:-2].astype(np.float64), 0.05, 0.9975)
    divided = ((clipped - 0.0025) / 0.005)[np.isfinite(clipped)]
    multiplied = ((clipped - 0.0025) * (1 / 0.005))[np.isfinite(clipped)]
    np.testing.assert_array_equal(divided.astype(np.int16), multiplied.astype(np.int16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_variance_weight_is_one_over_the_tabulated_variance(dtype):
    coherence = np.random.default_rng(1).random((5, 301), dtype=np.float32)
    coherence[2, ::7] = np.nan
    found = coherence_to_weight(torch.from_numpy(coherence).to(dtype), "var", 12)
    expected = 1 / phase_variance_table(12)[numpy_bin(coherence)]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), expected.astype(found.numpy().dtype))


@pytest.mark.parametrize("looks", [1, 12, 300])
def test_the_fisher_weight_is_the_formula_in_double_precision(looks):
    coherence = values_around_the_bin_edges()
    kept = np.where(np.isnan(coherence) | (coherence < 0.05), 0.05, coherence).astype(np.float64)
    g = np.minimum(kept, 0.999)
    found = coherence_to_weight(torch.from_numpy(coherence)[None], "fim", looks)[0]
    np.testing.assert_allclose(found.numpy(), 2 * looks * g**2 / (1 - g**2), rtol=6e-7)


def test_the_coherence_weight_is_the_coherence_and_at_least_0_05():
    coherence = torch.tensor([[0.02, 0.05, 0.7, 1.0, math.nan, -0.5]])
    found = coherence_to_weight(coherence, "coh", 1)
    torch.testing.assert_close(found, torch.tensor([[0.05, 0.05, 0.7, 1.0, 0.05, 0.05]]))
    torch.testing.assert_close(coherence_weight(coherence), found)


def test_no_weight_function_weighs_all_the_same_whatever_the_coherence():
    coherence = torch.tensor([[0.02, math.nan, 1.0]])
    assert coherence_to_weight(coherence, "no", 1).tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("function", ["var", "fim", "coh", "no"])
def test_the_coherence_itself_is_left_as_it_was(function):
    coherence = torch.tensor([[0.01, math.nan, 0.5, 1.0]])
    before = coherence.clone()
    coherence_to_weight(coherence, function, 5)
    torch.testing.assert_close(coherence, before, equal_nan=True, rtol=0, atol=0)


@given(
    st.lists(st.floats(0, 1, width=32) | st.just(math.nan), min_size=1, max_size=20),
    st.sampled_from(["var", "fim", "coh", "no"]),
    st.integers(1, 200),
)
def test_every_weight_is_finite_positive_and_never_falls_with_coherence(values, function, looks):
    coherence = torch.tensor([sorted(values, key=lambda v: -1 if math.isnan(v) else v)])
    weight = coherence_to_weight(coherence, function, looks)[0]
    assert torch.isfinite(weight).all()
    assert (weight > 0).all()
    assert (weight.diff() >= 0).all()


def test_the_weight_table_is_the_inverse_of_the_variance_in_double_precision():
    assert weight_table(4).dtype == torch.float64
    np.testing.assert_array_equal(weight_table(4).numpy(), 1 / phase_variance_table(4))


@pytest.mark.parametrize("function", ["var", "fim"])
def test_no_looks_at_all_are_refused(function):
    with pytest.raises(OptionError, match="found 0 looks; the phase variance needs at least 1"):
        coherence_to_weight(torch.tensor([[0.5]]), function, 0)
