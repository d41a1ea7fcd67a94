"""Measure the fit of functions of time: beside reading the series, in the pass of the inversion, MintPy's.

PYTHONPATH=tests python tests/benchmarks/velocity.py tests/benchmarks/results/velocity-cpu.json [SIDE]

A scene of SIDE x SIDE pixels (1024) and 98 dates is simulated and inverted. Its series are read, as the fit
reads them, and fitted, by NumPy and as large scenes are by numba, in threads of this process, in turn, five
times; so is it inverted with and without the fit, in turn, twice. What counts is CPU time without start-up,
of the fastest round, as the machine may be shared. Then the commands ``fringefleet velocity`` and MintPy's
``timeseries2velocity`` of the environment that FRINGEFLEET_MINTPY names, on the same series; by those of a
small scene their start-up is taken off.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
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
    large, small = scene(folder / "large", side), scene(folder / "small", 64)
    return {
        "n_date": 98,
        "n_pixel": side**2,
        "alone": alone(large, folder, side**2),
        "in_pass": in_pass(large / "stack.zarr", folder, side**2),
        "commands": commands(large, small, side**2 - 64**2),
        **measured_on(),
    }


def scene(folder: Path, side: int) -> Path:
    """Simulate and invert a scene in a folder."""
    folder.mkdir()
    shape = Scene(n_date=98, neighbours=3, shape=(side, side), missing=0.002, seed=1)
    simulate_stack(shape, folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "result.zarr"))
    return folder


def alone(large: Path, folder: Path, n_pixel: int) -> dict[str, Any]:
    """CPU time of a pixel [us]: read, fitted, and the whole run; and how fast they are beside reading."""
    result = large / "result.zarr"
    opened = open_result(result)
    prepared = velocity.prepare_fit(opened, TimeFunctions(), FitOptions())
    seasons = velocity.prepare_fit(opened, TimeFunctions(**SEASONS), FitOptions())
    tile = tuple(opened["displacement"].encoding["preferred_chunks"][dim] for dim in "yx")
    reading = BlockFunction("read", read_only)

    def tiles(data: Any, function: BlockFunction) -> Callable[[], Any]:
        return lambda: execute(block_tasks(data, tile, function, keep_nothing), client=None)

    def fitting(wanted: velocity.PreparedFit, is_compiled: bool) -> Callable[[], Any]:
        return tiles(wanted.data, replace(wanted.function, is_compiled=is_compiled).as_function())

    names = (folder / f"maps{number}.zarr" for number in count())
    ways = {
        "read the series alone": tiles(prepared.data[["displacement"]], reading),
        "read series and gaps": tiles(prepared.data, reading),
        "read and fit, NumPy": fitting(prepared, False),
        "read and fit, numba": fitting(prepared, True),
        "read and fit, annual and semiannual, numba": fitting(seasons, True),
        "read, fit and write: run_velocity": lambda: fringefleet.run_velocity(
            VelocityRun(result, next(names)), client=None
        ),
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


def commands(large: Path, small: Path, n_pixel: int) -> dict[str, Any]:
    """CPU seconds of whole commands, on the scene and on a small one, and of a pixel between them [us]."""
    found: dict[str, Any] = {"ours": [], "mintpy": []}
    python = os.environ["FRINGEFLEET_MINTPY"]
    for folder in (large, small):
        export_result(folder / "result.zarr", folder / "mintpy", "mintpy")
        ours = ("velocity", folder / "result.zarr", folder / "ours.zarr", "--overwrite")
        theirs = (python, "-m", "mintpy.cli.timeseries2velocity", "timeseries.h5", "-o", "velocity.h5")
        found["ours"].append(min(run_ours(ours).cpu_seconds for _ in range(2)))
        found["mintpy"].append(min(run_command(theirs, cwd=folder / "mintpy").cpu_seconds for _ in range(2)))
    each = {name: round(1e6 * (whole - start) / n_pixel, 3) for name, (whole, start) in found.items()}
    return {
        "cpu_seconds": found,
        "cpu_us_per_pixel": each,
        "times_mintpy": round(each["mintpy"] / each["ours"], 2),
        "times_mintpy_with_startup": round(found["mintpy"][0] / found["ours"][0], 2),
    }


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
