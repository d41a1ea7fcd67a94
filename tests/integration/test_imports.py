"""Modules that are imported where they are needed only: seconds of every command hang on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zarr

from fringefleet.simulate import Scene, simulate_stack
from long_cases import mostly_long

# Runs a command, and says which modules are there at its end.
COMMAND = """
import json, sys

if __name__ == "__main__":
    from fringefleet.cli import main
    try:
        main()
    except SystemExit as end:
        found = sorted({name.partition(".")[0] for name in sys.modules})
        sys.stderr.write("\\n" + json.dumps([end.code, found]))
"""
NEVER = {"torch", "triton", "matplotlib", "rasterio", "rioxarray", "bokeh", "IPython", "pytest", "hypothesis"}
NO_DASK = {"distributed", "tornado"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    simulate_stack(Scene(n_date=5, shape=(24, 20)), folder / "stack.zarr")
    (folder / "command.py").write_text(COMMAND)
    return folder


def finished(folder, *words):
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout, done.stderr


def modules(folder, *words):
    _, log = finished(folder, "command.py", *words)
    code, found = json.loads(log.splitlines()[-1])
    assert code == 0, log
    return set(found)


COMMANDS = {
    "help": (["--help"], {"numpy", "dask", *NO_DASK}),
    "info": (["info", "stack.zarr"], NO_DASK),
    "plan --quick": (["plan", "stack.zarr", "--quick"], set()),
    "plan": (["plan", "stack.zarr"], set()),
    "invert": (["invert", "stack.zarr", "result.zarr", "--workers", "1", "--overwrite"], set()),
    "invert --workers 0": (["invert", "stack.zarr", "result.zarr", "--workers", "0", "--overwrite"], set()),
    "simulate": (["simulate", "other.zarr", "--shape", "8", "8", "--dates", "4", "--overwrite"], set()),
    "convert": (["convert", "stack.zarr", "converted.zarr", "--overwrite"], NO_DASK),
    "plan --workers 1": (["plan", "stack.zarr", "--workers", "1"], set()),
}


@pytest.mark.cluster
@pytest.mark.parametrize("name", mostly_long(COMMANDS, len(COMMANDS) - 1))
def test_a_command_imports_nothing_that_it_does_not_need(name, folder):
    words, besides = COMMANDS[name]
    assert modules(folder, *words) & (NEVER | besides) == set()


@pytest.mark.cluster
def test_the_step_of_mintpy_imports_no_torch(folder):
    assert modules(folder, "mintpy", "--help") & NEVER == set()
    _, log = finished(folder, "-c", "import fringefleet.mintpy.step, sys; assert 'torch' not in sys.modules")
    assert log == ""


def test_the_public_names_need_no_torch(folder):
    code = """
import fringefleet, sys
for name in dir(fringefleet):
    getattr(fringefleet, name)
stack = fringefleet.open_stack("stack.zarr")
result = fringefleet.invert(stack, chunks=(12, 10))
print([name for name in ("torch", "matplotlib", "rasterio") if name in sys.modules])
print(int(result.pair_count.max()), "torch" in sys.modules)
"""
    said, log = finished(folder, "-c", code)
    assert said.splitlines()[0] == "[]", log
    assert said.splitlines()[1].endswith("False")  # not even where pixels are solved


@pytest.mark.parametrize(("options", "needs_torch"), [("", False), ("std=True", True)])
def test_threads_of_this_process_import_torch_for_options_that_need_it(options, needs_torch, folder):
    code = f"""
import fringefleet, sys
if __name__ == "__main__":
    options = fringefleet.Options({options})
    fringefleet.run(fringefleet.Run("stack.zarr", "threads.zarr", options, existing="overwrite"))
    print("torch" in sys.modules)
"""
    assert finished(folder, "-c", code)[0] == f"{needs_torch}\n"
    assert zarr.open_group(folder / "threads.zarr", mode="r")["status"].shape == (24, 20)


def test_a_worker_imports_the_command_line_as_little_as_can_be(folder):
    """It imports the main program again, which is as a rule the script that pip has made."""
    code = "from fringefleet.cli import main"
    code += "; import sys; print([name for name in ('typer', 'rich', 'numpy') if name in sys.modules])"
    assert finished(folder, "-c", code)[0] == "[]\n"


# --- a driver that is there, or not -----------------------------------------------------------------------

DRIVER = """
static int n = {n};
int cuInit(unsigned flags) {{ return {fails}; }}
int cuDeviceGetCount(int *count) {{ *count = n; return 0; }}
"""
ASK = """
import sys
from fringefleet.processes import gpus
from fringefleet.errors import DeviceError
try:
    print(gpus.count_gpus(), "torch" in sys.modules)
except DeviceError as error:
    print("none", "torch" in sys.modules, error)
"""


@pytest.mark.parametrize(
    ("n", "fails", "said"), [(3, 0, "3 False"), (0, 0, "none True"), (3, 100, "none True")]
)
def test_gpus_are_counted_by_the_driver_and_torch_says_why_there_is_none(n, fails, said, tmp_path):
    compiler = next(
        (Path(d) / "cc" for d in os.environ["PATH"].split(":") if (Path(d) / "cc").exists()), None
    )
    if compiler is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "driver.c").write_text(DRIVER.format(n=n, fails=fails))
    library = tmp_path / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "driver.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(said)
    if said.startswith("none"):
        assert "device = cuda needs" in done.stdout
