"""The fused kernels compile for a GPU, which need not be there: types, registers, and who reads what."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from long_cases import mostly_long

pytest.importorskip("triton")

PROGRAM = Path(__file__).parents[3] / "compile_kernels.py"
KEPT = {"KEEP_ROWS": True, "KEEP_FACTOR": True}
COHERENCE = {"MASK": "at least", "HAS_LAND": True}
OFFSET = {"IS_OFFSET": True, "MASK": "std", "HAS_LAND": True}
MODES = {  # each value of each constant, alone where it matters and together where they meet
    "invert_pixels": {
        "fp32": [
            {},
            KEPT,
            {"WEIGHT": "var"},
            {"WEIGHT": "var", **COHERENCE, **KEPT},
            {"WEIGHT": "fim", "MASK": "positive", "mask": "i16", "KEEP_ROWS": True},
            {"WEIGHT": "coh", "MASK": "at least", "mask": "fp64"},
            {"WEIGHT": "none", "MASK": "positive", "mask": "u8", "KEEP_FACTOR": True},
            {"WEIGHT": "none", **OFFSET},
            {"WEIGHT": "offset", **OFFSET, **KEPT},
        ],
        "fp64": [
            {"observed": "fp64", "beside": "fp64", **KEPT},
            {"WEIGHT": "var", **COHERENCE, **KEPT},
            {"WEIGHT": "fim"},
            {"WEIGHT": "offset", **OFFSET},
        ],
    },
    "reweigh_pixels": {
        real: [{"NORM": "l1", "limits": real}, {"NORM": "huber", "limits": real, "KEEP_FACTOR": True}]
        for real in ("fp32", "fp64")
    },
    "deviate": {real: [{"IS_FACTOR": False}, {"IS_FACTOR": True}] for real in ("fp32", "fp64")},
}
CASES = [(kernel, real) for kernel, modes in MODES.items() for real in modes]
CAN_SPILL = 64  # bytes a thread, for the calls of a float64 division


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "real"), mostly_long(CASES, 1))
def test_a_kernel_compiles_for_a_gpu_with_one_pixel_a_thread_throughout(kernel, real, tmp_path):
    """That is what its loads of its own stores rely on. No GPU is needed to compile."""
    modes = MODES[kernel][real]
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, PROGRAM, kernel, real, *map(json.dumps, modes)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    records = json.loads(run.stdout)
    assert [record["mode"] for record in records] == modes
    for record in records:
        assert record["cubin"] > 0
        assert record["one pixel a thread"]
        assert record["moved"] == []
        assert record["shared"] == 0
        assert record["registers"] <= 96  # at least 20 of 64 warps on an H100
        assert record["spilled"] <= (0 if real == "fp32" else CAN_SPILL)
