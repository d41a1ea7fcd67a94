"""Compare codecs, kept bits and chunk layouts for a result: bytes, speed of a thread, error, times to read.

PYTHONPATH=tests python tests/benchmarks/codecs.py tests/benchmarks/results/codecs-cpu.json
    [PYTHON_WITH_GDAL] [FOLDER]

Inverts real stacks (../shared/data, where it is) and a simulated one with standard deviations and diagnosis,
and packs every variable with each codec: how much smaller it becomes, and MB/s of one thread (best of three,
CPU time). Then stores a series of dates in each layout, and reads a map (one date, whole scene) and a series
(one pixel, all dates) as xarray does. ``PYTHON_WITH_GDAL``: an interpreter with rasterio 1.5 or newer, whose
GDAL is asked whether it reads each codec and layout; else that of this one.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numcodecs
import numpy as np
import xarray as xr
import zarr
from numcodecs import blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

import fringefleet
from fringefleet.errors import InputError
from fringefleet.processes.versions import software_versions
from fringefleet.products.quantization import quantized
from fringefleet.products.registry import all_variables
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model

CODECS = [("zstd", 1), ("zstd", 3), ("lz4", 1), ("lz4", 5), ("lz4", 9), ("lz4hc", 5), ("blosclz", 5)]
SHUFFLES = {"shuffle": blosc.SHUFFLE, "bitshuffle": blosc.BITSHUFFLE}
BITS = (None, 15, 12, 10)
LAYOUTS = [(98, 96, 96), (98, 192, 192), (98, 384, 384), (14, 192, 192), (1, 384, 384), (1, 768, 768)]
SIDE, STORED = 192, 768  # pixels
DATA = Path(__file__).parents[3] / "shared" / "data"
STACKS = {"Mexico City": "mexico_city/ifgramStack.h5", "nasty": "nasty_24/inputs/ifgramStack.h5"}
READ = """
import sys, rasterio
print(rasterio.__gdal_version__)
for path in sys.argv[1:]:
    try:
        with rasterio.open(f'ZARR:"{path}":/displacement') as dataset:
            print(float(dataset.read(1)[3, 4]))
    except Exception as error:
        print(str(error).replace(chr(10), " "))
"""


def measure(folder: Path, python: str) -> dict[str, Any]:
    """Do everything."""
    numcodecs.blosc.use_threads = False
    results = dict(invert(folder))
    simulated = results["simulated"]["displacement"]
    tables = {scene: table(variables) for scene, variables in results.items()}
    return {
        "packed": tables,
        "layouts": layouts(folder, simulated),
        "gdal": gdal(folder, simulated, python),
        "machine": cpu_model(),
        "commit": commit(),
        "versions": software_versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def invert(folder: Path) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Invert all stacks; give what is over y and x of each result, and has dates at most once."""
    simulate_stack(
        Scene(n_date=98, neighbours=3, shape=(SIDE, SIDE), missing=0.02, seed=1), folder / "s.zarr"
    )
    stacks = {"simulated": folder / "s.zarr"} | {
        name: DATA / path for name, path in STACKS.items() if (DATA / path).exists()
    }
    for number, (name, path) in enumerate(stacks.items()):
        output = folder / f"{number}.zarr"
        options = fringefleet.Options(std=True, diagnose=True)
        try:
            fringefleet.run(fringefleet.Run(path, output, options))
        except InputError:  # a reference pixel without data
            setting = fringefleet.Setting(drop_unreferenced=True)
            fringefleet.run(fringefleet.Run(path, output, options, setting))
        result = xr.open_zarr(output).compute()
        yield name, {key: result[key].values for key in all_variables() if key in result}


