"""Measure what a command costs besides its tiles: CPU and wall seconds, beside an older version of the code.

PYTHONPATH=tests python tests/benchmarks/startup.py tests/benchmarks/results/startup-cpu.json OLDER/src

Simulates 64 x 64 pixels, and runs each command several times, the two versions in turn. Kept are the least
CPU seconds, of the command and all its workers, and the least wall seconds; of closing, from the last tile's
mark in the result to the end of the command. Three minutes in all; without OLDER/src only this version is
measured.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import dask
import distributed
import torch
import xarray as xr

from benchmarks.commands import run_ours
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model

ROUNDS = 3
OURS = Path(__file__).parents[2] / "src"
COMMANDS = {
    "--help": ["--help"],
    "info": ["info", "stack.zarr"],
    "plan --quick": ["plan", "stack.zarr", "--quick"],
    "invert --workers 1": ["invert", "stack.zarr", "result.zarr", "--workers", "1", "--overwrite"],
    "invert --workers 2": ["invert", "stack.zarr", "result.zarr", "--workers", "2", "--overwrite"],
    "invert of a stack that is not there": ["invert", "nothing.zarr", "result.zarr", "--workers", "1"],
}


def measure(folder: Path, source: Path, words: list[str]) -> dict[str, float]:
    """Run a command of one version of the code once."""
    environment = os.environ | {
        "PYTHONPATH": str(source),
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),  # as an installed package has it
        "PYTHONDONTWRITEBYTECODE": "",
    }
    spent = run_ours(words, cwd=folder, env=environment, may_fail="nothing.zarr" in words)
    ended, found = time(), spent._asdict()
    if words[0] == "invert" and "nothing.zarr" not in words:
        mark = max(path.stat().st_mtime for path in (folder / "result.zarr/progress/done").rglob("*"))
        found["closing_seconds"] = round(ended - mark, 2)
    return found


def compare(folder: Path, sources: dict[str, Path]) -> dict[str, Any]:
    """Run all commands of all versions, in turn."""
    simulate_stack(Scene(n_date=20, shape=(64, 64)), folder / "stack.zarr")
    for source in sources.values():
        for words in COMMANDS.values():
            measure(folder, source, words)  # compiles the modules
    least: dict[str, Any] = {}
    for name, words in COMMANDS.items():
        rounds: dict[str, list[dict[str, float]]] = {version: [] for version in sources}
        for _ in range(ROUNDS):
            for version, source in sources.items():
                rounds[version].append(measure(folder, source, words))
        least[name] = {
            version: {key: min(each[key] for each in found) for key in found[0]}
            for version, found in rounds.items()
        }
    return least


def main() -> None:
    """Measure, and write what came out."""
    sources = {"this": OURS}
    if len(sys.argv) > 2:
        sources["older"] = Path(sys.argv[2]).absolute()
    with TemporaryDirectory() as name:
        found = compare(Path(name), sources)
    record = {
        "commands": found,
        "rounds": ROUNDS,
        "load_average": round(os.getloadavg()[0], 1),
        "machine": cpu_model(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "dask": dask.__version__,
        "distributed": distributed.__version__,
        "xarray": xr.__version__,
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
