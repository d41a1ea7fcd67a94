"""Measure how exact the series is: formulation by spread of the weights by number of dates.

PYTHONPATH=tests python tests/benchmarks/accuracy.py [tests/benchmarks/results/accuracy-cpu.json]

The error is that of the phase series [rad] against the weighted solution in long double, on observations
that no series fits. Prints the table in Markdown.
"""

import json
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import dense, elimination, star_mesh
from machine import commit, cpu_model
from named_networks import by_gap
from precision import series_by_mintpy_lstsq, series_in_long_double, walk_observations

Series = NDArray[np.floating]
Formulation = Callable[[Network, NDArray[np.float32], NDArray[np.float32]], Series]

CPU = torch.device("cpu")
SPREADS = (1e2, 1e6, 1e10)
NETWORKS = ((98, 3, 32), (333, 4, 16), (1000, 3, 8))  # dates, neighbours, pixels
MOST_DATES_OF_LSTSQ = 333  # minutes beyond


def with_solver(solver: Any, dtype: torch.dtype, network: Network, *observed: NDArray[np.float32]) -> Series:
    """Give the series of a solver as it is shipped."""
    workspace = solver.Workspace(plan_elimination(network), observed[0].shape[1], dtype, CPU)
    return solver.solve(workspace, *(torch.tensor(values, dtype=dtype) for values in observed)).phase.numpy()


def in_float32_only(network: Network, *observed: NDArray[np.float32]) -> Series:
    """Eliminate and refine once in float32; no pixel gets a second look in float64."""
    work = _loaded(network, *observed)
    elimination.estimate(work)
    return work.phase[work.position].numpy()


def not_refined(network: Network, *observed: NDArray[np.float32]) -> Series:
    """Eliminate in float32, and no more."""
    work = _loaded(network, *observed)
    star_mesh.factorise(work)
    star_mesh.right_hand_side(work)
    star_mesh.substitute(work)
    return work.right[work.position].numpy()


FORMULATIONS: dict[str, Formulation] = {
    "elimination, float32, as shipped": partial(with_solver, elimination, torch.float32),
    "elimination, float32, refined": in_float32_only,
    "elimination, float32, not refined": not_refined,
    "elimination, float64, as shipped": partial(with_solver, elimination, torch.float64),
    "normal equations and Cholesky, float32": partial(with_solver, dense, torch.float32),
    "normal equations and Cholesky, float64": partial(with_solver, dense, torch.float64),
    "MintPy's lstsq of velocities, float32": partial(series_by_mintpy_lstsq, min_norm_velocity=True),
    "MintPy's lstsq of phases, float32": partial(series_by_mintpy_lstsq, min_norm_velocity=False),
}


def measure(n_date: int, n_neighbour: int, n_pixel: int) -> list[dict[str, Any]]:
    """Measure every formulation and spread on one network."""
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    pairs = np.array(by_gap(n_date, *range(1, n_neighbour + 1)))
    network = Network.from_dates(days[pairs[:, 0]], days[pairs[:, 1]])
    records = []
    for spread in SPREADS:
        observed = walk_observations(network, n_pixel, spread)
        exact = series_in_long_double(network, *observed)
        for name, solve in FORMULATIONS.items():
            if "lstsq" in name and n_date > MOST_DATES_OF_LSTSQ:
                continue
            error = solve(network, *observed) - exact
            records.append(
                {
                    "formulation": name,
                    "weight_spread": spread,
                    "n_date": n_date,
                    "n_pair": network.n_pair,
                    "n_pixel": n_pixel,
                    "rms_error_rad": _rounded(np.sqrt((error**2).mean())),
                    "max_error_rad": _rounded(np.abs(error).max()),
                }
            )
    return records


def to_markdown(records: list[dict[str, Any]]) -> str:
    """One row a formulation, one column a network and spread: RMS and largest error [rad]."""
    cells = {(r["n_date"], r["weight_spread"], r["formulation"]): r for r in records}
    columns = sorted({key[:2] for key in cells})
    lines = [
        "| RMS / largest error [rad] | "
        + " | ".join(f"{n_date} dates, 1e{np.log10(spread):.0f}" for n_date, spread in columns)
        + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in FORMULATIONS:
        row = [_cell(cells.get((*column, name))) for column in columns]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _cell(record: dict[str, Any] | None) -> str:
    if record is None:
        return ""
    if record["rms_error_rad"] is None:
        return "not finite"
    return f"{record['rms_error_rad']:.1e} / {record['max_error_rad']:.1e}"


def _loaded(network: Network, *observed: NDArray[np.float32]) -> elimination.Workspace:
    work = elimination.Workspace(plan_elimination(network), observed[0].shape[1], torch.float32, CPU)
    work.observations.load(*map(torch.from_numpy, observed))
    return work


def _rounded(error: np.floating) -> float | None:
    return float(f"{error:.2e}") if np.isfinite(error) else None


if __name__ == "__main__":
    with torch.inference_mode():
        results = [record for network in NETWORKS for record in measure(*network)]
    print(to_markdown(results))  # noqa: T201
    if len(sys.argv) > 1:
        report = {
            "reference": "float64 Cholesky refined in long double until it comes to rest",
            "reference_epsilon": float(np.finfo(np.longdouble).eps),
            "observations": "random walk, noise of 0.5 rad; weights spread evenly in their logarithm",
            "results": results,
            "machine": cpu_model(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "python": platform.python_version(),
            "commit": commit(),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        }
        Path(sys.argv[1]).write_text(json.dumps(report, indent=2) + "\n")
