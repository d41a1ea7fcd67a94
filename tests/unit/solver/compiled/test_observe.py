"""What the compiled kernel makes of raw observations: the bits that :class:`Weighing` gives to the others."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.weight_tables import (
    BIN_WIDTH,
    COHERENCE_FLOOR,
    FIRST_BIN_CENTRE,
    LAST_BIN_CENTRE,
)
from fringefleet.options import Options
from fringefleet.solver.compiled import observe as compiled_observe
from fringefleet.solver.compiled import solver as compiled
from fringefleet.solver.compiled import source as compiled_source
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.raw import Raw, Rules
from raw_observations import DAYS, N_PIXEL, NETWORK, OF_OFFSETS, OF_PHASES, observed_by_torch, scene_and_batch

CPU = torch.device("cpu")


def check_bits(scene, batch, options):
    (raw, rules), phase, weight = observed_by_torch(scene, batch, options, CPU)
    work = compiled.Workspace(plan_elimination(NETWORK), N_PIXEL, phase.dtype, CPU)
    source = compiled_source.source_of_kernel(work.vectors.real, raw, rules)
    strip, n_lane = (
        compiled_observe.ObservationBuffers(*(np.full_like(rows, np.nan) for rows in work.vectors.strip)),
        work.vectors.n_lane,
    )
    i, j = np.argsort(work.plan.order)[NETWORK.pair_array].T
    incidence = (np.eye(5)[i] - np.eye(5)[j])[list(work.plan.pair_order)].T  # (position, row)
    incidence *= np.where(i < j, 1, -1)[list(work.plan.pair_order)]
    for first in range(0, N_PIXEL, n_lane):
        n_here = min(n_lane, N_PIXEL - first)
        compiled_observe.observe_vector(source, work.vectors.walk, first, n_here, strip)
        here = slice(first, first + n_here)
        n_vector = -(-n_here // LANES)
        found = [np.concatenate(rows[:n_vector], axis=1) for rows in strip]
        np.testing.assert_array_equal(found[1][:, :n_here], weight[:, here])
        np.testing.assert_array_equal(found[0][:, :n_here], phase[:, here])
        np.testing.assert_array_equal(found[3][-1, :n_here], (weight[:, here] > 0).sum(0))
        pulls = (weight * phase)[:, here].double().numpy()
        close = 1e-5 * np.abs(pulls).sum(0)
        assert (np.abs(found[2][:, :n_here] - incidence @ pulls) <= close).all()
        for values in found:
            assert not values[:, n_here:].any()


@pytest.mark.parametrize("given", [*OF_PHASES, *OF_OFFSETS], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("has_land", [False, True])
def test_the_kernel_weighs_as_the_other_solvers_do_bit_by_bit(given, dtype, has_land):
    options = Options(dtype=dtype, **given)
    kinds = "i2" if options.mask_dataset == "connected_component" else "f4"
    scene, batch = scene_and_batch(options, CPU, kinds)
    check_bits(scene, batch if has_land else batch._replace(water_mask=None), options)


@pytest.mark.parametrize("kinds", ["u1", "i4", "f2", "f8"])
@pytest.mark.parametrize("threshold", [0.7, 0.4])
def test_mask_values_are_compared_in_the_numbers_of_the_file(kinds, threshold):
    options = Options(
        weight_func="no", mask_dataset="offset_snr", observation="range_offset", mask_threshold=threshold
    )
    with np.errstate(invalid="ignore", over="ignore"):
        scene, batch = scene_and_batch(options, CPU, kinds)
    exact = torch.tensor([threshold], dtype=batch.mask_values.dtype)
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
    assert np.shares_memory(
        compiled_source.source_of_kernel(work.vectors.real, raw, rules).observed, wide.numpy()
    )


def test_float64_coherences_at_the_edges_of_the_bins_fall_in_those_of_the_definition():
    options = Options(dtype="float64")
    scene, batch = scene_and_batch(options, CPU, "f4")
    edges = torch.round(torch.linspace(0.0525, 0.9975, 190, dtype=torch.float64), decimals=4)
    coherence = batch.coherence.double()
    coherence[:, :190] = edges
    check_bits(scene, batch._replace(coherence=coherence), options)


@pytest.mark.long
def test_every_float32_coherence_falls_in_the_bin_of_the_definition():
    """By division in float64, as :func:`fringefleet.observation.weights.phase_variance_weight` has it."""
    first, last = (np.array(value, np.float32).view(np.int32) for value in (0.0, 2.0))
    plan = plan_elimination(Network(DAYS[:2], ((0, 1),)))
    step = 2**22
    work = compiled.Workspace(plan, step, torch.float32, CPU)
    rules = Rules(weight="var", reference=torch.zeros(1), table=torch.arange(1.0, 201))
    for begin in range(int(first), int(last), step):
        coherence = np.arange(begin, begin + step, dtype=np.int32).view(np.float32)
        raw = Raw(torch.ones((1, step)), torch.from_numpy(coherence)[None])
        source = compiled_source.source_of_kernel(work.vectors.real, raw, rules)
        clipped = np.clip(coherence, np.float32(COHERENCE_FLOOR), np.float32(LAST_BIN_CENTRE))
        expected = ((clipped.astype(np.float64) - FIRST_BIN_CENTRE) / BIN_WIDTH).astype(np.int32) + 1
        for at in range(0, step, work.vectors.n_lane):
            compiled_observe.observe_vector(
                source, work.vectors.walk, at, work.vectors.n_lane, work.vectors.strip
            )
            assert (work.vectors.strip.weight[:, 0].ravel() == expected[at : at + work.vectors.n_lane]).all()
