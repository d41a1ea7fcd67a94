"""Compile the fused kernels for a GPU that need not be there; run as a program, without Triton's interpreter.

    python tests/compile_kernels.py invert fp32 '{"WEIGHT": "var"}' ...

prints, as JSON, a record for each set of constants: what ptxas made of them, and how arrays lie.
"""

import json
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

REAL = "real"  # in place of the type of the solver's numbers
MODULES = {"invert_pixels": "kernel", "deviate": "variances", "reweigh_pixels": "irls"}
WARPS = {"invert_pixels": 4, "deviate": 4, "reweigh_pixels": 1}
TYPES = {
    **dict.fromkeys(
        ("residual", "row_weight", "edge", "inverse", "change", "series", "result", "sums"), REAL
    ),
    **dict.fromkeys(("reference", "table", "covariance", "unit", "deviation"), REAL),
    **dict.fromkeys(("observed", "beside", "mask", "medians"), "fp32"),
    **dict.fromkeys(("exact", "limits"), "fp64"),
    "land": "u8",
}
PTXAS = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
DEFAULTS = {
    "deviate": {},
    "reweigh_pixels": {"KEEP_FACTOR": False},
    "invert_pixels": {
        "WEIGHT": "given",
        "MASK": "none",
        "IS_OFFSET": False,
        "HAS_LAND": False,
        "KEEP_ROWS": False,
        "KEEP_FACTOR": False,
    },
}


def main(name, real, *modes):
    kernel = getattr(import_module(f"fringefleet.solver.fused.{MODULES[name]}"), name)
    records = [compile_kernel(kernel, name, real, json.loads(mode)) for mode in modes]
    sys.stdout.write(json.dumps(records))


def compile_kernel(kernel, name, real, mode):
    """A record of one kernel; ``mode`` has its constants, and the types of the arrays that differ."""
    constants = DEFAULTS[name] | {k: v for k, v in mode.items() if k.isupper()}
    constants["BLOCK"] = 32 * WARPS[name]
    scalars = {kernel.arg_names[i] for i in kernel.do_not_specialize if isinstance(i, int)} | {
        i for i in kernel.do_not_specialize if isinstance(i, str)
    }
    types = {}
    for argument in kernel.arg_names:
        if argument in constants:
            types[argument] = "constexpr"
        elif argument in scalars:
            types[argument] = "i32"
        else:
            found = mode.get(argument, TYPES.get(argument, "i32"))
            types[argument] = "*" + (real if found == REAL else found)
    at = {argument: (i,) for i, argument in enumerate(kernel.arg_names)}
    aligned = {at[k]: [["tt.divisibility", 16]] for k, kind in types.items() if kind.startswith("*")}
    source = ASTSource(kernel, types, {at[k]: value for k, value in constants.items()}, aligned)
    options = {"num_warps": WARPS[name], "num_stages": 1, "enable_fp_fusion": False}
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    layouts = made.asm["ttgir"]
    return {
        "mode": mode,
        "shared": made.metadata.shared,
        "cubin": len(made.asm["cubin"]),
        "one pixel a thread": f"sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [{WARPS[name]}]"
        in layouts
        and f"tensor<{32 * WARPS[name]}x" in layouts
        and layouts.count("#ttg.blocked<") == 1,
        "moved": [word for word in ("convert_layout", "local_alloc", "async") if word in layouts],
        **resources(made.asm["ptx"]),
    }


def resources(ptx):
    """Registers, and bytes of spilled ones, as ptxas says."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        (target,) = re.findall(r"^\.target (\w+)", ptx, re.MULTILINE)
        command = [PTXAS, "-v", f"--gpu-name={target}", source, "-o", Path(folder, "kernel.cubin")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {
        "registers": max(int(n) for n in re.findall(r"Used (\d+) registers", said)),
        "spilled": sum(int(n) for n in re.findall(r"(\d+) bytes spill stores", said)),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
