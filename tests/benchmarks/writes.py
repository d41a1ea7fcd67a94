"""Measure what a tile costs beside its bytes, and what waiting for the disk costs a run.

PYTHONPATH=tests python tests/benchmarks/writes.py tests/benchmarks/results/writes-cpu.json
    [OTHER_SRC] [FOLDER ...]

Writes 100 tiles of 16 x 16 pixels and 5 dates to a result, in a process of its own: this version, this
version without waiting for the disk, and the one at OTHER_SRC, in turn, three times. Then inverts 288 x 288
pixels of 98 dates and 288 pairs, in tiles of 96 x 96, on one worker with one thread: with and without
waiting, in turn, three times. Both in each FOLDER; give one on a real disk and one in memory.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from dask.distributed import Client, LocalCluster

import fringefleet
from fringefleet.io.store import result as store
from fringefleet.processes.versions import software_versions
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model

HERE = Path(__file__).parents[2] / "src"
SCENE = Scene(n_date=98, neighbours=3, shape=(288, 288), missing=0.02, seed=1)
WRITE = """
import sys
from pathlib import Path
from time import monotonic, process_time
import dask.array as da
import numpy as np
import xarray as xr
from fringefleet.io import store as module
from fringefleet.io.files.listing import Listing
from fringefleet.io.store.origin import Origin
from fringefleet.io.files.version import FilesVersion
path, n = Path(sys.argv[1]), (10, 10)
if sys.argv[2] == "without":
    module.sync = lambda *_: None
series = {"displacement": "f4", "displacement_std": "f4", "gap_filled": "u1"}
maps = dict.fromkeys(("temporal_coherence", "residual_rms"), "f4") | {"pair_count": "u4"}
maps |= dict.fromkeys(("n_components", "status"), "u1")
shape, rng = (16 * n[0], 16 * n[1]), np.random.default_rng(0)
kinds = {name: (("date", "y", "x"), (5, *shape), dtype) for name, dtype in series.items()}
kinds |= {name: (("y", "x"), shape, dtype) for name, dtype in maps.items()}
template = xr.Dataset(
    {
        name: (dims, da.zeros(size, dtype, chunks=(*size[:-2], 16, 16)))
        for name, (dims, size, dtype) in kinds.items()
    }
)
tile = {name: rng.uniform(1, 9, (5, 16, 16)).astype(dtype) for name, dtype in series.items()}
tile |= {name: rng.uniform(1, 9, (16, 16)).astype(dtype) for name, dtype in maps.items()}
origin = Origin({}, FilesVersion(str(path.parent), Listing.of([])))
store = module.create_result(template, path, origin, overwrite=True)
store.write_tile((0, 0), tile)
start, cpu = monotonic(), process_time()
for index in np.ndindex(n):
    store.write_tile(index, tile)
print((monotonic() - start) / 100, (process_time() - cpu) / 100)
"""


def measure(folders: list[Path], other: Path | None) -> dict[str, Any]:
    """Measure in every folder."""
    found: dict[str, Any] = {"tile_ms": {}, "run_seconds": {}}
    for folder in folders:
        with TemporaryDirectory(dir=folder) as name:
            found["tile_ms"][kind_of(folder)] = tiles(Path(name), other)
            found["run_seconds"][kind_of(folder)] = runs(Path(name))
    return found | {
        "machine": cpu_model(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "commit": commit(),
        "versions": software_versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def kind_of(folder: Path) -> str:
    """Name the file system of a folder."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(inside, key=lambda found: len(found[0]))[1]


def tiles(folder: Path, other: Path | None) -> dict[str, Any]:
    """Write small tiles; wall and CPU time of each [ms]."""
    ways = {"this": (HERE, "with"), "this, without waiting for the disk": (HERE, "without")}
    ways |= {"other": (other, "with")} if other else {}
    found: dict[str, Any] = {}
    for _ in range(3):
        for name, (code, how) in ways.items():
            command = [sys.executable, "-c", WRITE, str(folder / "result.zarr"), how]
            environment = os.environ | {"PYTHONPATH": str(code)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            row = found.setdefault(name, {"wall": [], "cpu": []})
            for key, seconds in zip(row, done.stdout.split(), strict=True):
                row[key].append(round(float(seconds) * 1e3, 2))
    return found


def runs(folder: Path) -> dict[str, Any]:
    """Invert a scene with and without waiting for the disk: seconds, and those spent in waiting."""
    stack = folder / "stack.zarr"
    simulate_stack(SCENE, stack)
    found: dict[str, list[float]] = {"with": [], "without": [], "waiting": []}
    alone = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with alone as cluster, Client(cluster) as client:
        invert(folder, stack)
        for _ in range(3):
            for how in ("with", "without"):
                client.run(wait_for_disk, how == "with")
                found[how].append(round(invert(folder, stack), 2))
                if how == "with":
                    (waited,) = client.run(seconds_waited).values()
                    found["waiting"].append(round(waited, 3))
    shares = [waited / whole for waited, whole in zip(found["waiting"], found["with"], strict=True)]
    ratio = median(found["with"]) / median(found["without"])
    return found | {"ratio": round(ratio, 3), "share_of_waiting": round(median(shares), 4)}


def invert(folder: Path, stack: Path) -> float:
    """Invert on the current cluster; seconds."""
    start = monotonic()
    fringefleet.run(fringefleet.Run(stack, folder / "run.zarr", chunks=(96, 96), existing="overwrite"))
    return monotonic() - start


def wait_for_disk(wanted: bool) -> None:
    """Let the worker that this is called in wait for the disk before it marks a tile, and count; or not."""
    from fringefleet.io.store.durable import sync

    store.seconds_waited = 0.0  # type: ignore[attr-defined]

    def counted(files: Any, root: Path) -> None:
        start = monotonic()
        sync(files, root)
        store.seconds_waited += monotonic() - start  # type: ignore[attr-defined]

    store.sync = counted if wanted else (lambda *_: None)  # type: ignore[assignment]


def seconds_waited() -> float:
    """Say how long the worker has waited for the disk."""
    return store.seconds_waited  # type: ignore[attr-defined]


if __name__ == "__main__":
    against = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    places = [Path(name) for name in sys.argv[3:]] or [Path()]
    Path(sys.argv[1]).write_text(json.dumps(measure(places, against), indent=1) + "\n")
