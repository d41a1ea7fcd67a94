"""Measure how much sooner several workers are done than one, each with a device that only pretends to solve.

PYTHONPATH=tests python tests/benchmarks/several_workers.py tests/benchmarks/results/several-workers-cpu.json

One worker and two in turn, twice, each with a stand-in of its own
(tests/benchmarks/overlap.py). The stand-in sleeps so long that solving is the slowest stage for two workers
on the cores of this machine, too; what is read and written are real files. Nothing that the workers share
(cores, disk, scheduler, client) may make two of them less than nearly twice as fast.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import fringefleet
from benchmarks.overlap import put_in_place, spans_and_peak
from fringefleet.cluster import connect
from fringefleet.simulate import Scene
from machine import measured_on
from many_chunks import simulate_many

SIDE, COPIES = 96, (8, 5)
SCENE = Scene(n_date=98, neighbours=5, shape=(SIDE, SIDE), missing=0.02, seed=1)
SECONDS_OF_A_TILE = 1.2  # to solve; reading and writing it takes a tenth of that
WORKERS = (1, 2)


def invert(n_worker: int, stack: Path, output: Path) -> dict[str, Any]:
    """Invert on so many workers with a stand-in each."""
    with connect("local", n_worker, worker_memory="4GB") as workers:
        client = workers.client
        client.run(put_in_place, SECONDS_OF_A_TILE / SIDE**2)
        setting = fringefleet.Setting(skip_reference=True)
        job = fringefleet.Run(stack, output, chunks=(SIDE, SIDE), existing="overwrite", setting=setting)
        start = monotonic()
        fringefleet.run(job)
        seconds = monotonic() - start
        facts = client.run(spans_and_peak).values()
    report = json.loads(output.with_name(f"{output.name}.report.json").read_text())
    busy = [sum(end - begin for begin, end in spans) for spans, _ in facts]
    return {
        "seconds": round(seconds, 2),
        "busy": [round(value / seconds, 3) for value in busy],
        "tiles": [len(spans) for spans, _ in facts],
        "peak_mb": [round(peak / 1e6) for _, peak in facts],
        "threads": [worker["threads"] for worker in report["workers"]],
    }


def measure(folder: Path) -> dict[str, Any]:
    """Measure one worker and two, in turn."""
    stack = folder / "stack.zarr"
    simulate_many(SCENE, COPIES, stack)
    found: dict[int, list[dict[str, Any]]] = {n_worker: [] for n_worker in WORKERS}
    for _ in range(2):
        for n_worker in WORKERS:
            found[n_worker].append(invert(n_worker, stack, folder / "result.zarr"))
    one, two = ([run["seconds"] for run in found[n_worker]] for n_worker in WORKERS)
    return {
        "n_tile": COPIES[0] * COPIES[1],
        "seconds_to_solve_a_tile": SECONDS_OF_A_TILE,
        "workers": found,
        "two_against_one": [round(alone / both, 3) for alone, both in zip(one, two, strict=True)],
        **measured_on(),
    }


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        result = measure(Path(name))
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
