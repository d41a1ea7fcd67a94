"""Measure whole commands on a large scene with a GPU, beside the bare read of the same chunks.

PYTHONPATH=tests python tests/benchmarks/gpu_scene.py RESULT.json FOLDER
    [--device cuda] [--side 480] [--copies 4] [--cores N]

Simulates SIDE x SIDE pixels of 98 dates and 475 pairs, copies the files of its chunks side by side (4 x 4 of
480 x 480 are 3.7 Mpx, 14 GB in memory), and writes a quarter of it as MintPy's HDF5, too. Then, twice each,
in turn: the bare read by Zarr in as many processes as there are cores, and ``fringefleet invert`` as a
command: as it comes, with ``--std``, with a robust norm, with the elimination that is not fused, of HDF5, and
of a scene of 64 x 64 pixels. The answers of the GPU are compared with those of the CPU at every pixel. Needs
about 40 GB in FOLDER, best a disk in memory or with everything in the page cache. `--device cpu --side 96
--copies 2` tries the script in a minute where there is no GPU, without the robust norm, which is slow there.
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import h5py
import numpy as np
import xarray as xr
import zarr

from benchmarks import commands
from benchmarks.overlap import NAMES
from fringefleet.simulate import Scene, simulate_stack
from machine import measured_on
from many_chunks import edit, simulate_many
from mintpy_stack import write_mintpy_stack

COMMANDS = {
    "as it comes": (),
    "--std": ("--std",),
    "--norm huber": ("--norm", "huber"),
    "--solver elimination": ("--solver", "elimination"),
}


def measure(folder: Path, device: str, side: int, copies: int, cores: int) -> dict[str, Any]:
    """Make the scenes, and run everything."""
    large, quarter, tiny = folder / "stack.zarr", folder / "ifgramStack.h5", folder / "tiny.zarr"
    make_scenes(folder, side, copies)
    stack = xr.open_zarr(large, chunks=None, consolidated=False)
    n_pixel = stack.sizes["y"] * stack.sizes["x"]
    found: dict[str, Any] = {
        "device": gpu_name() if device == "cuda" else "cpu",
        "cores": cores,
        "n_pixel": n_pixel,
        "n_date": 98,
        "n_pair": stack.sizes["pair"],
        "input_gb": round(sum(stack[name].nbytes for name in NAMES) / 1e9, 2),
        "bare_read_seconds": [],
        "runs": {},
    }
    for _ in range(2):
        found["bare_read_seconds"].append(round(bare_read(large, cores), 2))
        for name, options in COMMANDS.items():
            if device == "cpu" and "--norm" in options:
                continue
            add(found, name, invert(large, folder / "result.zarr", device, options))
        add(found, "HDF5", invert(quarter, folder / "result.zarr", device, ()))
        add(
            found,
            "Zarr of the same size",
            invert(first_rows(large, quarter), folder / "result.zarr", device, ()),
        )
        add(found, "64 x 64 pixels", invert(tiny, folder / "result.zarr", device, ()))
    found["differences"] = compare(large, folder, device)
    return found | measured_on()


def add(found: dict[str, Any], name: str, run: dict[str, Any]) -> None:
    """Keep a run under its name, and say it."""
    found["runs"].setdefault(name, []).append(run)
    print(name, run, flush=True)  # noqa: T201 - it takes minutes


def make_scenes(folder: Path, side: int, copies: int) -> None:
    """Simulate a scene, and make the large, the HDF5 and the tiny one of it."""
    scene = Scene(n_date=98, neighbours=5, shape=(side, side), missing=0.02, seed=1)
    simulate_many(scene, (copies, copies), folder / "stack.zarr", put=shutil.copyfile)
    simulate_stack(replace(scene, shape=(64, 64)), folder / "tiny.zarr")
    write_hdf5(folder / "stack.zarr", folder / "ifgramStack.h5")


def write_hdf5(stack: Path, path: Path) -> None:
    """Write the first quarter of the rows as MintPy's ifgramStack.h5, in the chunks that h5py chooses."""
    opened = xr.open_zarr(stack, chunks=None, consolidated=False)
    step = chunk_rows(stack)
    n_row = max(step, opened.sizes["y"] // 4 // step * step)
    write_mintpy_stack(opened.isel(y=slice(n_row)), path, step)


def chunk_rows(stack: Path) -> int:
    """Rows, and columns, of a chunk."""
    return int(zarr.open_array(stack / NAMES[0], mode="r").chunks[1])


def first_rows(large: Path, hdf5: Path) -> Path:
    """Make a Zarr stack of the rows that the HDF5 file has, once."""
    part = hdf5.with_name("part.zarr")
    if not part.exists():
        with h5py.File(hdf5) as file:
            n_row = file["coherence"].shape[1]
        shutil.copytree(
            large, part, ignore=lambda at, names: beyond(Path(at), names, n_row // chunk_rows(large))
        )
        for name in NAMES:
            edit(part / name / "zarr.json", lambda said: said["shape"].__setitem__(1, n_row))
        y = zarr.open_array(part / "y", mode="r")
        values, attributes = y[:n_row], dict(y.attrs)
        shutil.rmtree(part / "y")
        zarr.create_array(part / "y", data=values, attributes=attributes, dimension_names=["y"])
    return part


def beyond(at: Path, names: Iterable[str], n_row: int) -> list[str]:
    """Name the folders of chunks that begin behind the last row."""
    is_rows = at.parent.name == "c" and at.parent.parent.name in NAMES
    return [name for name in names if is_rows and int(name) >= n_row]


def bare_read(stack: Path, cores: int) -> float:
    """Seconds to decode every chunk of phase and coherence by Zarr, in so many processes."""
    shape, side = zarr.open_array(stack / NAMES[0], mode="r").shape, chunk_rows(stack)
    pieces = [
        (str(stack / name), y, x, side)
        for name in NAMES
        for y in range(0, shape[1], side)
        for x in range(0, shape[2], side)
    ]
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(read_chunk, pieces[: 2 * cores]))  # the imports
        start = monotonic()
        list(pool.map(read_chunk, pieces, chunksize=2))
        return monotonic() - start


def read_chunk(piece: tuple[str, int, int, int]) -> int:
    """Decode one chunk; its bytes."""
    path, y, x, side = piece
    values = np.asarray(zarr.open_array(path, mode="r")[:, y : y + side, x : x + side])
    return values.nbytes


def invert(stack: Path, output: Path, device: str, options: Iterable[str]) -> dict[str, Any]:
    """Run the command on one worker, and say how long what took."""
    return commands.invert(stack, output, "--skip-reference", "--device", device, "--workers", "1", *options)


def compare(stack: Path, folder: Path, device: str) -> dict[str, float]:
    """Largest difference of each variable between the device and the CPU, over all pixels."""
    here, there = folder / "cpu.zarr", folder / "result.zarr"
    invert(stack, there, device, ())
    invert(stack, here, "cpu", ())
    one, other = (xr.open_zarr(path, chunks=None) for path in (here, there))
    found, step = {}, chunk_rows(stack)
    for name in map(str, one.data_vars):
        if "y" not in one[name].dims:
            continue
        worst = 0.0
        for row in range(0, one.sizes["y"], step):
            a, b = (data[name].isel(y=slice(row, row + step)).values.astype("f8") for data in (one, other))
            apart = np.abs(a - b)[~(np.isnan(a) & np.isnan(b))]
            worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max(initial=0)))
        found[name] = worst
    return found


def gpu_name() -> str:
    """Name of the GPU."""
    import torch

    return str(torch.cuda.get_device_name(0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--side", type=int, default=480, help="pixels, a multiple of 96")
    parser.add_argument("--copies", type=int, default=4, help="along each axis")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    record = measure(given.folder, given.device, given.side, given.copies, given.cores)
    given.result.write_text(json.dumps(record, indent=1) + "\n")
