"""The Python of README.md, as files, and its commands, in a folder that has what they read."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy

README = Path(__file__).resolve().parents[2] / "README.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
SCRIPTS = re.findall(r"^```bash\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
# Parts of commands that need the network, a GPU, a cluster, or files of the user's.
ELSEWHERE = ("pip install", "--device cuda", "--cluster tls://", "--cluster-config", "hyp3_products/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    for name in ("stack.zarr", "demo/stack.zarr"):
        (path / name).parent.mkdir(exist_ok=True)
        simulate_stack(Scene(n_date=6, shape=(64, 60)), path / name)
    options = fringefleet.Options(diagnose=True)
    fringefleet.run(fringefleet.Run(path / "stack.zarr", path / "diagnosed.zarr", options))
    return path


@pytest.mark.cluster
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_each_snippet_of_python_runs_as_a_file(number, folder):
    script = folder / f"snippet_{number}.py"
    script.write_text(SNIPPETS[number])
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_are_snippets_and_one_starts_workers():
    assert len(SNIPPETS) >= 3
    assert any("fringefleet.connect(" in snippet for snippet in SNIPPETS)


@pytest.fixture
def project(tmp_path):
    """A folder with a stack, a MintPy project with offsets, and a stack of offsets."""
    simulate_stack(Scene(n_date=6, shape=(24, 20)), tmp_path / "stack.zarr")
    source = xr.open_zarr(tmp_path / "stack.zarr", consolidated=False, chunks=None).load()
    (tmp_path / "inputs").mkdir()
    for name in ("inputs/ifgramStack.h5", "inputs/ionStack.h5", "offsets.h5"):
        write_mintpy(source, tmp_path / name)
        with h5py.File(tmp_path / name, "r+") as file:
            phase = file["unwrapPhase"][()]
            for offset in ("range", "azimuth"):
                file[f"{offset}Offset"] = phase / 10
                file[f"{offset}OffsetStd"] = np.full_like(phase, 0.1)
            file["offsetSNR"] = np.full_like(phase, 10)
            file.attrs.update({"RANGE_PIXEL_SIZE": "2.3", "AZIMUTH_PIXEL_SIZE": "14"})
            file.attrs.update({"HEIGHT": "698834.2", "EARTH_RADIUS": "6337286.6", "PROCESSOR": "isce"})
    with h5py.File(tmp_path / "waterMask.h5", "w") as file:
        file["waterMask"] = np.ones(phase.shape[1:], bool)
        file.attrs.update({"FILE_TYPE": "waterMask", "LENGTH": "24", "WIDTH": "20"})
    (tmp_path / "smallbaselineApp.cfg").write_text("mintpy.networkInversion.minNumPixel = 1\n")
    return tmp_path


@pytest.mark.cluster
@pytest.mark.usefixtures("untouched_log")
def test_the_commands_run_one_after_the_other(project, monkeypatch):
    """In this process, and most on workers that they join: each start of its own takes seconds."""
    monkeypatch.chdir(project)
    lines = [line for script in SCRIPTS for line in script.splitlines()]
    lines = [line for line in lines if not any(word in line for word in ELSEWHERE)]
    commands = [shlex.split(line.replace("128 128", "24 20"), comments=True)[1:] for line in lines]
    n_own = 0
    with fringefleet.connect("local", 1) as workers:
        joined = [
            "--cluster",
            workers.client.scheduler.address,
            "--tls-credentials",
            str(workers.credentials),
        ]
        for words in commands:
            if words[0] == "simulate":  # where somebody begins
                Path("stack.zarr").rename("before.zarr")
                Path("stack_truth.zarr").rename("before_truth.zarr")
            starts = words[0] in ("invert", "mintpy")
            is_own = "--workers" in words
            n_own += is_own
            where = ["--cluster", "local"] if is_own else joined
            done = CliRunner().invoke(app, [*words, *(where if starts else ())])
            assert done.exit_code == 0, f"{words}: {done.output}"
    assert len(commands) >= 15
    assert n_own
