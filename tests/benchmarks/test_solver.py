"""Pixels per second of the solvers on one torch thread; ``reduce.py`` makes the small JSON of the results.

    pytest tests/benchmarks/test_solver.py -n 0 --benchmark-enable --benchmark-json=all.json
    python tests/benchmarks/reduce.py all.json tests/benchmarks/results/solver-cpu.json

Without ``--benchmark-enable`` every case runs once, on a few pixels, as a test of its accuracy.
"""

import os
import platform
import time

import numpy as np
import pytest
import torch

from fringefleet.engine import device as devices
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.observation.weights import coherence_to_weight
from fringefleet.solver import closure, dense, elimination, quality, star_mesh, uncertainty
from fringefleet.solver import pair_residuals as diagnosis
from fringefleet.solver.config import Method
from machine import commit, cpu_model
from named_networks import network_by_gap

CHECKED = 32  # pixels that are compared with the float64 answer
CPU = torch.device("cpu")
SOLVERS = {"elimination": elimination, "dense": dense}
# name: dates, gaps between the dates of a pair, pixels for elimination, pixels for dense
NETWORKS = {
    "98 dates, 3 neighbours": (98, (1, 2, 3), 8192, 512),
    "98 dates, 3 neighbours, annual": (98, (1, 2, 3, 30), 8192, 512),
    "333 dates, 4 neighbours": (333, (1, 2, 3, 4), 8192, 32),
    "30 dates, all pairs": (30, tuple(range(1, 30)), 8192, 1024),
}


def observations_of(network, n_pixel):
    """Random walks with noise, a few wrong turns, 2 % missing; weights of coherences 0.1 to 0.95."""
    rng = np.random.default_rng(0)
    i, j = network.pair_array.T
    truth = np.cumsum(rng.normal(0, 1, (network.n_date, n_pixel)), axis=0)
    phase = truth[j] - truth[i] + rng.normal(0, 0.5, (network.n_pair, n_pixel))
    phase += 2 * np.pi * (rng.random(phase.shape) < 0.01)
    phase[rng.random(phase.shape) < 0.02] = np.nan
    coherence = torch.tensor(rng.uniform(0.1, 0.95, phase.shape), dtype=torch.float32)
    return torch.tensor(phase, dtype=torch.float32), coherence_to_weight(coherence, "var", 10)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_speed_and_accuracy(benchmark, solver, name):
    n_date, gaps, *n_pixels = NETWORKS[name]
    n_pixel = CHECKED if benchmark.disabled else n_pixels[solver == "dense"]
    network = network_by_gap(n_date, *gaps)
    plan = plan_elimination(network)
    phase, weight = observations_of(network, n_pixel)
    with devices.one_thread(CPU), torch.inference_mode():
        workspace = SOLVERS[solver].Workspace(plan, n_pixel, torch.float32, CPU)
        solution = benchmark.pedantic(
            SOLVERS[solver].solve, (workspace, phase, weight), rounds=7, warmup_rounds=1
        )
        exact = dense.Workspace(plan, CHECKED, torch.float64, CPU)
        few = phase[:, :CHECKED].double(), weight[:, :CHECKED].double()
        error = (solution.phase[:, :CHECKED] - dense.solve(exact, *few).phase).abs().max().item()
    assert error < (1e-5 if solver == "elimination" else 0.5)  # dense float32: see the results
    if benchmark.enabled:
        benchmark.extra_info.update(_record(network, name, solver, n_pixel), max_error_rad=error)
        if solver == "elimination":
            with devices.one_thread(CPU), torch.inference_mode():
                benchmark.extra_info.update(_stages(workspace, phase, weight))


EXTRAS = {
    "unweighted": Method(unweighted=True),
    "l1": Method(norm="l1"),
    "huber": Method(norm="huber"),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("extra", ["std", "closure", "pair sums", *EXTRAS])
def test_what_is_wanted_besides_costs_so_much_of_a_solve(benchmark, extra, name):
    """Seconds of what comes on top, or instead; ``solve_ms`` is the plain solution in the same run."""
    n_date, gaps, n_pixel, _ = NETWORKS[name]
    network = network_by_gap(n_date, *gaps)
    plan = plan_elimination(network)
    n_pixel = CHECKED if benchmark.disabled else n_pixel
    phase, weight = observations_of(network, n_pixel)
    if extra == "unweighted":
        phase, weight = phase.nan_to_num(nan=1.0), torch.ones_like(weight)
    with devices.one_thread(CPU), torch.inference_mode():
        workspace = elimination.Workspace(plan, n_pixel, torch.float32, CPU)
        elimination.solve(workspace, phase, weight)
        work = _work_of(extra, workspace, phase, weight)
        benchmark.pedantic(work, rounds=5, warmup_rounds=1)
        if benchmark.enabled:
            plain = _milliseconds(lambda: elimination.solve(workspace, phase, weight))
            benchmark.extra_info.update(_record(network, name, extra, n_pixel), solve_ms=plain)


def _work_of(extra, workspace, phase, weight):
    observations = workspace.observations
    if extra in EXTRAS:
        return lambda: elimination.solve(workspace, phase, weight, method=EXTRAS[extra])
    if extra == "std":
        factor = uncertainty.Factor(workspace.plan, workspace.edge, workspace.inverse)
        variances = uncertainty.VarianceBuffers(factor)
        return lambda: uncertainty.selected_variances(variances)
    if extra == "closure":
        rows = closure.triplet_rows(workspace.plan, CPU)
        return lambda: closure.measure_closure(observations, rows)
    return lambda: diagnosis.sum_pairs(observations, torch.ones(phase.shape[1]))


def _stages(workspace, phase, weight):
    """Milliseconds of each stage of a solution, and how far it is from what the memory allows."""

    def solve_twice():
        star_mesh.right_hand_side(workspace)
        star_mesh.substitute(workspace)
        star_mesh.subtract_model(workspace)
        star_mesh.exact_right_hand_side(workspace)
        star_mesh.substitute(workspace)
        star_mesh.subtract_model(workspace)

    stages = {
        "assembly_ms": lambda: workspace.observations.load(phase, weight),
        "elimination_ms": lambda: star_mesh.factorise(workspace),
        "solve_ms": solve_twice,
        "quality_ms": lambda: quality.measure_quality(workspace.observations),
    }
    found = {name: _milliseconds(stage) for name, stage in stages.items()}
    source = torch.ones(2**25)
    target = torch.zeros_like(source)
    copy = _milliseconds(lambda: target.copy_(source))
    bandwidth = 2 * source.nbytes / copy / 1e6  # read and written
    n_byte = 2 * phase.nbytes + 4 * workspace.plan.network.n_date * phase.shape[1]
    whole = _milliseconds(lambda: elimination.solve(workspace, phase, weight))
    return {
        **found,
        "whole_ms": whole,
        "bandwidth_gb_s": round(bandwidth, 1),
        "share_of_bandwidth": round(n_byte / 1e6 / bandwidth / whole, 4),
    }


def _milliseconds(work, rounds=5):
    """Median time of some calls."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return round(float(np.median(times)), 2)


def _record(network, name, solver, n_pixel):
    return {
        "solver": solver,
        "network": name,
        "n_date": network.n_date,
        "n_pair": network.n_pair,
        "n_pixel": n_pixel,
        "dtype": "float32",
        "threads": 1,
        "machine": f"{cpu_model()}, {os.cpu_count()} logical CPUs",
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit(),
    }