def table(variables: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Pack every variable with every codec."""
    rows = []
    for name, values in variables.items():
        for bits in BITS if all_variables()[name].is_rounded else (None,):
            rounded = values if bits is None else quantized(values, bits)
            error = 0.0 if bits is None else float(np.nanmax(np.abs(rounded.astype("f8") - values)))
            for (codec, level), shuffle in product(CODECS, SHUFFLES):
                row = {"variable": name, "bits": bits, "codec": f"{codec} {level}", "shuffle": shuffle}
                rows.append(row | pack(rounded, codec, level, shuffle) | {"largest_error": error})
    return rows


def pack(values: NDArray[Any], codec: str, level: int, shuffle: str) -> dict[str, float]:
    """Pack and unpack numbers: how much smaller they become, and how fast."""
    packing = numcodecs.Blosc(codec, level, SHUFFLES[shuffle])
    packed, target = packing.encode(values), np.empty_like(values)
    megabytes = values.nbytes / 1e6
    return {
        "ratio": round(values.nbytes / len(packed), 2),
        "compress": round(megabytes / best(lambda: packing.encode(values))),
        "decompress": round(megabytes / best(lambda: packing.decode(packed, target))),
    }


def best(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of three, each long enough to be measured."""
    n_time, found = 1, []
    while len(found) < 3:
        start = process_time()
        for _ in range(n_time):
            work()
        seconds = process_time() - start
        if seconds < 0.004 and n_time < 10_000:
            n_time *= 4
        else:
            found.append(seconds / n_time)
    return min(found)


def layouts(folder: Path, tile: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Store a scene in each layout; time a map and a series, first read and second (ms, page cache warm)."""
    n = STORED // SIDE
    factors = np.random.default_rng(0).uniform(0.5, 2, (n, n)).astype(np.float32)  # so that no part repeats
    scene = np.tile(tile, (1, n, n)) * factors.repeat(SIDE, 0).repeat(SIDE, 1)
    rows = []
    for chunks, (codec, level) in product(LAYOUTS, [("lz4", 5), ("zstd", 1)]):
        path = folder / "layout.zarr"
        start = process_time()
        n_file, n_byte = store(path, scene, chunks, codec, level)
        row: dict[str, Any] = {"chunks": chunks, "codec": f"{codec} {level}", "n_file": n_file}
        row |= {"mb": round(n_byte / 1e6, 1), "write_cpu_s": round(process_time() - start, 2)}
        opened = xr.open_zarr(path, chunks=None, consolidated=False).displacement
        for name, where in {"map": {"date": 50}, "series": {"y": 333, "x": 444}}.items():
            row[f"{name}_ms"] = round(min(seconds_to_read(opened.isel(where)) for _ in range(3)) * 1e3, 1)
        rows.append(row)
    return rows


def seconds_to_read(part: xr.DataArray) -> float:
    """Read a part of an array that is open."""
    start = perf_counter()
    part.copy(deep=False).load()
    return perf_counter() - start


def store(
    path: Path, values: NDArray[Any], chunks: tuple[int, ...], codec: str, level: int
) -> tuple[int, int]:
    """Store an array; number of files and bytes."""
    group = zarr.open_group(path, mode="w")
    array = group.create_array(
        "displacement",
        shape=values.shape,
        chunks=chunks,
        dtype="f4",
        fill_value=np.nan,
        compressors=BloscCodec(cname=codec, clevel=level, shuffle="shuffle"),
        dimension_names=("date", "y", "x"),
    )
    array[:] = values
    files = [file for file in (path / "displacement" / "c").rglob("*") if file.is_file()]
    return len(files), sum(file.stat().st_size for file in files)


def gdal(folder: Path, tile: NDArray[np.float32], python: str) -> dict[str, Any]:
    """Ask GDAL whether it reads each codec and layout: the number at one pixel, or what it says."""
    values, paths = tile[:2], {}
    for codec, level in CODECS:
        for shuffle in SHUFFLES:
            paths[f"{codec} {shuffle}"] = folder / f"gdal-{codec}-{level}-{shuffle}.zarr"
            store(paths[f"{codec} {shuffle}"], values, (2, 96, 96), codec, level)
    paths["one date a chunk"] = folder / "gdal-date.zarr"
    store(paths["one date a chunk"], values, (1, SIDE, SIDE), "lz4", 5)
    command = [python, "-c", READ, *map(str, paths.values())]
    version, *said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = str(float(values[0, 3, 4]))
    return {"version": version} | {
        name: "read" if found == expected else found for name, found in zip(paths, said, strict=True)
    }


if __name__ == "__main__":
    interpreter = sys.argv[2] if len(sys.argv) > 2 else sys.executable
    with TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as name:
        result = measure(Path(name), interpreter)
    text = json.dumps(result, indent=1)
    text = re.sub(r"\{[^{}]*\}", lambda row: " ".join(row[0].split()), text)  # a row of the table in a line
    Path(sys.argv[1]).write_text(text + "\n")
