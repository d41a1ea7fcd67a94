"""Measure how busy a device is kept that only pretends to solve: real files, a worker, a solve that sleeps.

PYTHONPATH=tests python tests/benchmarks/overlap.py tests/benchmarks/results/overlap-cpu.json [FOLDER]

Simulates 384 x 384 pixels of 98 dates and 475 pairs, copies the files of its chunks into nine times that
(1.3 Mpx, 5.0 GB in memory), reads all of it as xarray does with Zarr and as the product does, and inverts it
on one worker with one thread, as a user's own cluster has it. The solver copies its input once, as a device
would, sleeps without the interpreter's lock, and gives noise. It takes a tenth of the time of reading and
writing, as long, or twice as long; each twice, in turn. The lazy form (``invert(stack).to_zarr()``) does the
same scene where it takes as long.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import LifoQueue
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any

import numpy as np
import xarray as xr
from dask.distributed import Client, LocalCluster

import fringefleet
from fringefleet.engine.context import BlockResult
from fringefleet.execution import inversion
from fringefleet.execution import tasks as task
from fringefleet.execution.slots import ON_DEVICE, TileSlot, WorkerSlots
from fringefleet.io.files.memory import TileBuffer, lending
from fringefleet.products.registry import wanted_variables
from fringefleet.simulate import Scene
from machine import measured_on, peak_memory
from many_chunks import simulate_many

NAMES = ("unwrapped_phase", "coherence")
COPIES = 3  # along each axis
SCENE = Scene(n_date=98, neighbours=5, shape=(384, 384), missing=0.02, seed=1)
CHUNK = 96
TILE = (2 * CHUNK, 2 * CHUNK)
SPEEDS = {"a tenth of read and write": 0.1, "as long": 1.0, "twice as long": 2.0}


class StandIn:
    """Takes the place of the solver in a worker's process, and notes when it is busy."""

    def __init__(self, seconds_per_pixel: float) -> None:
        self.seconds_per_pixel = seconds_per_pixel
        self.spans: list[tuple[float, float]] = []
        self._memory: LifoQueue[TileBuffer] = LifoQueue()  # of the device
        for _ in range(ON_DEVICE):
            self._memory.put(TileBuffer())

    def invert(self, block: Any, scene: Any, options: Any, watch: Any, place: TileSlot) -> BlockResult:
        """Copy there, sleep, and copy noise back; others may copy while one sleeps."""
        n_pixel = block.observed[0].size
        memory = self._memory.get()
        with watch.time("copy"):
            memory.begin(block.observed.nbytes + block.coherence.nbytes)
            for values in (block.observed, block.coherence):
                np.copyto(memory.take(values.shape, values.dtype), values)
        place.arrived()
        with place.turn(), watch.time("solve"):
            start = perf_counter()
            sleep(n_pixel * self.seconds_per_pixel)
            self.spans.append((start, perf_counter()))
        self._memory.put(memory)
        y, x = block.observed.shape[1:]
        series = {}
        for name, values in self.answer(scene.network.n_date, (y, x), options).items():
            series[name] = place.empty(values.shape, values.dtype)
            with watch.time("copy"):
                np.copyto(series[name], values)
        return BlockResult(series)

    @cache  # noqa: B019 - one of them lives as long as its process
    def answer(self, n_date: int, shape: tuple[int, int], options: Any) -> dict[str, Any]:
        """Make noise that is as hard to compress as a displacement."""
        rng, noise = np.random.default_rng(0), {}
        for name, variable in wanted_variables(options).items():
            whole = (n_date,) * (len(variable.dims) - 2) + shape
            is_number = variable.dtype.startswith("f")
            values = np.cumsum(rng.normal(0, 0.01, whole), 0) if is_number else np.zeros(whole)
            noise[name] = values.astype(variable.dtype)
        return noise


def put_in_place(seconds_per_pixel: float) -> None:
    """Replace the solver of the process that this is called in."""
    stand_in = StandIn(seconds_per_pixel)
    inversion.invert_block = stand_in.invert  # type: ignore[assignment]
    lines = WorkerSlots(1, ON_DEVICE)
    task.line_of = lambda _: lines  # type: ignore[assignment]
    task.stand_in = stand_in  # type: ignore[attr-defined]


def spans_and_peak() -> tuple[list[tuple[float, float]], int]:
    """Say when the pretended device was busy, and how much memory the process has had."""
    return task.stand_in.spans, peak_memory()  # type: ignore[attr-defined]


