"""What a kernel makes of raw observations: the bits that :class:`Weighing` gives to the other solvers."""

import itertools

import numpy as np
import pytest
import torch

from fringefleet.feed import RawBatch
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import plan_elimination
from fringefleet.scene import Scene
from fringefleet.solver import fused
from fringefleet.solver.observations import Observations
from fringefleet.weighing import Weighing

triton = pytest.importorskip("triton")
tl = triton.language

from fringefleet.solver.fused_observe import observe, wave  # noqa: E402 - needs Triton

DAYS = tuple(f"2018-01-{day:02d}T00:00:00" for day in range(1, 6))
NETWORK = Network(
    DAYS, tuple((i, j) if (i + j) % 3 else (j, i) for i, j in itertools.combinations(range(5), 2))
)
N_PIXEL = 250
PHASE_OF_NOTHING = (0.0, np.nan, np.inf, -np.inf, 1e37, 2.0**34, 1e-30, -1e-30)
QUALITY_OF_NOTHING = (np.nan, np.inf, -np.inf, -1.0, 0.0, 0.05, 0.9975, 0.999, 0.9995, 1.0, 1.5, 1e-9, 1e9)
MASK = {"mask_threshold": 0.4}
OF_PHASES = [
    {"weight_func": function} | mask
    for function in ("var", "fim", "coh", "no")
    for mask in ({}, {"mask_dataset": "coherence"} | MASK, {"mask_dataset": "connected_component"})
]
OF_OFFSETS = [
    {"observation": "range_offset", "weight_func": function} | mask
    for function in ("var", "no")
    for mask in (
        {},
        {"mask_dataset": "range_offset_std"} | MASK,
        {"mask_dataset": "azimuth_offset_std"} | MASK,
        {"mask_dataset": "offset_snr", "mask_threshold": 0.0},
    )
]


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
        y, w = observe(pair, tl.load(sign + row), source, seen, WEIGHT, MASK, IS_OFFSET)
        tl.store(phase + row * n_pixel + pixel, y, here)
        tl.store(weight + row * n_pixel + pixel, w, here)


def scene_and_batch(options, device, kinds):
    """Everything that an observation may be, and more; ``kinds``: dtypes of mask values."""
    rng = np.random.default_rng(0)
    shape = (NETWORK.n_pair, N_PIXEL)

    def spoilt(values, nothing):
        return np.where(rng.random(shape) < 0.3, rng.choice(nothing, shape), values).astype(np.float32)

    reference = np.where(rng.random(NETWORK.n_pair) < 0.2, 0, rng.normal(0, 2, NETWORK.n_pair))
    medians = np.where(rng.random(NETWORK.n_pair) < 0.2, np.nan, rng.normal(0, 1, NETWORK.n_pair))
    scene = Scene(NETWORK, 0, tuple(reference.tolist()), np.nan, 8, medians=tuple(medians.tolist()))
    phase = rng.normal(0, 3, shape)
    phase = np.where(rng.random(shape) < 0.05, reference.astype(np.float32)[:, None], phase)
    mask = (
        rng.integers(0, 3, shape).astype("f4")
        if kinds == "i2"
        else spoilt(rng.random(shape), QUALITY_OF_NOTHING)
    )
    batch = RawBatch(
        observed=torch.tensor(spoilt(phase, PHASE_OF_NOTHING), device=device),
        coherence=torch.tensor(spoilt(rng.random(shape), QUALITY_OF_NOTHING), device=device),
        mask_values=torch.tensor(mask.astype(kinds), device=device),
        water_mask=torch.tensor(rng.random((1, N_PIXEL)) < 0.8, device=device),
        range_sine=None,
        observed_std=torch.tensor(spoilt(rng.random(shape), QUALITY_OF_NOTHING), device=device),
    )
    return scene, batch


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
    dtype = torch.float64 if options.dtype == "float64" else torch.float32
    weighing = Weighing(scene, options, dtype, device)
    plan = plan_elimination(NETWORK)
    expected = Observations(plan, N_PIXEL, dtype, device)
    phase, weight = weighing.prepare_pixels(batch, torch.arange(N_PIXEL, device=device))
    expected.load(phase, weight)
    raw, rules = weighing.for_kernel(batch)
    arrays, strides = fused.source_of(raw, rules, expected.phase)
    found, weights = torch.full((2, *phase.shape), torch.nan, dtype=dtype, device=device)
    with np.errstate(all="ignore"):  # the interpreter's NumPy
        observe_all[(2,)](
            found, weights, *arrays, expected.order, torch.tensor(plan.pair_sign, device=device), *strides,
            NETWORK.n_pair, N_PIXEL, WEIGHT=rules.weight, MASK=rules.mask, IS_OFFSET=rules.is_offset,
            HAS_LAND=raw.land is not None, BLOCK=128, enable_fp_fusion=False,
        )  # fmt: skip
    torch.testing.assert_close(weights, expected.weight, rtol=0, atol=0)
    counts = expected.weight > 0  # what is missing has no phase; the eager form leaves some there
    torch.testing.assert_close(found, torch.where(counts, expected.phase, 0), rtol=0, atol=0)
    assert counts.any()
    assert not counts.all()


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
