"""Measure how fast a result is exported in each format, and in how much memory.

PYTHONPATH=tests python tests/benchmarks/export.py tests/benchmarks/results/export-cpu.json [FOLDER]

Writes a result of 98 dates and 1000 x 1000 pixels (smooth motion and noise, tiles of 256 pixels, packed as
results are), and exports its displacement: every format in a process of its own, with its children, twice.
The memory is the sum of all of them, looked at every 20 ms. Tables take a hundredth of the pixels. CPU
seconds are those of all processes; with other load they tell more.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import xarray as xr
from pyproj import CRS

from fringefleet.io.georeference import Raster, georeference
from fringefleet.io.grid import regular_coordinates
from fringefleet.io.store.result import encoding_of
from machine import measured_on

N_DATE, SHAPE, TILE = 98, (1000, 1000), 256
TABLES = ("csv", "geopackage")
FORMATS = ("cog", "netcdf", "zarr2", *TABLES)
EXPORT = """
import resource, sys
from time import monotonic
import fringefleet
def cpu():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)
result, folder, file_format, mask = sys.argv[1:]
start, before = monotonic(), cpu()
fringefleet.export_result(result, folder, file_format, variables="displacement", mask=mask or None)
print(monotonic() - start, cpu() - before)
"""


def write_result(path: Path) -> None:
    """Write a store as results are: the displacement, and a map to choose pixels by."""
    rng = np.random.default_rng(0)
    raster = Raster((4_100_000.0, 500_000.0), (-30.0, 30.0), SHAPE)
    coords = regular_coordinates(raster, georeference(raster, crs=CRS.from_epsg(32614)))
    coords["date"] = xr.Variable(
        "date", np.datetime64("2018-01-06", "ns") + np.arange(N_DATE) * np.timedelta64(12, "D")
    )
    y, x = np.meshgrid(*(np.linspace(0, 6, size, dtype=np.float32) for size in SHAPE), indexing="ij")
    series = np.empty((N_DATE, *SHAPE), np.float32)
    for k, image in enumerate(series):
        image[:] = 0.001 * k * np.sin(x + 0.01 * k) * np.cos(y) + rng.normal(0, 0.002, SHAPE)
    lacking = rng.uniform(size=SHAPE) < 0.1
    series[:, lacking] = np.nan
    values = {
        "displacement": (("date", "y", "x"), series, {"units": "m", "long_name": "displacement"}),
        "pick": (("y", "x"), rng.uniform(size=SHAPE).astype(np.float32), {"units": "1"}),
    }
    result = xr.Dataset(values, coords).chunk(y=TILE, x=TILE)
    result.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding_of(result))


def export(result: Path, folder: Path, file_format: str) -> dict[str, float]:
    """Export in a process of its own: seconds, of which CPU, and the memory of it and its children."""
    rule = "pick < 0.01" if file_format in TABLES else ""
    start = time.monotonic()
    process = psutil.Popen(
        [sys.executable, "-c", EXPORT, str(result), str(folder), file_format, rule],
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process, peak))
    watcher.start()
    said, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{file_format} ended with {process.returncode}")
    n_byte = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    seconds, cpu = map(float, said.split())
    return {
        "seconds": round(seconds, 2),
        "cpu": round(cpu, 2),
        "with_start": round(time.monotonic() - start, 2),
        "peak_mb": round(peak[0] / 1e6),
        "output_mb": round(n_byte / 1e6),
    }


def watch(process: psutil.Popen, peak: list[int]) -> None:
    """Note the most memory that a process and its children have together."""
    while process.poll() is None:
        total = 0
        for one in [process, *children_of(process)]:
            try:
                total += one.memory_info().rss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total)
        time.sleep(0.02)


def children_of(process: psutil.Popen) -> list[psutil.Process]:
    """Find the children of a process; none if it has ended."""
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


def measure(folder: Path) -> dict[str, Any]:
    """Write the result, and export it in all formats, in turn, twice."""
    write_result(folder / "result.zarr")
    found: dict[str, Any] = {"n_date": N_DATE, "shape": SHAPE, "tile": TILE, "formats": {}}
    for number in range(2):
        for file_format in FORMATS:
            row = export(folder / "result.zarr", folder / f"{file_format}{number}", file_format)
            for name, value in row.items():
                found["formats"].setdefault(file_format, {}).setdefault(name, []).append(value)
    return found | measured_on()


if __name__ == "__main__":
    with TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        measured = measure(Path(name))
    Path(sys.argv[1]).write_text(json.dumps(measured, indent=1) + "\n")
