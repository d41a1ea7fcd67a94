"""Measure the whole path on a large scene: memory of each worker, and time against reading alone.

PYTHONPATH=tests python tests/benchmarks/scene.py tests/benchmarks/results/scene-cpu.json [SIDE]

Simulates SIDE x SIDE pixels (1000) of 98 dates and 288 pairs in a temporary folder, inverts it on two
local workers, and reads the same tiles once more without solving, on the same workers.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import dask
import dask.array as da
import numpy as np
import torch

import fringefleet
from fringefleet.cluster import connect
from fringefleet.pipeline import check, compute
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model, peak_memory


def measure(folder: Path, side: int) -> dict[str, Any]:
    """Simulate, invert, read; return what is worth keeping."""
    scene = Scene(n_date=98, neighbours=3, shape=(side, side), missing=0.02)
    start = monotonic()
    simulate_stack(scene, folder / "stack.zarr")
    simulated = monotonic() - start
    checked = check(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr", n_worker=2))
    with connect("local", 2) as workers:
        workers.client.run(lambda: torch.ones(1).sum())  # import once, as a longer run does
        idle = _peak(workers.client)
        start = monotonic()
        summary = compute(checked, memory_limit=workers.memory_limit)
        inverted = monotonic() - start
        peak = _peak(workers.client)
        start = monotonic()
        _read(folder / "stack.zarr", checked.tile)
        read = monotonic() - start
    return {
        "n_pixel": side * side,
        "n_date": 98,
        "n_pair": 288,
        "input_gb": round(2 * 4 * 288 * side * side / 1e9, 2),
        "tile": checked.tile,
        "n_tile": summary.n_tile,
        "workers": 2,
        "seconds_simulate": round(simulated, 1),
        "seconds_invert": round(inverted, 1),
        "seconds_read_only": round(read, 1),
        "pixels_per_second": round(side * side / inverted),
        "peak_mb_per_worker": peak,
        "peak_mb_per_worker_before": idle,
        "machine": cpu_model(),
        "torch": torch.__version__,
        "commit": commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _peak(client: Any) -> list[int]:
    return sorted(used // 10**6 for used in client.run(peak_memory).values())


def _read(stack: Path, tile: tuple[int, int]) -> None:
    opened = fringefleet.open_stack(stack, chunks=tile)
    arrays = [opened[name].data for name in ("unwrapped_phase", "coherence")]
    ends = [da.map_blocks(lambda block: block[:1, :1, :1], array, dtype=np.float32) for array in arrays]
    dask.compute(*ends)


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        record = measure(Path(temporary), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
    Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")
