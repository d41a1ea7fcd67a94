"""What the compiled kernel makes of raw observations: the bits that :class:`Weighing` gives to the others."""

import numpy as np
import pytest
import torch

from fringefleet.options import Options
from fringefleet.plan import plan_elimination
from fringefleet.solver import compiled, compiled_observe
from fringefleet.weights import BIN_WIDTH, COHERENCE_FLOOR, FIRST_BIN_CENTRE, LAST_BIN_CENTRE
from raw_observations import N_PIXEL, NETWORK, OF_OFFSETS, OF_PHASES, observed_by_torch, scene_and_batch

CPU = torch.device("cpu")


def check_bits(scene, batch, options, n_lane=64):
    (raw, rules), phase, weight = observed_by_torch(scene, batch, options, CPU)
    work = compiled.Workspace(plan_elimination(NETWORK), N_PIXEL, phase.dtype, CPU)
    source = compiled.source_of(work, raw, rules)
    found, weights = np.full((2, NETWORK.n_pair, n_lane), np.nan, work.real)
    count = np.full(n_lane, np.nan, work.real)
    for first in range(0, N_PIXEL, n_lane):
        n_here = min(n_lane, N_PIXEL - first)
        compiled_observe.observe(source, work.walk.rows, first, n_here, found, weights, count)
        here = slice(first, first + n_here)
        np.testing.assert_array_equal(weights[:, :n_here], weight[:, here])
        np.testing.assert_array_equal(found[:, :n_here], phase[:, here])
        np.testing.assert_array_equal(count[:n_here], (weight[:, here] > 0).sum(0))
        assert not weights[:, n_here:].any()
        assert not found[:, n_here:].any()


@pytest.mark.parametrize("given", [*OF_PHASES, *OF_OFFSETS], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("has_land", [False, True])
def test_the_kernel_weighs_as_the_other_solvers_do_bit_by_bit(given, dtype, has_land):
    options = Options(dtype=dtype, **given)
    kinds = "i2" if options.mask_dataset == "connected_component" else "f4"
    scene, batch = scene_and_batch(options, CPU, kinds)
    check_bits(scene, batch if has_land else batch._replace(water_mask=None), options)


@pytest.mark.parametrize("kinds", ["u1", "i4", "f2", "f8"])
def test_mask_values_are_compared_in_the_numbers_of_the_file(kinds):
    options = Options(
        weight_func="no", mask_dataset="offset_snr", observation="range_offset", mask_threshold=0.7
    )
    with np.errstate(invalid="ignore", over="ignore"):
        scene, batch = scene_and_batch(options, CPU, kinds)
    exact = torch.tensor([0.7], dtype=batch.mask_values.dtype)
    batch.mask_values[::2] = torch.where(batch.mask_values[::2] > 0, exact, batch.mask_values[::2])
    check_bits(scene, batch, options)


@pytest.mark.parametrize("kinds", ["i2", "f8"])
def test_observations_of_other_types_are_converted(kinds):
    options = Options()
    scene, batch = scene_and_batch(options, CPU, "f4")
    numbers = {"i2": torch.int16, "f8": torch.float64}[kinds]
    observed = torch.nan_to_num(batch.observed, 0, 0, 0).clamp(-3e4, 3e4).to(numbers)
    check_bits(scene, batch._replace(observed=observed, coherence=batch.coherence.double()), options)


def test_a_stack_without_coherence_is_not_weighed():
    options = Options()
    scene, batch = scene_and_batch(options, CPU, "f4")
    check_bits(scene, batch._replace(coherence=None), options)


def test_pixels_of_a_wider_array_are_read_where_they_are():
    options = Options()
    scene, batch = scene_and_batch(options, CPU, "f4")
    wide = torch.full((NETWORK.n_pair, N_PIXEL + 9), torch.nan)
    wide[:, 4 : 4 + N_PIXEL] = batch.observed
    part = wide[:, 4 : 4 + N_PIXEL]
    check_bits(scene, batch._replace(observed=part), options)
    work = compiled.Workspace(plan_elimination(NETWORK), N_PIXEL, torch.float32, CPU)
    (raw, rules), *_ = observed_by_torch(scene, batch._replace(observed=part), options, CPU)
    assert np.shares_memory(compiled.source_of(work, raw, rules).observed, wide.numpy())


@pytest.mark.long
def test_every_float32_coherence_falls_in_the_bin_of_the_definition():
    """By division in float64, as :func:`fringefleet.weights.phase_variance_weight` has it."""
    first, last = (np.array(value, np.float32).view(np.int32) for value in (0.0, 2.0))
    table = np.arange(200, dtype=np.float32)
    rows, step = np.array([[0, 1, 1]], np.int32), 2**22
    weight = np.zeros((1, step), np.float32)
    for begin in range(int(first), int(last), step):
        coherence = np.arange(begin, begin + step, dtype=np.int32).view(np.float32)
        compiled_observe.weigh_by_table(coherence, table, rows, (0, step, step), weight)
        clipped = np.clip(coherence, np.float32(COHERENCE_FLOOR), np.float32(LAST_BIN_CENTRE))
        expected = ((clipped.astype(np.float64) - FIRST_BIN_CENTRE) / BIN_WIDTH).astype(np.int32)
        assert (weight[0] == expected).all()
