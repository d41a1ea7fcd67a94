"""Measure the fit of functions of time: beside reading the series, in the pass of the inversion, MintPy's.

PYTHONPATH=tests python tests/benchmarks/velocity.py tests/benchmarks/results/velocity-cpu.json [SIDE]

A scene of SIDE x SIDE pixels (1024) and 98 dates is simulated and inverted. Its series are read, as the fit
reads them, and fitted, in threads of this process, in turn, five times; so is the scene inverted with and
without the fit, twice. What counts is CPU time without start-up, of the fastest round, as the machine
may be shared. Then the commands ``fringefleet velocity`` and MintPy's ``timeseries2velocity`` of the
environment that FRINGEFLEET_MINTPY names, start-up included, on the same series.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import fringefleet
from benchmarks.commands import run_command, run_ours
from fringefleet import FitOptions, Options, Run, TimeFunctions, VelocityRun
from fringefleet.engine.context import BlockResult
from fringefleet.execution import velocity
from fringefleet.execution.graph import block_tasks
from fringefleet.execution.scheduler import execute
from fringefleet.execution.tile import BlockFunction
from fringefleet.io import export_result
from fringefleet.io.store.open_result import open_result
from fringefleet.simulate import Scene, simulate_stack
from machine import measured_on

SEASONS = {"periodic": (1, 0.5)}
IN_PASS = {
    "without": {},
    "residual": {"velocity": True},
    "residual, annual and semiannual": {"velocity": True, **SEASONS},
    "covariance": {"velocity": True, "uncertainty": "covariance"},
    "standard deviation of every date": {"std": True},  # for comparison: it takes torch and a factor, too
}


def measure(folder: Path, side: int) -> dict[str, Any]:
    """Measure everything on one scene."""
    stack, result = folder / "stack.zarr", folder / "result.zarr"
    simulate_stack(Scene(n_date=98, neighbours=3, shape=(side, side), missing=0.002, seed=1), stack)
    fringefleet.run(Run(stack, result))
    n_pixel = side * side
    return {
        "n_pixel": n_pixel,
        "n_date": 98,
        "alone": alone(result, folder, n_pixel),
        "in_pass": in_pass(stack, folder, n_pixel),
        "commands": commands(result, folder, n_pixel),
        **measured_on(),
    }


def alone(result: Path, folder: Path, n_pixel: int) -> dict[str, Any]:
    """CPU time of a pixel [us]: read, fitted, and the whole run; and how fast they are beside reading."""
    opened = open_result(result)
    prepared = velocity.prepare_fit(opened, TimeFunctions(), FitOptions())
    seasons = velocity.prepare_fit(opened, TimeFunctions(**SEASONS), FitOptions())
    tile = tuple(opened["displacement"].encoding["preferred_chunks"][dim] for dim in "yx")
    reading = BlockFunction("read", read_only)

    def tiles(data: Any, function: BlockFunction) -> Callable[[], Any]:
        return lambda: execute(block_tasks(data, tile, function, keep_nothing), client=None)

    job = VelocityRun(result, folder / "maps.zarr", overwrite=True)
    ways = {
        "read the series alone": tiles(prepared.data[["displacement"]], reading),
        "read series and gaps": tiles(prepared.data, reading),
        "read and fit": tiles(prepared.data, prepared.function.as_function()),
        "read and fit, annual and semiannual": tiles(prepared.data, seasons.function.as_function()),
        "read, fit and write: run_velocity": lambda: fringefleet.run_velocity(job, client=None),
    }
    found = fastest(ways, n_pixel, 5)
    of_reading = {name: round(found["read series and gaps"] / value, 3) for name, value in found.items()}
    return {"cpu_us_per_pixel": found, "speed_over_reading": of_reading}


def read_only(arrays: Any, _tile: Any, _watch: Any, _place: Any) -> BlockResult:
    """Do nothing with what was read."""
    return BlockResult({"size": np.zeros((1, len(arrays)))})


def keep_nothing(_tile: Any, _result: BlockResult) -> None:
    """Write nothing."""


def in_pass(stack: Path, folder: Path, n_pixel: int) -> dict[str, Any]:
    """CPU time of a pixel [us] that is inverted, and how much more that is than without the fit [%]."""

    def inverting(options: dict[str, Any]) -> Callable[[], Any]:
        job = Run(stack, folder / "out.zarr", Options(**options), existing="overwrite")
        return lambda: fringefleet.run(job)

    found = fastest({name: inverting(options) for name, options in IN_PASS.items()}, n_pixel, 2)
    more = {name: round(100 * (value / found["without"] - 1), 1) for name, value in found.items()}
    return {"cpu_us_per_pixel": found, "percent_more": more}


def commands(result: Path, folder: Path, n_pixel: int) -> dict[str, Any]:
    """CPU time of a pixel [us] of the whole command, start-up included."""
    python = os.environ.get("FRINGEFLEET_MINTPY")
    ours = ("velocity", result, folder / "ours.zarr", "--overwrite")
    found = {"ours": min(run_ours(ours).cpu_seconds for _ in range(3))}
    if python:
        export_result(result, folder / "mintpy", "mintpy")
        words = (python, "-m", "mintpy.cli.timeseries2velocity", "timeseries.h5", "-o", "velocity.h5")
        found["mintpy"] = min(run_command(words, cwd=folder / "mintpy").cpu_seconds for _ in range(3))
        found["times_mintpy"] = round(found["mintpy"] / found["ours"], 2)
    each = {
        f"{name}_us_per_pixel": 1e6 * found[name] / n_pixel for name in ("ours", "mintpy") if name in found
    }
    return found | {name: round(value, 3) for name, value in each.items()}


def fastest(ways: dict[str, Callable[[], Any]], n_pixel: int, n_round: int) -> dict[str, float]:
    """CPU time of a pixel [us] of the fastest of some rounds, which take turns; one before warms up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(n_round + 1):
        for name, work in ways.items():
            before = os.times()
            work()
            after = os.times()
            if number:
                times[name].append(after.user + after.system - before.user - before.system)
    return {name: round(1e6 * min(values) / n_pixel, 3) for name, values in times.items()}


if __name__ == "__main__":
    output, side = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    with TemporaryDirectory() as name:
        found = measure(Path(name), side)
    output.write_text(json.dumps(found, indent=1) + "\n")
