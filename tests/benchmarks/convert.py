"""Measure how fast a stack is converted to Zarr, and in how much memory, beside another version of the code.

PYTHONPATH=tests python tests/benchmarks/convert.py tests/benchmarks/results/convert-cpu.json [OTHER_SRC]
[FOLDER]

Simulates a stack of 98 dates, 288 pairs and 640 x 600 pixels (0.9 GB in memory), writes it as MintPy does
(HDF5 in chunks that h5py chooses; contiguous; each interferogram one chunk, LZF), and converts each, and the
Zarr stack: every conversion in a process of its own, this version and the other in turn,
twice. CPU seconds are those of the whole process; on a machine with other load they tell more.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from fringefleet.io import open_stack
from fringefleet.processes.versions import software_versions
from fringefleet.simulate import Scene, simulate_stack
from machine import commit, cpu_model

SCENE = Scene(n_date=98, neighbours=3, shape=(640, 600), missing=0.02, seed=1)
HERE = Path(__file__).parents[2] / "src"
CONVERT = """
import sys
from time import monotonic, process_time
from fringefleet.io import convert_stack
start, cpu = monotonic(), process_time()
convert_stack(sys.argv[1], sys.argv[2], overwrite=True)
seconds, cpu = monotonic() - start, process_time() - cpu
with open("/proc/self/status") as file:
    (peak,) = [int(line.split()[1]) for line in file if line.startswith("VmHWM")]
print(seconds, cpu, peak * 1024)
"""


def measure(folder: Path, other: Path | None) -> dict[str, Any]:
    """Make the stacks, and convert them."""
    stack = folder / "stack.zarr"
    simulate_stack(SCENE, stack)
    sources = {"Zarr": stack} | write_hdf5(stack, folder)
    sources_of_code = {"this": HERE} | ({"other": other} if other else {})
    found: dict[str, Any] = {"shape": SCENE.shape, "n_pair": 288, "n_date": 98, "seconds": {}}
    opened = open_stack(stack, chunks=None)
    found["input_gb"] = round(sum(opened[name].nbytes for name in opened.data_vars) / 1e9, 2)
    for _ in range(2):
        for kind, source in sources.items():
            for version, path in sources_of_code.items():
                row = found["seconds"].setdefault(kind, {}).setdefault(version, {})
                for name, value in convert(path, source, folder / "out.zarr").items():
                    row.setdefault(name, []).append(value)
    for row in (row for rows in found["seconds"].values() for row in rows.values()):
        row["gb_a_second"] = [round(found["input_gb"] / seconds, 2) for seconds in row["wall"]]
    return found | {
        "machine": cpu_model(),
        "cores": os.cpu_count(),
        "commit": commit(),
        "versions": software_versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def convert(code: Path, source: Path, output: Path) -> dict[str, float]:
    """Convert in a process of its own; seconds, and the memory that it has had at most."""
    command = [sys.executable, "-c", CONVERT, str(source), str(output)]
    environment = os.environ | {"PYTHONPATH": str(code)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall, cpu, peak = map(float, done.stdout.split())
    return {"wall": round(wall, 2), "cpu": round(cpu, 2), "peak_mb": round(peak / 1e6)}


def write_hdf5(stack: Path, folder: Path) -> dict[str, Path]:
    """Write a Zarr stack as MintPy has it, in several layouts."""
    opened = open_stack(stack, chunks=None)
    dates = [
        opened[name].values.astype("datetime64[D]").astype(str)
        for name in ("reference_date", "secondary_date")
    ]
    names = [[date.replace("-", "").encode() for date in pair] for pair in zip(*dates, strict=True)]
    layouts: dict[str, dict[str, Any]] = {
        "HDF5, chunks of h5py": {"chunks": True},
        "HDF5, contiguous": {},
        "HDF5, an interferogram a chunk, LZF": {"chunks": (1, *SCENE.shape), "compression": "lzf"},
    }
    paths = {}
    for number, (layout, how) in enumerate(layouts.items()):
        paths[layout] = folder / f"{number}.h5"
        with h5py.File(paths[layout], "w") as file:
            file["date"] = np.array(names)
            file["bperp"] = np.zeros(len(names), np.float32)
            file["dropIfgram"] = np.ones(len(names), bool)
            for ours, theirs in (("unwrapped_phase", "unwrapPhase"), ("coherence", "coherence")):
                file.create_dataset(theirs, data=opened[ours].values, **how)
            attributes = {"WAVELENGTH": 0.0555, "REF_Y": 0, "REF_X": 0, "ALOOKS": 2, "RLOOKS": 8}
            shape = {"LENGTH": SCENE.shape[0], "WIDTH": SCENE.shape[1], "FILE_TYPE": "ifgramStack"}
            file.attrs.update({key: str(value) for key, value in (attributes | shape).items()})
    return paths


if __name__ == "__main__":
    against = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as name:
        result = measure(Path(name), against)
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
