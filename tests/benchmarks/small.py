"""Measure small runs: the command in this process, on a worker, `fringefleet.run`, and MintPy's command.

PYTHONPATH=tests python tests/benchmarks/small.py tests/benchmarks/results/small-cpu.json \\
    IFGRAM_INVERSION.PY STACK.H5

The stack is a small one of MintPy, such as Mexico City; another one of 64 x 64 pixels is simulated. Each is
inverted in turn by all of them, several times; kept are the least and the median CPU seconds, of all
processes, and wall seconds, and how they compare. MintPy's command is the path of its `ifgram_inversion.py`.
Three minutes in all.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import torch

from fringefleet.io import open_stack
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model

ROUNDS = 5
SOURCE = Path(__file__).parents[2] / "src"
RUN = """
import fringefleet
if __name__ == "__main__":
    fringefleet.run(fringefleet.Run({stack!r}, "result.zarr", existing="overwrite"))
"""


def commands(stack: Path, mintpy: str | None) -> dict[str, list[str]]:
    """Compose what is measured of a stack."""
    ours = [sys.executable, "-m", "fringefleet", "invert", str(stack), "result.zarr", "--overwrite"]
    found = {
        "invert": ours,
        "invert --workers 1": [*ours, "--workers", "1"],
        "fringefleet.run": [sys.executable, "-c", RUN.format(stack=str(stack))],
    }
    if mintpy is not None:
        found["ifgram_inversion.py"] = [mintpy, str(stack)]
    return found


def measure(folder: Path, words: list[str]) -> dict[str, float]:
    """Run a command once."""
    environment = os.environ | {
        "PYTHONPATH": str(SOURCE) if words[0] == sys.executable else "",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),  # as an installed package has it
        "PYTHONDONTWRITEBYTECODE": "",
    }
    before, start = getrusage(RUSAGE_CHILDREN), monotonic()
    subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=True)
    wall, after = monotonic() - start, getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": cpu, "wall_seconds": wall}


def compare(folder: Path, stack: Path, mintpy: str | None) -> dict[str, Any]:
    """Invert a stack by all commands, in turn; the first round compiles modules and is not kept."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in commands(stack, mintpy)}
    for number in range(ROUNDS + 1):
        for name, words in commands(stack, mintpy).items():
            found = measure(folder, words)
            if number:
                rounds[name].append(found)
    table: dict[str, Any] = {
        name: {
            kind: {
                "least": round(min(one[kind] for one in found), 2),
                "median": round(median(one[kind] for one in found), 2),
            }
            for kind in found[0]
        }
        for name, found in rounds.items()
    }
    table["invert against"] = {
        name: {
            kind: round(median(a[kind] / b[kind] for a, b in zip(rounds["invert"], found, strict=True)), 2)
            for kind in found[0]
        }
        for name, found in rounds.items()
        if name != "invert"
    }
    return table


def main() -> None:
    """Measure, and write what came out."""
    output, mintpy, source = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    with TemporaryDirectory() as name:
        folder = Path(name)
        stack = folder / source.name
        shutil.copyfile(source, stack)
        simulate_stack(Scene(n_date=20, shape=(64, 64)), folder / "scene.zarr")
        found = {
            "stack of MintPy": compare(folder, stack, mintpy),
            "64 x 64 pixels": compare(folder, folder / "scene.zarr", None),
        }
        opened = open_stack(stack, chunks=None)
        sizes = {dim: opened.sizes[dim] for dim in ("pair", "y", "x")}
    record = {
        "stack": sizes,
        **found,
        "rounds": ROUNDS,
        "load_average": round(os.getloadavg()[0], 1),
        "machine": cpu_model(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    output.write_text(json.dumps(record, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
