"""Measure how fast a result is opened: the map of one date, and the series of one pixel.

PYTHONPATH=tests python tests/benchmarks/opening.py tests/benchmarks/results/opening-cpu.json

A scene of a million pixels and 98 dates is simulated and inverted; then a map of one date and the series of
a pixel are read, several times each, at other places, by xarray, from files in the page cache. Kept are
the least and the median seconds. Three minutes in all.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import xarray as xr

import fringefleet
from fringefleet.simulate import Scene, simulate_stack
from machine import measured_on

SHAPE, N_DATE, ROUNDS = (1000, 1000), 98, 12


def times(read: Callable[[int], Any]) -> dict[str, float]:
    """Time something that is read, at another place each time; the first one is not kept."""
    found = []
    for number in range(ROUNDS + 1):
        start = monotonic()
        read(number)
        found.append(monotonic() - start)
    return {"least": round(min(found[1:]), 4), "median": round(median(found[1:]), 4)}


def main() -> None:
    """Measure, and write the file that the first argument names."""
    target = Path(sys.argv[1])
    with TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        simulate_stack(Scene(n_date=N_DATE, shape=SHAPE, missing=0.02), folder / "stack.zarr")
        fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr"))
        series = xr.open_zarr(folder / "result.zarr", chunks=None)["displacement"]
        seconds = {
            "map of one date": times(lambda number: series[number * 7].values),
            "series of one pixel": times(lambda number: series[:, number * 71, number * 53].values),
        }
        chunks = series.encoding["chunks"]
    scene = {"shape": SHAPE, "n_date": N_DATE, "chunks": chunks}
    facts = measured_on() | {"scene": scene, "seconds": seconds}
    target.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