def measure(folder: Path) -> dict[str, Any]:
    """Make the scene, read it, invert it with a stand-in of several speeds."""
    stack = folder / "stack.zarr"
    simulate_many(SCENE, (COPIES, COPIES), stack, put=shutil.copyfile)
    found: dict[str, Any] = {
        "n_pixel": SCENE.shape[0] * SCENE.shape[1] * COPIES**2,
        "n_date": 98,
        "n_pair": 475,
        "tile": TILE,
        "workers": 1,
        "read": {},
        "speeds": {name: [] for name in SPEEDS},
        "lazy": [],
    }
    with one_worker() as client:
        for _ in range(2):
            for name, read in (("zarr", read_by_zarr), ("ours", read_by_us)):
                seconds, n_byte = client.submit(read, str(stack), pure=False).result()
                found["read"].setdefault(name, []).append(round(seconds, 2))
                found["input_gb"] = round(n_byte / 1e9, 2)
    # What a solver that takes no time leaves: reading, copying and writing on the cores of this machine.
    rest, _ = invert(folder, stack, 0.0)
    found["seconds_without_solving"] = round(rest, 2)
    for _ in range(2):
        for name, factor in SPEEDS.items():
            found["speeds"][name].append(run_once(folder, stack, factor * rest / found["n_pixel"]))
        seconds, _ = invert(folder, stack, rest / found["n_pixel"], lazily)
        found["lazy"].append(round(seconds, 2))
    return found | measured_on()


def run_once(folder: Path, stack: Path, seconds_per_pixel: float) -> dict[str, float]:
    """Invert once, and say how the time went."""
    seconds, (spans, peak) = invert(folder, stack, seconds_per_pixel)
    busy = sum(end - begin for begin, end in spans)
    steady = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return {
        "seconds": round(seconds, 2),
        "seconds_solve": round(busy, 2),
        "busy": round(busy / seconds, 3),
        "busy_when_steady": round(busy / steady, 3),
        "peak_mb": round(peak / 1e6),
    }


@contextmanager
def one_worker() -> Iterator[Client]:
    """Start one worker with one thread, as it comes."""
    alone = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with alone as cluster, Client(cluster) as client:
        yield client


def by_run(stack: Path, output: Path) -> None:
    """Invert by the run form."""
    setting = fringefleet.Setting(skip_reference=True)
    fringefleet.run(fringefleet.Run(stack, output, chunks=TILE, existing="overwrite", setting=setting))


def lazily(stack: Path, output: Path) -> None:
    """Invert by the lazy form."""
    opened = fringefleet.open_stack(stack, chunks=TILE)
    fringefleet.invert(opened, skip_reference=True).to_zarr(output, mode="w", consolidated=False)


def invert(
    folder: Path, stack: Path, seconds_per_pixel: float, form: Callable[[Path, Path], None] = by_run
) -> tuple[float, Any]:
    """Invert with a stand-in; seconds, and what the worker says of itself."""
    shutil.rmtree(folder / "result.zarr", ignore_errors=True)
    with one_worker() as client:
        client.run(put_in_place, seconds_per_pixel)
        start = monotonic()
        form(stack, folder / "result.zarr")
        seconds = monotonic() - start
        (facts,) = client.run(spans_and_peak).values()
    return seconds, facts


def read_by_zarr(stack: str) -> tuple[float, int]:
    """Read tile after tile as xarray does with Zarr."""
    opened = xr.open_zarr(stack, chunks=None, consolidated=False)
    return _read({name: opened[name].variable for name in NAMES})


def read_by_us(stack: str) -> tuple[float, int]:
    """Read the same tiles as the product does, memory used again."""
    opened = fringefleet.open_stack(stack, chunks=None)
    return _read({name: opened[name].variable for name in NAMES})


def _read(variables: dict[str, xr.Variable]) -> tuple[float, int]:
    start, n_byte, buffer = monotonic(), 0, TileBuffer()
    for y in range(0, variables[NAMES[0]].sizes["y"], TILE[0]):
        for x in range(0, variables[NAMES[0]].sizes["x"], TILE[1]):
            with lending(buffer):
                window = {"y": slice(y, y + TILE[0]), "x": slice(x, x + TILE[1])}
                n_byte += sum(np.asarray(v.isel(window).values).nbytes for v in variables.values())
    return monotonic() - start, n_byte


if __name__ == "__main__":
    with TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        result = measure(Path(name))
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
