"""Masks keep what MintPy's keep; its rules are spelled out again here in NumPy, value by value."""

import math

import numpy as np
import pytest
import torch

from fringefleet.observation.masks import keep_by_std, keep_by_value

NAN = float("nan")


@pytest.mark.parametrize("dataset", ["coherence", "offset_snr"])
def test_values_from_the_threshold_on_are_kept_and_no_value_is_not(device, dataset):
    values = torch.tensor([[0.0, 2.9, 3.0, 7.0, NAN, math.inf]], device=device)
    assert keep_by_value(values, dataset, 3.0).tolist() == [[False, False, True, True, False, True]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int16])
def test_connected_components_of_zero_below_it_or_no_number_are_left_out(device, dtype):
    values = torch.tensor([[0, 1, -1, 300, -32768]], dtype=dtype, device=device)
    kept = keep_by_value(values, "connected_component", 0.4)
    assert kept.tolist() == [[False, True, False, True, False]]
    if dtype.is_floating_point:
        assert not keep_by_value(values * NAN, "connected_component", 0.4).any()


def test_a_threshold_is_compared_in_the_dtype_of_the_file(device):
    tenth = torch.tensor([[0.1]], device=device)  # as float32 it is above 0.1
    assert keep_by_std(tenth, tenth, tenth, 0.1).item()
    assert keep_by_value(tenth, "offset_snr", 0.1).item()


def kept(std: float, offset: float, median: float, threshold: float) -> bool:
    """One offset, as MintPy's rule has it."""
    known = np.float32(0 if np.isnan(std) else std)
    if known <= np.float32(threshold):
        return True
    with np.errstate(invalid="ignore"):
        ratio = np.abs(np.float32(offset) - np.float32(median)) / (known + np.float32(1e-5))
    return bool(known <= np.float32(5 * threshold) and ratio >= 10)


def test_a_large_standard_deviation_is_forgiven_where_the_offset_stands_out(device):
    rng = np.random.default_rng(0)
    std = rng.uniform(0, 1.5, (4, 500)).astype("f4")
    offset = rng.normal(0, 6, (4, 500)).astype("f4")
    std[rng.random(std.shape) < 0.05] = NAN
    offset[rng.random(std.shape) < 0.05] = NAN
    medians = np.array([0.5, -3, NAN, 0], "f4")
    tensors = [torch.tensor(values, device=device) for values in (std, offset, medians[:, None])]
    expected = np.vectorize(kept)(std, offset, medians[:, None], 0.25)
    np.testing.assert_array_equal(keep_by_std(*tensors, 0.25).cpu().numpy(), expected)
    by_std_alone = np.nan_to_num(std) <= 0.25
    assert (expected & ~by_std_alone).sum() > 20  # both halves of the rule are at work
    assert (~expected).sum() > 500
    np.testing.assert_array_equal(expected[2], by_std_alone[2])  # a pair without a median has but one half
