"""What a kernel makes of raw observations: the bits that :class:`Weighing` gives to the other solvers."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.options import Options
from fringefleet.solver.fused import solver as fused
from raw_observations import N_PIXEL, NETWORK, OF_OFFSETS, OF_PHASES, observed_by_torch, scene_and_batch

triton = pytest.importorskip("triton")
tl = triton.language

from fringefleet.solver.fused.observe import observe_pair, wave  # noqa: E402 - needs Triton


@pytest.fixture
def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@triton.jit
def observe_all(
    phase, weight, observed, beside, mask, land, reference, medians, table, limits, order, sign,
    observed_stride, beside_stride, mask_stride, n_pair, n_pixel,
    WEIGHT: tl.constexpr, MASK: tl.constexpr, IS_OFFSET: tl.constexpr, HAS_LAND: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Write what the kernels make of each observation, in the rows of the plan."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = pixel < n_pixel
    seen = here
    if HAS_LAND:
        seen = here & (tl.load(land + pixel, here, 0) != 0)
    source = (
        observed + pixel, beside + pixel, mask + pixel, reference, medians, table, limits,
        observed_stride, beside_stride, mask_stride,
    )  # fmt: skip
    for row in range(n_pair):
        pair = tl.load(order + row)
        y, w = observe_pair(pair, tl.load(sign + row), source, seen, WEIGHT, MASK, IS_OFFSET)
        tl.store(phase + row * n_pixel + pixel, y, here)
        tl.store(weight + row * n_pixel + pixel, w, here)


@pytest.mark.parametrize("given", [*OF_PHASES, *OF_OFFSETS], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("has_land", [False, True])
def test_a_kernel_weighs_as_the_other_solvers_do_bit_by_bit(given, dtype, has_land, device):
    options = Options(dtype=dtype, **given)
    kinds = "i2" if options.mask_dataset == "connected_component" else "f4"
    scene, batch = scene_and_batch(options, device, kinds)
    batch = batch if has_land else batch._replace(water_mask=None)
    check_bits(scene, batch, options, device)


@pytest.mark.parametrize("kinds", ["u1", "i4", "f2", "f8"])
def test_mask_values_are_compared_in_the_numbers_of_the_file(kinds, device):
    options = Options(
        weight_func="no", mask_dataset="offset_snr", observation="range_offset", mask_threshold=0.7
    )
    with np.errstate(invalid="ignore", over="ignore"):
        scene, batch = scene_and_batch(options, device, kinds)
    exact = torch.tensor([0.7], dtype=batch.mask_values.dtype, device=device)
    batch.mask_values[::2] = torch.where(batch.mask_values[::2] > 0, exact, batch.mask_values[::2])
    check_bits(scene, batch, options, device)


def test_a_stack_without_coherence_is_not_weighed(device):
    options = Options()
    scene, batch = scene_and_batch(options, device, "f4")
    check_bits(scene, batch._replace(coherence=None), options, device)


def check_bits(scene, batch, options, device):
    (raw, rules), phase, weight = observed_by_torch(scene, batch, options, device)
    plan = plan_elimination(NETWORK)
    order, sign = (torch.tensor(values, device=device) for values in (plan.pair_order, plan.pair_sign))
    arrays, strides = fused.source_of(raw, rules, phase)
    found, weights = torch.full((2, *phase.shape), torch.nan, dtype=phase.dtype, device=device)
    with np.errstate(all="ignore"):  # the interpreter's NumPy
        observe_all[(2,)](
            found, weights, *arrays, order, sign, *strides,
            NETWORK.n_pair, N_PIXEL, WEIGHT=rules.weight, MASK=rules.mask, IS_OFFSET=rules.is_offset,
            HAS_LAND=raw.land is not None, BLOCK=128, enable_fp_fusion=False,
        )  # fmt: skip
    torch.testing.assert_close(weights, weight, rtol=0, atol=0)
    torch.testing.assert_close(found, phase, rtol=0, atol=0)


@triton.jit
def wave_all(cosine, sine, angle, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x, y = wave(tl.load(angle + at))
    tl.store(cosine + at, x)
    tl.store(sine + at, y)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-7), (torch.float64, 4e-16)])
@pytest.mark.parametrize("largest", [1.0, 20.0, 1e4])
def test_cosine_and_sine_are_those_of_the_library(dtype, close, largest, device):
    rng = np.random.default_rng(0)
    angle = torch.tensor(rng.uniform(-largest, largest, 4096), dtype=dtype, device=device)
    angle[:9] = torch.arange(-4, 5, dtype=dtype) * torch.pi / 4
    cosine, sine = torch.empty((2, 4096), dtype=dtype, device=device)
    wave_all[(1,)](cosine, sine, angle, BLOCK=4096)
    for found, expected in ((cosine, torch.cos(angle.double())), (sine, torch.sin(angle.double()))):
        assert (found.double() - expected).abs().max() <= close
