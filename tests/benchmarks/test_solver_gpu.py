"""Pixels per second of the solvers on a GPU, data on the device; ``reduce.py`` makes the small JSON.

    pytest tests/benchmarks/test_solver_gpu.py -n 0 --benchmark-enable --benchmark-json=all.json
    python tests/benchmarks/reduce.py all.json tests/benchmarks/results/solver-gpu.json

Every record also has the time in which the batch's inputs come to the device from pinned memory
(``copy_seconds``), what the solve takes of that (``solve_over_copy``), and the peak of the memory.
Without ``--benchmark-enable`` every case runs once, on a few pixels, as a test of its accuracy.
"""

import platform
import time
from importlib.metadata import version

import numpy as np
import pytest
import torch

from fringefleet.engine import device as devices
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.weights import coherence_to_weight
from fringefleet.solver import dense, elimination
from fringefleet.solver.fused import solver as fused
from machine import commit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

CHECKED = 32  # pixels that are compared with the float64 answer
CUDA = torch.device("cuda:0")
SOLVERS = {"elimination": elimination, "fused": fused, "dense": dense}
# name: dates, gaps between the dates of a pair (longest cut short), pairs, pixels for dense
NETWORKS = {
    "98 dates, 288 pairs": (98, (1, 2, 3), 288, 2**15),
    "333 dates, 1297 pairs": (333, (1, 2, 3, 4), 1297, 2**12),
}
BATCHES = (2**17, 2**18, 2**19, 2**20)
STAGING = 2**28  # numbers in pinned memory, 1 GiB
ROWS_AT_ONCE = 32
CASES = [
    (solver, name, n_pixel)
    for name, (*_, n_pixel_of_dense) in NETWORKS.items()
    for solver in SOLVERS
    for n_pixel in ((n_pixel_of_dense,) if solver == "dense" else BATCHES)
]


@pytest.mark.parametrize(("solver", "name", "n_pixel"), CASES)
def test_solver_speed_and_accuracy_on_a_gpu(benchmark, solver, name, n_pixel):
    network = network_of(*NETWORKS[name][:3])
    plan = plan_elimination(network)
    n_pixel = 8 * CHECKED if benchmark.disabled else n_pixel
    skip_if_too_large(plan, n_pixel)
    torch.cuda.reset_peak_memory_stats(CUDA)
    with torch.inference_mode():
        phase, weight = observations_of(network, n_pixel)
        workspace = SOLVERS[solver].Workspace(plan, n_pixel, torch.float32, CUDA)
        torch.cuda.synchronize(CUDA)

        def solve():
            solution = SOLVERS[solver].solve(workspace, phase, weight)
            torch.cuda.synchronize(CUDA)
            return solution

        solution = benchmark.pedantic(solve, rounds=7, warmup_rounds=2)
        peak = torch.cuda.max_memory_allocated(CUDA)
        exact = dense.Workspace(plan, CHECKED, torch.float64, CUDA)
        few = phase[:, :CHECKED].double(), weight[:, :CHECKED].double()
        error = (solution.phase[:, :CHECKED] - dense.solve(exact, *few).phase).abs().max().item()
        assert error < (0.5 if solver == "dense" else 1e-5)  # dense float32: see the results
        if benchmark.enabled:
            seconds = copy_seconds(phase, weight)
            benchmark.extra_info.update(
                record(network, name, solver, n_pixel),
                max_error_rad=error,
                peak_bytes=peak,
                copy_seconds=seconds,
                solve_over_copy=benchmark.stats.stats.median / seconds,
            )


def network_of(n_date, gaps, n_pair):
    """Pairs of neighbours; what is too many is cut from the end of the longest gap."""
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    pairs = np.array([(i, i + gap) for gap in gaps for i in range(n_date - gap)])[:n_pair]
    return Network.from_dates(days[pairs[:, 0]], days[pairs[:, 1]])


def observations_of(network, n_pixel):
    """Random walks with noise, a few wrong turns, 2 % missing; weights of coherences 0.1 to 0.95."""
    random = {"generator": torch.Generator(CUDA).manual_seed(0), "device": CUDA}
    truth = torch.randn((network.n_date, n_pixel), **random).cumsum_(0)
    phase = torch.empty((network.n_pair, n_pixel), device=CUDA)
    weight = torch.empty_like(phase)
    pairs = torch.tensor(network.pair_array, device=CUDA)
    for start in range(0, network.n_pair, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        first, second = pairs[rows].T
        some = phase[rows]
        some.copy_(truth[second] - truth[first])
        some += 0.5 * torch.randn(some.shape, **random)
        some += 2 * torch.pi * (torch.rand(some.shape, **random) < 0.01)
        some[torch.rand(some.shape, **random) < 0.02] = torch.nan
        coherence = 0.1 + 0.85 * torch.rand(some.shape, **random)
        weight[rows] = coherence_to_weight(coherence, "var", 10)
    return phase, weight


def skip_if_too_large(plan, n_pixel):
    """Room for the inputs, the workspace, the solution and what the eager form makes on the way."""
    numbers = 7 * plan.network.n_pair + 2 * plan.n_slot + 12 * plan.network.n_date
    if 4 * numbers * n_pixel > devices.free_bytes(CUDA):
        pytest.skip(f"{n_pixel} pixels need {4 * numbers * n_pixel:,} bytes of memory")


def copy_seconds(*inputs):
    """Copy the inputs of a batch from pinned memory, over what they are; the best of three times."""
    numbers = [values.view(-1) for values in inputs]
    staging = torch.zeros(min(STAGING, len(numbers[0])), pin_memory=True)
    times = []
    for _ in range(3):
        torch.cuda.synchronize(CUDA)
        start = time.perf_counter()
        for piece in (piece for flat in numbers for piece in flat.split(len(staging))):
            piece.copy_(staging[: len(piece)], non_blocking=True)
        torch.cuda.synchronize(CUDA)
        times.append(time.perf_counter() - start)
    return min(times)


def record(network, name, solver, n_pixel):
    return {
        "solver": solver,
        "network": name,
        "n_date": network.n_date,
        "n_pair": network.n_pair,
        "n_pixel": n_pixel,
        "dtype": "float32",
        "machine": torch.cuda.get_device_name(CUDA),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": version("triton"),
        "python": platform.python_version(),
        "commit": commit(),
    }
