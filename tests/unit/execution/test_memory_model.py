"""The memory model against what torch allocates."""

import gc
import json
import tracemalloc

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity

from fringefleet.engine import device as devices
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.engine.footprint import (
    CPU_BATCH,
    bytes_per_pixel,
    cpu_batch_bytes,
    fused_bytes_per_pixel,
    solver_bytes_per_pixel,
)
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.solver import arrays
from fringefleet.solver import subsets as pieces
from long_cases import mostly_long

OBJECTS = 2**16  # of Python, which are traced with the arrays [byte]
N_PIXEL = 2048  # in one batch: what does not grow with the pixels hardly shows


def network_of(n_date, gaps):
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    first, second = zip(
        *[(i, i + gap) for i in range(n_date) for gap in gaps if i + gap < n_date], strict=True
    )
    return Network.from_dates(days[list(first)], days[list(second)])


CHAIN = network_of(10, [1])
NEIGHBOURS = network_of(98, [1, 2, 3])
ANNUAL = network_of(98, [1, 2, 3, 30])
ALL_PAIRS = network_of(30, range(1, 30))


def peak_bytes(work, folder, *, arrays=True):
    """Largest sum of tensors that are alive at one time while ``work`` runs, and of arrays [byte]."""
    if arrays:
        work()  # what is made once is not counted
    gc.collect()  # tensors of other tests would be counted when they go
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profile:
        tracemalloc.start()
        series = work()
        _, of_arrays = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    file = folder / "trace.json"
    profile.export_chrome_trace(str(file))
    events = [e for e in json.loads(file.read_text())["traceEvents"] if e.get("name") == "[memory]"]
    events.sort(key=lambda event: event["ts"])
    of_tensors = int(np.cumsum([0, *(event["args"]["Bytes"] for event in events)]).max())
    answer = 0 if series is None else sum(values.nbytes for values in series.variables.values())
    return of_tensors + arrays * max(0, of_arrays - answer - OBJECTS)


def inversion(network, options, missing):
    rng = np.random.default_rng(0)
    phase = rng.normal(0, 3, (network.n_pair, 1, N_PIXEL)).astype(np.float32)
    phase[rng.random(phase.shape) < missing] = np.nan
    coherence = rng.uniform(0.3, 0.95, phase.shape).astype(np.float32)
    baseline = tuple(rng.normal(0, 80, network.n_date).tolist())
    scene = InversionContext(network, 0, (0.0,) * network.n_pair, 0.0555, 5, baseline, 5e5)
    return lambda: invert_block(Block(phase, coherence), scene, options)


@pytest.mark.parametrize(
    ("dtype", "solver"),
    mostly_long(
        [
            ("float32", "compiled"),
            ("float64", "elimination"),
            ("float64", "compiled"),
            ("float32", "elimination"),
        ],
        2,
    ),
)
@pytest.mark.parametrize(
    "network", [CHAIN, NEIGHBOURS, ANNUAL, ALL_PAIRS], ids=["chain", "98 by 3", "98 annual", "all pairs"]
)
def test_the_memory_model_is_not_below_the_peak_and_at_most_twice_it(network, dtype, solver, tmp_path):
    options = Options(dtype=dtype, solver=solver)
    measured = peak_bytes(inversion(network, options, 0), tmp_path)
    predicted = cpu_batch_bytes(N_PIXEL, plan_elimination(network), options)
    assert measured <= predicted <= 2 * measured


@pytest.mark.parametrize("solver", [pytest.param("elimination", marks=pytest.mark.long), "compiled"])
@pytest.mark.parametrize("dtype", mostly_long(["float32", "float64"], 1))
@pytest.mark.parametrize(
    "network", mostly_long([ALL_PAIRS, CHAIN, ANNUAL], 1), ids=["all pairs", "chain", "98 annual"]
)
@pytest.mark.parametrize(
    "wanted",
    [
        {"std": True},
        {"diagnose": True},
        {"norm": "huber", "max_iterations": 30},
        {"dem_error": True},
        {"covariance": True},
        {"velocity": True},
        {"velocity": True, "uncertainty": "covariance", "periodic": (0.5,)},
        {
            "std": True,
            "diagnose": True,
            "norm": "huber",
            "max_iterations": 30,
            "dem_error": True,
            "polynomial_order": 4,
        },
    ],
    ids=" ".join,
)
def test_the_memory_model_knows_what_is_wanted_besides(wanted, network, dtype, solver, tmp_path, monkeypatch):
    """Covariances come in pieces of a fixed size: here of the same share of the batch as in a full one."""
    monkeypatch.setattr(pieces, "BYTES_AT_ONCE", pieces.BYTES_AT_ONCE * N_PIXEL // CPU_BATCH)
    options = Options(dtype=dtype, solver=solver, **wanted)
    measured = peak_bytes(inversion(network, options, 0), tmp_path)
    predicted = cpu_batch_bytes(N_PIXEL, plan_elimination(network), options)
    assert measured <= predicted + OBJECTS
    assert predicted <= 2 * measured


@pytest.mark.parametrize(
    ("network", "norm"),
    mostly_long([(CHAIN, "phase"), (CHAIN, "velocity"), (NEIGHBOURS, "phase")], 1),
    ids=["chain phase", "chain velocity", "98 by 3 phase"],
)
def test_a_batch_of_nothing_but_cut_pixels_stays_within_twice_the_model(network, norm, tmp_path, monkeypatch):
    """What a batch on a GPU may take: it is made for half of the free memory.

    The systems of the velocity rule come in pieces of a fixed size, which is left out here.
    """
    for module in (pieces, arrays):
        monkeypatch.setattr(module, "BYTES_AT_ONCE", 2**18)
    options = Options(min_norm=norm, min_redundancy=0.0, solver="elimination")
    measured = peak_bytes(inversion(network, options, 0.7), tmp_path, arrays=False)
    assert measured <= 2 * N_PIXEL * solver_bytes_per_pixel(plan_elimination(network), options)


@pytest.mark.parametrize(
    "wanted",
    mostly_long(
        [{}, {"std": True}, {"diagnose": True}, {"norm": "huber", "max_iterations": 2}, {"dem_error": True}],
        1,
    ),
    ids=" ".join,
)
def test_the_memory_of_a_gpu_is_that_of_the_tile_and_of_the_fused_solver(wanted, tmp_path, monkeypatch):
    """All that is on a device that has its own memory: one tile; two are when copies and solving overlap."""
    pytest.importorskip("triton")
    monkeypatch.setattr(devices, "has_own_memory", lambda _: True)
    options = Options(solver="fused", **wanted)
    network = network_of(9, [1, 2])
    rng = np.random.default_rng(0)
    phase = rng.normal(0, 3, (network.n_pair, 1, 256)).astype(np.float32)
    baseline = tuple(rng.normal(0, 80, network.n_date).tolist())
    scene = InversionContext(network, 0, (0.0,) * network.n_pair, 0.0555, 5, baseline, 5e5)
    block = Block(phase, np.full_like(phase, 0.7))
    measured = peak_bytes(lambda: invert_block(block, scene, options), tmp_path, arrays=False)
    workspace = 256 * fused_bytes_per_pixel(plan_elimination(network), options)
    predicted = workspace + 256 * bytes_per_pixel(network, options)
    assert 0.8 * predicted <= measured <= 1.05 * predicted
