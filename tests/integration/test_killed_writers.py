"""Every command that writes is killed in mid-write; the next one that writes there removes what was left."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run
from fringefleet.cli import app
from fringefleet.cluster.security import private_folder
from fringefleet.io import convert_stack
from fringefleet.io.writers import WRITERS
from fringefleet.simulate import Scene, simulate_stack
from long_cases import long_but

# Any process dies with SIGKILL, as nobody can catch it, just before what it has written would get its name.
KILLED = """
import os, signal, sys
from pathlib import Path
def watched(rename):
    def killed(self, target):
        if ".fringefleet-" in str(self) or self.name.endswith(".part"):
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)
    return killed
Path.rename, Path.replace = watched(Path.rename), watched(Path.replace)
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    simulate_stack(Scene(n_date=5, shape=(16, 16)), folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "result.zarr"))
    return folder


COMMANDS = {
    "simulate": ["simulate", "OUT/a.zarr", "--shape", "16", "16", "--dates", "4"],
    "demo": ["demo", "OUT"],
    "convert": ["convert", "SCENE/stack.zarr", "OUT/a.zarr"],
    "invert": ["invert", "SCENE/stack.zarr", "OUT/r.zarr", "--workers", "1"],
    "velocity": ["velocity", "SCENE/result.zarr", "OUT/v.zarr"],
    "plan": ["plan", "SCENE/stack.zarr", "OUT/r.zarr"],
    "export": ["export", "SCENE/result.zarr", "OUT"],
    "plot": ["plot", "SCENE/result.zarr", "OUT"],
}
# Folders of files; and a file, or a store, of everything.
COMMANDS |= {
    f"export {writer.name}": ["export", "SCENE/result.zarr", "OUT", "--format", writer.name]
    for writer in WRITERS
}
COMMANDS |= {
    f"export one {suffix}": [
        "export",
        "SCENE/result.zarr",
        f"OUT/all{suffix}",
        "--format",
        file_format,
        "--unit",
        "mm",
    ]
    for file_format, suffix in (
        ("netcdf", ".nc"),
        ("zarr2", ".zarr"),
        ("csv", ".csv"),
        ("geopackage", ".gpkg"),
    )
}


def content(folder):
    """Give the bytes of all files in a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is exported without a format is of the first one; files of everything are written alike.
LONG = ("export", "export one .zarr", "export one .csv", "export one .gpkg")


@pytest.mark.parametrize("name", long_but(COMMANDS, *(name for name in COMMANDS if name not in LONG)))
def test_what_a_killed_command_left_is_removed_by_the_next_that_writes_there(
    name, scene, tmp_path, monkeypatch
):
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    for folder in (out, temporary):
        folder.mkdir()
    arguments = [word.replace("OUT", str(out)).replace("SCENE", str(scene)) for word in COMMANDS[name]]
    (tmp_path / "sitecustomize.py").write_text(KILLED)
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "from fringefleet.cli import main; main()", *arguments]
    done = subprocess.run(command, env=environment, check=False, timeout=300)
    if name == "plan":  # which measures in another process, and does without what that would have said
        assert done.returncode >= 0
    else:
        assert done.returncode == -signal.SIGKILL
    left = [path for path in out.rglob(".fringefleet-*") if path.is_dir()]
    assert left
    convert_stack(scene / "stack.zarr", out / "other.zarr")  # whatever is written next
    assert [
        path.name for path in out.iterdir() if path.name.startswith((".fringefleet", "..fringefleet"))
    ] == []
    with private_folder({"local_directory": temporary}):
        pass
    assert [path.name for path in temporary.iterdir() if "fringefleet" in path.name] == []
    if name in ("convert", "plot"):
        again = CliRunner().invoke(app, arguments)
        assert again.exit_code == 0, again.output
        assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    if name.startswith("export"):
        shutil.rmtree(out / "other.zarr")
        assert list(out.iterdir()) == []
        check_same_bytes(arguments, out, tmp_path / "reference")


def check_same_bytes(arguments, out, reference):
    """Repeat an export, and compare it with one that was not killed."""
    reference.mkdir()
    for folder in (out, reference):
        words = [word.replace(str(out), str(folder)) for word in arguments]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    assert content(out)
    assert content(out) == content(reference)
