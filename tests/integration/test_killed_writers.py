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
survived = os.environ.get("SURVIVED")
left = [int(survived or 0)]
def watched(rename):
    def killed(self, target):
        whole = ".fringefleet-" in self.parent.name or Path(target).parent.name == "replaced"
        any_part = ".fringefleet-" in str(self) or self.name.endswith(".part")
        if any_part if survived is None else whole:
            left[0] -= 1
            if left[0] < 0:
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
SHORT = ("export cog", "export geopackage", "export mintpy")
LONG = {name for name in COMMANDS if name.startswith("export")} - {*SHORT}


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


SEVERAL_FILES = [writer.name for writer in WRITERS if not writer.first_of]


def killed_between_files(words, out, tmp_path, survived=1):
    """Run a command that dies when some of its files have their names."""
    (tmp_path / "sitecustomize.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "SURVIVED": str(survived)}
    command = [sys.executable, "-c", "from fringefleet.cli import main; main()", *words]
    done = subprocess.run(command, env=environment, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    return [path for path in out.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("file_format", long_but(SEVERAL_FILES, "cog", "netcdf"))
def test_an_export_killed_between_two_files_is_no_finished_one(file_format, scene, tmp_path):
    out = tmp_path / "out"
    words = ["export", str(scene / "result.zarr"), str(out), "--format", file_format]
    assert len(killed_between_files(words, out, tmp_path)) == 1
    check_same_bytes(words, out, tmp_path / "reference")
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2, again.output
    assert "give another name, or --overwrite to replace" in " ".join(again.output.split())


def test_whatever_is_written_next_removes_what_was_placed_and_nothing_else(scene, tmp_path):
    out = tmp_path / "out"
    words = ["export", str(scene / "result.zarr"), str(out), "--format", "cog", "--variables"]
    words.append("displacement,temporal_coherence,status")
    placed = killed_between_files(words, out, tmp_path, survived=2)
    assert len(placed) == 2
    mine = placed[0]
    mine.unlink()
    mine.write_text("mine, of the same name")
    convert_stack(scene / "stack.zarr", out / "other.zarr")
    assert sorted(path.name for path in out.iterdir()) == sorted([mine.name, "other.zarr"])
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert f"{mine.name} exists" in " ".join(refused.output.split())


def test_an_export_killed_while_it_replaces_goes_on_with_the_same_command(scene, tmp_path):
    out = tmp_path / "out"
    words = ["export", str(scene / "result.zarr"), str(out), "--format", "zarr2"]
    assert CliRunner().invoke(app, words).exit_code == 0
    words += ["--overwrite", "--unit", "mm"]
    before = {path.name for path in out.iterdir()}
    for survived in (1, 2, 3):
        assert {path.name for path in killed_between_files(words, out, tmp_path, survived)} <= before
    check_same_bytes(words, out, tmp_path / "reference")
