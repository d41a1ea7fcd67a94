"""Measure whole runs: beside bare reading and writing, on one worker and two, beside MintPy, and a large one.

PYTHONPATH=tests python tests/benchmarks/whole_run.py PART RESULT.json
    [--folder FOLDER] [--rounds N] [--copies DOWN ACROSS]

PART is one of

``whole-run``, for ``tests/benchmarks/results/whole-run-cpu.json``
    A million pixels of 98 dates and 288 pairs on two workers, against reading all of its tiles and writing
    all of those of its result, by the same worker processes with the same reader and writer; and the same as
    a command. 2.4 GB of files, copied from a small scene.
``workers``, for ``tests/benchmarks/results/workers-cpu.json``
    The same scene on one worker and on two, in turn. One worker has all cores to read and write.
``mintpy``, for ``tests/benchmarks/results/mintpy-cpu.json``
    CPU seconds of a pixel, of this package's commands on Zarr and on MintPy's HDF5 and of MintPy's own
    ``ifgram_inversion.py`` on the latter (FRINGEFLEET_MINTPY names its interpreter, tests/parity/README.md).
    What it takes to start is taken out by two sizes. MintPy has one thread, with which it needs least.
``galapagos``, for ``tests/benchmarks/results/galapagos-cpu.json``
    The command on 3.4 Mpx of 98 dates and 475 pairs, 12.9 GB in memory, on the cores of this machine, beside
    bare reading and writing. The files of 16 chunks of each variable are linked to 23 places, so that all of
    them are in the page cache.

Each takes two to four minutes. ``--copies`` makes smaller scenes, to try it.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr

import fringefleet
from benchmarks.bare import Took, read_all, time_workers, write_all
from benchmarks.commands import Spent, invert, run_command, run_ours
from fringefleet.cluster import connect
from fringefleet.execution.check import Checked, check
from fringefleet.execution.report import report_path
from fringefleet.pipeline import compute, with_workers
from fringefleet.processes.connected import ConnectedWorkers
from fringefleet.simulate import Scene, simulate_stack
from machine import measured_on, peak_memory
from many_chunks import simulate_many
from mintpy_stack import write_mintpy_stack
from parity.against_mintpy.programs import HOW, VARIABLE, environment, mintpy_python

SMALL = Scene(n_date=98, neighbours=3, shape=(256, 256), missing=0.02, seed=1)
GALAPAGOS = Scene(n_date=98, neighbours=5, shape=(1536, 96), missing=0.02, seed=1)
SIDES = (64, 128)  # pixels of the scenes of MintPy; ours are the first one, and many times as large
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MINTPY = "import sys; from mintpy.cli.ifgram_inversion import main; main(sys.argv[1:])"
HDF5 = "inputs/ifgramStack.h5"
IN_MINTPYS_PLACE = ("mintpy", HDF5, "-w", "var", "-c", "local", "--num-worker", "1")
COMMANDS = {
    "mintpy, HDF5": IN_MINTPYS_PLACE,
    "invert, HDF5": ("invert", HDF5, "result.zarr", "--overwrite", "--workers", "1"),
    "invert, Zarr": ("invert", "stack.zarr", "result.zarr", "--overwrite", "--workers", "1"),
}


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    folder: Path
    rounds: int
    copies: tuple[int, int]

    @property
    def stack(self) -> Path:
        """Where the scene is made."""
        return self.folder / "stack.zarr"

    @property
    def result(self) -> Path:
        """Where its result is."""
        return self.folder / "result.zarr"


def measure_whole_run(asked: Asked) -> dict[str, Any]:
    """Measure a run, and what its bytes cost alone, in turn; then the command."""
    simulate_many(SMALL, asked.copies, asked.stack, put=shutil.copyfile)
    with connect("local", 2) as workers:
        _, _ = run_once(asked, workers)  # warms up
        found = beside_bare(asked, workers)
    commands = [invert(asked.stack, asked.result) for _ in range(2)]
    best = min(command["seconds_command"] for command in commands)
    return size_of(asked.stack) | found | {"commands": commands, "seconds_command": best}


def beside_bare(asked: Asked, workers: ConnectedWorkers) -> dict[str, Any]:
    """Measure runs, and their reading and writing alone."""
    runs, read, write = [], [], []
    for _ in range(asked.rounds):
        checked, run = run_once(asked, workers)
        runs.append(run)
        read.append(read_all(checked, workers.client))
        write.append(write_all(checked, workers.client, asked.folder / "written.zarr"))
    return {
        "workers": workers.n_worker,
        "tile": checked.tile,
        "n_tile": checked.n_tile,
        "runs": runs,
        "read": [took._asdict() for took in read],
        "write": [took._asdict() for took in write],
        **{
            f"{kind}_over_read_and_write": [
                round(run[kind] / (getattr(reading, kind) + getattr(writing, kind)), 3)
                for run, reading, writing in zip(runs, read, write, strict=True)
            ]
            for kind in Took._fields
        },
    }


def measure_workers(asked: Asked) -> dict[str, Any]:
    """Measure one worker and two, in turn."""
    simulate_many(SMALL, asked.copies, asked.stack, put=shutil.copyfile)
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(asked.rounds):
        for n_worker, found in runs.items():
            with connect("local", n_worker) as workers:
                run_once(asked, workers)  # warms up
                found.append(run_once(asked, workers)[1])
    one, two = (median(run["wall_seconds"] for run in found) for found in runs.values())
    return size_of(asked.stack) | {"workers": runs, "two_against_one": round(one / two, 3)}


def measure_mintpy(asked: Asked) -> dict[str, Any]:
    """Measure CPU seconds of a pixel, beside MintPy's."""
    if not os.environ.get(VARIABLE):
        raise SystemExit(f"{VARIABLE} names no MintPy: {HOW}")
    python = mintpy_python(os.environ[VARIABLE])
    projects = [make_project(asked.folder / str(side), side) for side in SIDES]
    large = make_project(asked.folder / "large", None, asked.copies)
    sizes = {"MintPy, HDF5": projects} | {name: [projects[0], large] for name in COMMANDS}
    spent: dict[str, list[list[Spent]]] = {name: [[], []] for name in sizes}
    for _ in range(asked.rounds):
        for name, places in sizes.items():
            for project, found in zip(places, spent[name], strict=True):
                found.append(run_in(project, name, python))
    rates = {name: rate_of(sizes[name], found) for name, found in spent.items()}
    theirs = rates["MintPy, HDF5"]["px_per_cpu_second"]
    for rate in rates.values():
        rate["times_mintpy"] = float(f"{rate['px_per_cpu_second'] / theirs:.3g}")
    return {"n_date": 98, "n_pair": size_of(large / "stack.zarr")["n_pair"], "programs": rates}


