"""How fast one worker reads HDF5 stacks around their library, beside the library itself and Zarr.

    python tests/benchmarks/hdf5.py [FOLDER] [RESULT.json]

One process, all of its cores, page cache warm; each layout is read tile by tile, all pairs at once, into
memory that is used again, by us and by h5py in turn. GB/s of numbers in memory, and per second of a core;
``asked`` is what was asked of the file over the size of the data. Takes two minutes.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
import xarray as xr
import zarr
from xarray.core.indexing import LazilyIndexedArray
from zarr.codecs import BloscCodec

from fringefleet.io import hdf5
from fringefleet.io.chunk_layout import ChunkFilesArray, find_chunk_files
from fringefleet.io.hdf5 import HDF5Array
from fringefleet.io.hdf5_blocks import bytes_asked
from fringefleet.io.hdf5_layout import find_reading
from fringefleet.io.memory import Slab, lending
from fringefleet.io.tiles import fit_tile
from fringefleet.io.version import FileVersion

SHAPE = (200, 800, 1000)  # pairs, rows, columns: 0.64 GB
TILE = 96 * 1000  # pixels
WHOLE = (1, *SHAPE[1:])
LAYOUTS = {
    "contiguous": {},
    "auto-chunked": {"chunks": True},
    "whole interferograms": {"chunks": WHOLE},
    "auto-chunked, lzf": {"chunks": True, "compression": "lzf"},
    "auto-chunked, lzf + shuffle": {"chunks": True, "compression": "lzf", "shuffle": True},
    "auto-chunked, gzip + shuffle": {"chunks": True, "compression": "gzip", "shuffle": True},
}
N_ROUND = 3


def phase(rng):
    """Make interferograms: smooth in space, noisy in the last bits, water without data."""
    y, x = np.mgrid[: 1 : complex(SHAPE[1]), : 1 : complex(SHAPE[2])]
    for _ in range(SHAPE[0]):
        a, b, c = rng.normal(0, 5, 3)
        values = (a * y + b * x + c * np.sin(6 * x * y) + rng.normal(0, 0.3, y.shape)).astype("f4")
        values[x + y > 1.7] = 0
        yield values


def make(folder):
    """Write the same numbers in every layout; MintPy writes pair after pair."""
    with h5py.File(folder / "stack.h5", "w") as file:
        datasets = {name: file.create_dataset(name, SHAPE, "f4", **kind) for name, kind in LAYOUTS.items()}
        side = fit_tile(SHAPE[1:], None, 96 * 96)
        packed = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
        store = zarr.create_array(
            folder / "stack.zarr", shape=SHAPE, chunks=(SHAPE[0], *side), dtype="f4", compressors=[packed]
        )
        values = np.stack(list(phase(np.random.default_rng(0))))
        for dataset in datasets.values():
            step = (dataset.chunks or WHOLE)[0]
            for first in range(0, SHAPE[0], step):
                dataset[first : first + step] = values[first : first + step]
        store[:] = values
    return side


def tiles(step):
    """Cut the scene as a run would."""
    rows, columns = fit_tile(SHAPE[1:], step, TILE)
    for y in range(0, SHAPE[1], rows):
        for x in range(0, SHAPE[2], columns):
            yield {"y": slice(y, min(y + rows, SHAPE[1])), "x": slice(x, min(x + columns, SHAPE[2]))}


def variable(array):
    """Give it as a stack has it."""
    return xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array))


def seconds_to_read(data, step, slab):
    """Read all tiles."""
    start = perf_counter()
    for tile in tiles(step):
        with lending(slab):
            data.isel(tile).values.shape  # noqa: B018 - it is read
    return perf_counter() - start


def measure(folder):
    """Read every layout in turn, again and again."""
    side = make(folder)
    n_byte, slab, path = 4 * int(np.prod(SHAPE)), Slab(), folder / "stack.h5"
    by_zarr = find_chunk_files(zarr.open_array(folder / "stack.zarr", mode="r"))
    found = {"zarr": {"ours": [], "asked": None}}
    arrays, steps = {}, {}
    with h5py.File(path) as file:
        for name in LAYOUTS:
            reading = find_reading(file[name], ("pair", "y", "x"))
            arrays[name] = HDF5Array(FileVersion.of(path), file[name], None, "f4")
            steps[name] = reading.steps["y"], reading.steps["x"]
            found[name] = {"ours": [], "h5py": []}
    direct = hdf5._layout_of
    for _ in range(N_ROUND):
        found["zarr"]["ours"].append(seconds_to_read(variable(ChunkFilesArray(by_zarr)), side, slab))
        for name, array in arrays.items():
            before = bytes_asked()
            found[name]["ours"].append(seconds_to_read(variable(array), steps[name], slab))
            found[name]["asked"] = round((bytes_asked() - before) / n_byte, 3)
            hdf5._layout_of = lambda *_: None
            found[name]["h5py"].append(seconds_to_read(variable(array), steps[name], slab))
            hdf5._layout_of = direct
    speed = {
        name: {
            who: [round(n_byte / s / 1e9, 2) for s in times] for who, times in kinds.items() if who != "asked"
        }
        | {"asked": kinds["asked"]}
        for name, kinds in found.items()
    }
    for kinds in speed.values():
        kinds["over_zarr"] = round(max(kinds["ours"]) / max(speed["zarr"]["ours"]), 2)
    return speed


def main():
    """Write what was measured, and where."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        speed = measure(Path(temporary))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "versions": {"h5py": h5py.__version__, "HDF5": h5py.version.hdf5_version, "zarr": zarr.__version__},
        "commit": commit.stdout.strip(),
        "shape": SHAPE,
        "gigabytes_per_second": speed,
    }
    text = json.dumps(result, indent=2)
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
