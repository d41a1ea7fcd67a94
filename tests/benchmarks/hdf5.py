"""Measure how fast one worker reads HDF5 stacks around their library, beside the library itself and Zarr.

PYTHONPATH=tests python tests/benchmarks/hdf5.py tests/benchmarks/results/hdf5-cpu.json [FOLDER]

Writes 120 interferograms of 800 x 1000 pixels (0.38 GB) in every layout, and reads them tile by tile, all
pairs at once, into memory that is used again: by us and by h5py in turn, three times. One process, all of its
cores, page cache warm. Takes two minutes.
"""

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import h5py
import numpy as np
import xarray as xr
import zarr
from dask.system import CPU_COUNT
from xarray.core.indexing import LazilyIndexedArray
from zarr.codecs import BloscCodec

from fringefleet.io.chunking import fit_tile
from fringefleet.io.files.memory import TileBuffer, lending
from fringefleet.io.files.version import FileVersion
from fringefleet.io.hdf5 import variables as hdf5
from fringefleet.io.hdf5.layout import find_reading
from fringefleet.io.hdf5.reader import bytes_asked
from fringefleet.io.hdf5.variables import HDF5Array
from fringefleet.io.zarr.chunk_layout import ChunkFilesArray, find_chunk_files
from fringefleet.processes.versions import software_versions
from machine import commit, cpu_model

SHAPE = (120, 800, 1000)  # pairs, rows, columns
TILE = 96 * 1000  # [pixel]
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


def time_to_read(data, step, buffer):
    """Read all tiles: seconds that pass, and of all cores."""
    start = perf_counter(), process_time()
    for tile in tiles(step):
        with lending(buffer):
            np.asarray(data.isel(tile).values)
    return perf_counter() - start[0], process_time() - start[1]


@contextmanager
def by_library():
    """Leave all reading to h5py meanwhile."""
    direct = hdf5._layout_of
    hdf5._layout_of = lambda *_: None
    try:
        yield
    finally:
        hdf5._layout_of = direct


def measure(folder):
    """Read every layout in turn, again and again; returns what was measured by layout and reader."""
    side, path, buffer = make(folder), folder / "stack.h5", TileBuffer()
    files = find_chunk_files(zarr.open_array(folder / "stack.zarr", mode="r"))
    sources = {"zarr": (variable(ChunkFilesArray(files)), side)}
    with h5py.File(path, locking=False) as file:
        for name in LAYOUTS:
            steps = find_reading(file[name], ("pair", "y", "x")).steps
            array = HDF5Array(FileVersion.of(path), file[name], None, "f4")
            sources[name] = variable(array), (steps["y"], steps["x"])
    times = {name: {"ours": [], "h5py": []} for name in sources}
    asked = {}
    for _ in range(N_ROUND):
        for name, (data, step) in sources.items():
            before = bytes_asked()
            times[name]["ours"].append(time_to_read(data, step, buffer))
            asked[name] = bytes_asked() - before
            if name != "zarr":
                with by_library():
                    times[name]["h5py"].append(time_to_read(data, step, buffer))
    return {name: said(kinds, asked[name]) for name, kinds in times.items()}, best(times)


def said(kinds, asked):
    """Say of one layout how fast it was, round by round."""
    n_byte = 4 * np.prod(SHAPE)
    rows = {
        who: {
            "GB/s": [round(n_byte / wall / 1e9, 2) for wall, _ in rounds],
            "GB per second of a core": [round(n_byte / cpu / 1e9, 2) for _, cpu in rounds],
        }
        for who, rounds in kinds.items()
        if rounds
    }
    return rows | ({"bytes asked over bytes of data": round(float(asked / n_byte), 3)} if asked else {})


def best(times):
    """Compare the best rounds of all layouts with that of Zarr."""
    fastest = {
        name: [min(column) for column in zip(*kinds["ours"], strict=True)] for name, kinds in times.items()
    }
    wall, cpu = fastest.pop("zarr")
    return {
        name: {"wall": round(wall / found[0], 2), "cores": round(cpu / found[1], 2)}
        for name, found in fastest.items()
    }


def main():
    """Measure, and write what was found."""
    with TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        layouts, over_zarr = measure(Path(folder))
    found = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{cpu_model()}, {CPU_COUNT} cores",
        "versions": {**software_versions(), "h5py": h5py.__version__, "HDF5": h5py.version.hdf5_version},
        "shape": SHAPE,
        "layouts": layouts,
        "speed over that of Zarr": over_zarr,
    }
    Path(sys.argv[1]).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