def make_project(folder: Path, side: int | None, copies: tuple[int, int] = (1, 1)) -> Path:
    """Make a folder with a stack as Zarr and as MintPy has it: of a side, or of copies of a scene."""
    (folder / "inputs").mkdir(parents=True)
    stack = folder / "stack.zarr"
    if side is None:
        simulate_many(SMALL, copies, stack)
    else:
        simulate_stack(Scene(n_date=98, neighbours=3, shape=(side, side), missing=0.02, seed=1), stack)
    write_mintpy_stack(xr.open_zarr(stack, chunks=None, consolidated=False), folder / HDF5)
    return folder


def run_in(project: Path, name: str, python: Path) -> Spent:
    """Run a program in a project."""
    if name in COMMANDS:
        return run_ours(COMMANDS[name], cwd=project)
    words = (python, "-c", MINTPY, HDF5, "-w", "var")
    return run_command(words, cwd=project, env=environment() | ONE_THREAD)


def rate_of(projects: list[Path], spent: list[list[Spent]]) -> dict[str, Any]:
    """Pixels for each CPU second that the larger of two scenes takes more; the least of the rounds."""
    n_pixel = [size_of(project / "stack.zarr")["n_pixel"] for project in projects]
    small, large = (min(each.cpu_seconds for each in rounds) for rounds in spent)
    return {
        "n_pixel": n_pixel,
        "cpu_seconds": [[each.cpu_seconds for each in rounds] for rounds in spent],
        "wall_seconds": [[each.wall_seconds for each in rounds] for rounds in spent],
        "px_per_cpu_second": round((n_pixel[1] - n_pixel[0]) / (large - small)),
    }


def measure_galapagos(asked: Asked) -> dict[str, Any]:
    """Measure the command on a scene of the size of a volcano, and what its bytes cost alone."""
    simulate_many(GALAPAGOS, asked.copies, asked.stack)
    commands = [invert(asked.stack, asked.result) for _ in range(asked.rounds)]
    with connect("local", 2) as workers:
        run_once(asked, workers)
        found = beside_bare(Asked(asked.folder, 1, asked.copies), workers)
    best = min(command["seconds_command"] for command in commands)
    return size_of(asked.stack) | {"commands": commands, "seconds_command": best} | found


def run_once(asked: Asked, workers: ConnectedWorkers) -> tuple[Checked, dict[str, Any]]:
    """Do the run that was asked for; wall seconds, CPU seconds and memory of its workers, and its stages."""
    client = workers.client
    job = fringefleet.Run(asked.stack, asked.result, existing="overwrite", n_worker=workers.n_worker)
    checked = check(with_workers(job, client))
    took = time_workers(client, lambda: compute(checked, worker_memory=workers.worker_memory, client=client))
    stages: Mapping[str, float] = json.loads(report_path(asked.result).read_text())["totals"]["seconds"]
    return checked, {
        **took._asdict(),
        "stages": {stage: round(value, 2) for stage, value in stages.items()},
        "peak_mb": sorted(peak // 10**6 for peak in client.run(peak_memory).values()),
    }


def size_of(stack: Path) -> dict[str, Any]:
    """Say how large a stack is."""
    opened = xr.open_zarr(stack, chunks=None, consolidated=False)
    observed = opened["unwrapped_phase"]
    return {
        "n_pixel": observed[0].size,
        "n_date": len(set(opened["reference_date"].values) | set(opened["secondary_date"].values)),
        "n_pair": observed.sizes["pair"],
        "input_gb": round(2 * observed.nbytes / 1e9, 2),
    }


# What is measured, how often, and how many copies of the small scene make the large one.
PARTS: dict[str, tuple[Callable[[Asked], dict[str, Any]], int, tuple[int, int]]] = {
    "whole-run": (measure_whole_run, 3, (4, 4)),
    "workers": (measure_workers, 2, (4, 4)),
    "mintpy": (measure_mintpy, 2, (3, 4)),
    "galapagos": (measure_galapagos, 3, (1, 23)),
}


def main() -> None:
    """Measure a part, and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("result", type=Path)
    parser.add_argument("--folder", type=Path, help="for the scenes; a temporary one if not given")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--copies", type=int, nargs=2)
    given = parser.parse_args()
    measure, rounds, copies = PARTS[given.part]
    here = measured_on()
    with TemporaryDirectory(dir=given.folder) as folder:
        asked = Asked(Path(folder), given.rounds or rounds, tuple(given.copies or copies))
        found = measure(asked)
    given.result.write_text(json.dumps(found | here, indent=1) + "\n")


if __name__ == "__main__":
    main()
