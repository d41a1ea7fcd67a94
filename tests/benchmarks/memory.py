"""Measure the most memory that a worker takes, and hold it against what ``plan`` says.

PYTHONPATH=tests python tests/benchmarks/memory.py tests/benchmarks/results/memory-cpu.json [CASE ...]

Each case is a run of some tiles of full size on one worker process. ``many`` has 2,000 small ones, and each
of them takes 30 ms longer to write than it would, so that the writer is the slowest stage. Scenes take hardly
any room on the disk, as the files of a few chunks are linked to many places.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import xarray as xr
from distributed import Client, LocalCluster

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.cluster import connect
from fringefleet.execution.check import check
from fringefleet.execution.estimate import forecast
from fringefleet.execution.scheduler import RunProgress
from fringefleet.io.zarr.chunk_files import ChunkFiles
from fringefleet.pipeline import compute
from fringefleet.simulate import Scene
from machine import measured_on, peak_memory
from many_chunks import simulate_many
from mintpy_stack import write_mintpy_stack

# What is planned includes torch, which a worker imports for pixels that need float64; here none may.
IMPORT_TORCH = "import fringefleet.engine.torch_fallback"
NETWORKS = {
    "98x288": ({"n_date": 98, "neighbours": 3}, 128),
    "98x475": ({"n_date": 98, "neighbours": 5}, 96),
    "333x1296": ({"n_date": 333, "neighbours": 3, "annual": True}, 64),
}


@dataclass(frozen=True)
class Case:
    """What is inverted, and how: a network, tiles of so many chunks along each axis, so many tiles."""

    network: str = "98x475"
    options: dict[str, Any] = field(default_factory=dict)
    n_thread: int = 1
    chunks_of_tile: int = 2
    tiles: tuple[int, int] = (4, 3)
    chunk: int | None = None  # pixels along each axis
    is_hdf5: bool = False
    seconds_to_write: float = 0.0  # more than it takes, of the largest variable of a tile
    has_our_malloc: bool = True


CASES = {
    "98x288": Case("98x288"),
    "98x475": Case(),
    "333x1296": Case("333x1296", tiles=(3, 2)),
    "std": Case(options={"std": True}),
    "diagnose": Case(options={"diagnose": True}),
    "DEM error": Case(options={"dem_error": True}),
    "huber": Case(options={"norm": "huber", "max_iterations": 10}, tiles=(2, 2)),
    "float64": Case(options={"dtype": "float64"}, tiles=(3, 2)),
    "no weights": Case(options={"weight_func": "no"}, chunks_of_tile=3),
    "2 threads": Case(n_thread=2),
    "3 threads, std": Case("98x288", {"std": True}, n_thread=3),
    "HDF5": Case("98x288", tiles=(2, 2), is_hdf5=True),
    "Dask's malloc": Case(has_our_malloc=False),
    "many": Case("98x288", chunks_of_tile=1, tiles=(40, 50), chunk=32, seconds_to_write=0.03),
}


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Run a case; what was planned for a worker, and what it took [byte]."""
    stack, side = make_stack(case, folder)
    tile = (case.chunks_of_tile * side,) * 2
    setting = Setting(skip_reference=True)
    job = Run(stack, folder / "result.zarr", Options(**case.options), setting, chunks=tile)
    peaks: list[int] = []
    with one_worker(case) as client:
        client.run(exec, IMPORT_TORCH)
        if case.seconds_to_write:
            client.run(write_slowly, case.seconds_to_write)
        checked = check(fringefleet.pipeline.with_workers(job, client))
        planned = forecast(checked, 1).memory_needed

        def note(done: RunProgress) -> None:
            if done.n_done % max(1, done.n_tile // 10) == 0:
                peaks.extend(client.run(peak_memory).values())

        start = monotonic()
        summary = compute(checked, note, client=client)
        seconds = monotonic() - start
        (peak,) = client.run(peak_memory).values()
    return {
        "n_tile": summary.n_tile,
        "tile": tile,
        "seconds": round(seconds, 1),
        "planned_mb": round(planned / 1e6),
        "peak_mb": round(peak / 1e6),
        "peak_of_planned": round(peak / planned, 3),
        "peak_mb_by_tenths": [round(value / 1e6) for value in peaks],
    }


def make_stack(case: Case, folder: Path) -> tuple[Path, int]:
    """Simulate a few chunks, and make a scene of them; also the side of a chunk [pixel]."""
    scene, side = NETWORKS[case.network]
    side = case.chunk or side
    copies = tuple(n * case.chunks_of_tile for n in case.tiles)
    zarr = folder / "stack.zarr"
    simulate_many(Scene(shape=(side, side), missing=0.02, **scene), (copies[0], copies[1]), zarr)
    if not case.is_hdf5:
        return zarr, side
    opened = xr.open_zarr(zarr, chunks=None, consolidated=False)
    write_mintpy_stack(opened, folder / "ifgramStack.h5", side)
    return folder / "ifgramStack.h5", side


@contextmanager
def one_worker(case: Case) -> Iterator[Client]:
    """Start one worker, as the product does, or as Dask does with its own settings for malloc."""
    if case.has_our_malloc:
        options = {"threads_per_worker": case.n_thread}
        with connect("local", 1, worker_memory="16GB", options=options) as workers:
            yield workers.client
        return
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=case.n_thread, dashboard_address="127.0.0.1:0", memory_limit=0
    )
    with cluster, Client(cluster) as client:
        yield client


def write_slowly(seconds: float) -> None:
    """Let a worker wait before it writes a chunk of a series, as on a disk that is slow."""
    write = ChunkFiles.write

    def slow(files: ChunkFiles, numbers: Any, values: Any) -> Any:
        if re.search("displacement$", files.folder):
            sleep(seconds)
        return write(files, numbers, values)

    ChunkFiles.write = slow  # type: ignore[method-assign]


def measure_all(names: list[str]) -> dict[str, Any]:
    """Measure the cases of these names, or all of them."""
    found = {}
    for name in names or CASES:
        with TemporaryDirectory() as folder:
            found[name] = measure(CASES[name], Path(folder))
        sys.stdout.write(f"{name}: {found[name]}\n")
        sys.stdout.flush()
    return {
        "cases": found,
        **measured_on(),
    }


if __name__ == "__main__":
    result = measure_all(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
