"""Measure what many tiles and many workers cost the client and the scheduler, which share one process here.

PYTHONPATH=tests python tests/benchmarks/scale.py RESULT.json [SIDE] [THREADS] [PROCESSES]

SIDE x SIDE tiles (100) of one pixel on two worker processes; then some tiles for each of many workers, all of
which must come and work: THREADS (64), and PROCESSES (24). A process takes a quarter of a gigabyte and, on a
slow machine, a fortieth of a core while it does nothing. Wall times are of this machine, whatever else runs
on it; what counts is the CPU time and the memory of the process of client and scheduler. The result is kept
in results/scale-cpu.json.
"""

import json
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, process_time
from typing import Any

import psutil
from dask.delayed import Delayed
from distributed import Client

import fringefleet
from fringefleet import Options, Setting
from fringefleet.cluster import connect
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.execution.check import check
from fringefleet.execution.estimate import made_up_block
from fringefleet.execution.graph import tile_tasks
from fringefleet.execution.prepare import prepare
from fringefleet.execution.report import RunReport
from fringefleet.execution.scheduler import RunProgress, execute
from fringefleet.execution.tile import Tile
from fringefleet.processes.versions import software_versions
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model
from thread_workers import thread_cluster

Tasks = list[tuple[Tile, Delayed]]


def nothing(tile: Tile, series: BlockResult) -> None:
    """Write nothing."""


def make_tasks(folder: Path, shape: tuple[int, int], tile: tuple[int, int] = (1, 1)) -> Tasks:
    """Make tasks of hardly any work: the tiles of a small stack."""
    path = folder / f"stack{shape[0]}x{shape[1]}.zarr"
    simulate_stack(Scene(n_date=4, shape=shape), path)
    prepared = prepare(fringefleet.open_stack(path, chunks=None), Options(), Setting())
    return tile_tasks(prepared, Options(), tile, nothing)


def measure_tiles(tasks: Tasks, report: RunReport) -> dict[str, Any]:
    """Run tasks on the current client; CPU time and memory of this process, scheduler included."""
    process, memory, used = psutil.Process(), [], set()

    def note(done: RunProgress) -> None:
        used.add(done.report.worker["address"])
        if done.n_done % max(1, done.n_tile // 10) == 0:
            memory.append(round(process.memory_info().rss / 1e6, 1))

    cpu, wall = process_time(), monotonic()
    outcome = execute(tasks, report.watch(note))
    return {
        "n_tile": outcome.numbers.n_tile,
        "cpu_ms_per_tile": round(1e3 * (process_time() - cpu) / len(tasks), 3),
        "wall_seconds": round(monotonic() - wall, 1),
        "rss_mb_by_tenths": memory,
        "graph_bytes_of_a_tile": len(pickle.dumps(tasks[0][1])),
        "workers_that_worked": len(used),
    }


@contextmanager
def threads_as_workers(n_worker: int) -> Iterator[Client]:
    """Start many workers in this process, and a client."""
    with thread_cluster(n_worker) as cluster, Client(cluster) as client:
        yield client


def measure_timing(folder: Path) -> dict[str, Any]:
    """Work out what the stopwatch costs a tile, against the time that a tile of usual size takes."""
    path = folder / "usual.zarr"
    simulate_stack(Scene(n_date=98, neighbours=3, shape=(128, 128), missing=0.02), path)
    checked = check(fringefleet.Run(path, folder / "out.zarr"))
    block, scene = made_up_block(checked, (128, 128)), checked.prepared.scene
    seconds = []
    for _ in range(4):
        start = perf_counter()
        invert_block(block, scene, Options())
        seconds.append(perf_counter() - start)
    watch, n_time, start = Stopwatch(), 1000, perf_counter()
    for _ in range(n_time):
        with watch.time("solve"):
            pass
    each = (perf_counter() - start) / n_time
    return {
        "microseconds_of_a_stage": round(1e6 * each, 2),
        "stages_timed_in_a_tile": 3,
        "share_of_a_tile_of_16384_pixels": round(3 * each / min(seconds), 8),
    }


def measure_crowd(tasks: Tasks, report: RunReport, workers: AbstractContextManager[Any]) -> dict[str, Any]:
    """Start many workers and run tasks on them; how long they took to come, and what they take."""
    start = perf_counter()
    with workers:
        started = perf_counter() - start
        found = measure_tiles(tasks, report)
        children = psutil.Process().children(recursive=True)
        used = sum(child.memory_full_info().pss for child in children)
    return {"seconds_to_start": round(started, 1), "gb_of_all_processes": round(used / 1e9, 2), **found}


def measure_all(folder: Path, side: int, n_thread: int, n_process: int) -> dict[str, Any]:
    """Measure everything that is kept."""
    report = RunReport(folder / "report.json", {"n_tile": side**2, "fingerprint": ""})
    start = perf_counter()
    tasks = make_tasks(folder, (side, side))
    made = perf_counter() - start
    with connect("local", 2):
        execute(make_tasks(folder, (8, 8)))  # imports, as a longer run does only once
        many = measure_tiles(tasks, report)
    return {
        "many_tiles": {"ms_per_tile_to_make_tasks": round(1e3 * made / side**2, 3), **many},
        "many_threads": measure_crowd(
            make_tasks(folder, (10, n_thread)), report, threads_as_workers(n_thread)
        ),
        "many_processes": measure_crowd(
            make_tasks(folder, (11, n_process)), report, connect("local", n_process, worker_memory="1GB")
        ),
        "timing": measure_timing(folder),
        "machine": f"{cpu_model()}, {os.cpu_count()} logical CPUs",
        "load": round(os.getloadavg()[0], 1),
        "versions": software_versions(),
        "commit": commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:]]
    with TemporaryDirectory() as temporary:
        record = measure_all(Path(temporary), *(numbers + [100, 64, 24][len(numbers) :]))
    Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")
