"""Measure the robust norms: how long they take, how near to the least sum they end, what they are good for.

PYTHONPATH=tests python tests/benchmarks/robust.py [tests/benchmarks/results/robust-cpu.json]

Times are ratios to least squares of the same scene in the same process, taken in turns. The distance of
Huber is that of the phase series [rad] from the minimum that Newton's method finds in float64. The gain is
the RMS error over that of least squares of the same scene without unwrapping errors.
"""

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet.engine import device as devices
from fringefleet.lazy import invert
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.weights import coherence_to_weight
from fringefleet.simulate import Scene, simulate_dataset
from fringefleet.solver import elimination
from fringefleet.solver.config import Method
from machine import commit, cpu_model
from named_networks import network_by_gap

CPU = torch.device("cpu")
METHODS = {"l2": Method(), "l1": Method(norm="l1"), "huber": Method(norm="huber")}
N_DATE, NEIGHBOURS, N_EXACT, ROUNDS = 98, 3, 32, 3
TIMED = {"n_date": 98, "neighbours": 3, "shape": (100, 100), "seed": 1}
SHARES = (0.0, 0.01, 0.05)  # of the observations that are a cycle off
SCENES = [{"n_date": 16, "neighbours": 4, "shape": (48, 48), "seed": seed} for seed in (1, 2, 3)]
UNWRAPPING_ERRORS = 0.15
MOST_STEPS, AT_REST, RIDGE = 2000, 1e-4, 1e-9  # of Newton's method


def observations(network: Network, n_pixel: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Random walks with noise, a share of wrong turns; weights of coherences 0.3 to 0.95."""
    rng = np.random.default_rng(0)
    i, j = network.pair_array.T
    truth = np.cumsum(rng.normal(0, 1, (network.n_date, n_pixel)), axis=0)
    coherence = torch.tensor(rng.uniform(0.3, 0.95, (network.n_pair, n_pixel)), dtype=torch.float32)
    weight = coherence_to_weight(coherence, "var", 10)
    noise = rng.normal(0, 1, coherence.shape) / np.sqrt(weight.numpy())
    turns = 2 * np.pi * rng.choice([-1, 1], coherence.shape) * (rng.random(coherence.shape) < share)
    return torch.tensor(truth[j] - truth[i] + noise + turns, dtype=torch.float32), weight


def measure_times() -> dict[str, float]:
    """Processor time to invert a scene over that of least squares, the median of the rounds."""
    stack, _ = simulate_dataset(Scene(**TIMED, unwrapping_errors=0.01))
    ratios: dict[str, list[float]] = {"l1": [], "huber": []}
    for _ in range(ROUNDS):
        seconds = {}
        for name in METHODS:
            start = time.process_time()
            invert(stack, chunks=TIMED["shape"], norm=name).compute(scheduler="synchronous")
            seconds[name] = time.process_time() - start
        for name, values in ratios.items():
            values.append(seconds[name] / seconds["l2"])
    return {name: round(float(np.median(values)), 1) for name, values in ratios.items()}


def measure_distance(share: float) -> dict[str, float]:
    """Largest difference of each pixel's Huber series to the exact one [rad]: quantiles over pixels."""
    network = network_by_gap(N_DATE, *range(1, NEIGHBOURS + 1))
    phase, weight = observations(network, N_EXACT, share)
    workspace = elimination.Workspace(plan_elimination(network), N_EXACT, torch.float32, CPU)
    solution = elimination.solve(workspace, phase, weight, method=METHODS["huber"])
    exact = huber_by_newton(network, phase.double().numpy(), weight.double().numpy())
    distance = np.abs(solution.phase.double().numpy() - exact).max(0)[solution.converged.numpy()]
    return {
        "share_a_cycle_off": share,
        "n_pixel": len(distance),
        "median_rad": float(f"{np.median(distance):.1g}"),
        "nine_of_ten_rad": float(f"{np.quantile(distance, 0.9):.1g}"),
        "max_rad": float(f"{distance.max():.1g}"),
    }


def huber_by_newton(network: Network, phase: NDArray[np.float64], weight: NDArray[np.float64]) -> Any:
    """Series (date, pixel) of the least sum, the first date zero, to some 1e-10 rad."""
    i, j = network.pair_array.T
    design = np.zeros((network.n_pair, network.n_date))
    rows = np.arange(network.n_pair)
    design[rows, i], design[rows, j] = -1, 1
    design = design[:, 1:]
    delta = METHODS["huber"].huber_threshold
    found = np.zeros((network.n_date, phase.shape[1]))
    for pixel in range(phase.shape[1]):
        root = np.sqrt(weight[:, pixel])
        scaled, target = design * root[:, None], phase[:, pixel] * root
        series = np.linalg.lstsq(scaled, target, rcond=None)[0]
        total = partial(_huber_sum, scaled, target, delta)
        for _ in range(MOST_STEPS):
            residual = target - scaled @ series
            gradient = scaled.T @ np.clip(residual, -delta, delta)
            if np.abs(gradient).max() < AT_REST:
                break
            inside = np.abs(residual) <= delta
            newton = _step(scaled, inside + RIDGE, gradient)
            weighted = _step(scaled, np.minimum(1, delta / np.maximum(np.abs(residual), delta)), gradient)
            series = min((series + weighted, *(series + newton / 2**k for k in range(8))), key=total)
        else:
            raise ArithmeticError(f"found a gradient of {np.abs(gradient).max():.1g} after all steps.")
        found[1:, pixel] = series
    return found


def _huber_sum(
    scaled: NDArray[np.float64], target: NDArray[np.float64], delta: float, series: NDArray[np.float64]
) -> float:
    """Give what the norm minimises."""
    u = np.abs(target - scaled @ series)
    inside = np.minimum(u, delta)
    return float((inside * (u - inside / 2)).sum())


def _step(scaled: NDArray[np.float64], weight: NDArray[Any], gradient: NDArray[np.float64]) -> Any:
    """Solve the normal equations of these weights."""
    return np.linalg.solve((scaled * weight[:, None]).T @ scaled, gradient)


def measure_gain() -> dict[str, list[float]]:
    """RMS error of each norm on scenes with unwrapping errors, over that of l2 without them."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for size in SCENES:
        usual = _error(Scene(**size), "l2")
        for name, values in found.items():
            values.append(round(_error(Scene(**size, unwrapping_errors=UNWRAPPING_ERRORS), name) / usual, 2))
    return found


def _error(scene: Scene, norm: str) -> float:
    stack, truth = simulate_dataset(scene)
    result = invert(stack, chunks=scene.shape, norm=norm).compute(scheduler="synchronous")
    return float(np.sqrt(np.nanmean(np.square((result["displacement"] - truth).values))))


def main() -> None:
    """Measure, print, and write the file that is named."""
    with devices.one_thread(CPU), torch.inference_mode():
        record = {
            "seconds_over_l2": measure_times(),
            "n_date": N_DATE,
            "n_pair": network_by_gap(N_DATE, *range(1, NEIGHBOURS + 1)).n_pair,
            "huber_from_exact_minimum": [measure_distance(share) for share in SHARES],
            "rms_error_over_l2_without_errors": measure_gain(),
            "share_of_pairs_a_cycle_off": UNWRAPPING_ERRORS,
        }
    record |= {"machine": cpu_model(), "torch": torch.__version__, "commit": commit()}
    record["date"] = datetime.now(UTC).date().isoformat()
    text = json.dumps(record, indent=2) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
