"""Raw observations of every kind, good and bad, and what the solvers that do not weigh get of them."""

import itertools

import numpy as np
import torch

from fringefleet.engine.context import InversionContext
from fringefleet.engine.transfer import RawBatch
from fringefleet.engine.weighing import Weighing
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver.observations import Observations

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


def scene_and_batch(options, device, kinds):
    """Everything that an observation may be, and more; ``kinds``: dtypes of mask values."""
    rng = np.random.default_rng(0)
    shape = (NETWORK.n_pair, N_PIXEL)

    def spoilt(values, nothing):
        return np.where(rng.random(shape) < 0.3, rng.choice(nothing, shape), values).astype(np.float32)

    reference = np.where(rng.random(NETWORK.n_pair) < 0.2, 0, rng.normal(0, 2, NETWORK.n_pair))
    medians = np.where(rng.random(NETWORK.n_pair) < 0.2, np.nan, rng.normal(0, 1, NETWORK.n_pair))
    scene = InversionContext(
        NETWORK, 0, tuple(reference.tolist()), np.nan, 8, medians=tuple(medians.tolist())
    )
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


def observed_by_torch(scene, batch, options, device):
    """What the kernels are given; phases and weights as the other solvers get them, missing ones as zeros."""
    dtype = torch.float64 if options.dtype == "float64" else torch.float32
    weighing = Weighing(scene, options, dtype, device)
    expected = Observations(plan_elimination(NETWORK), N_PIXEL, dtype, device)
    expected.load(*weighing.prepare_pixels(batch, torch.arange(N_PIXEL, device=device)))
    counts = expected.weight > 0  # what is missing has no phase; the eager form leaves some there
    assert counts.any()
    assert not counts.all()
    return weighing.for_kernel(batch), torch.where(counts, expected.residual, 0), expected.weight
