"""Every file that ``fringefleet mintpy`` reads, damaged in every way: nothing is begun or replaced."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from fringefleet.cli import app
from fringefleet.mintpy import step as run_module
from mintpy_stack import copy_project

STACK, GEOMETRY = Path("inputs/ifgramStack.h5"), Path("inputs/geometryRadar.h5")
WATER, AVERAGE, TEMPLATE = Path("waterMask.h5"), Path("avgSpatialCoh.h5"), Path("smallbaselineApp.cfg")
PRODUCTS = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5")
MAPS = {STACK: "unwrapPhase", GEOMETRY: "shadowMask", WATER: "waterMask", AVERAGE: "coherence"}


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def make_text(path):
    path.write_text("<html>not found</html>\n")


def make_folder(path):
    path.unlink()
    path.mkdir()


def lead_nowhere(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere.h5")


def forbid(path):
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")


def resize(path):
    with h5py.File(path, "r+") as file:
        name = map_of(path)
        values = file[name][()]
        del file[name]
        file[name] = values[..., :-1]


def retype(path):
    with h5py.File(path, "r+") as file:
        name = map_of(path)
        shape = file[name].shape
        del file[name]
        file[name] = np.full(shape, b"x", "S1")


def damage_chunk(path):
    """Damage what is stored compressed, so that it opens and cannot be read."""
    with h5py.File(path, "r+") as file:
        name = map_of(path)
        values = file[name][()]
        del file[name]
        dataset = file.create_dataset(name, data=values, chunks=True, compression="gzip", fletcher32=True)
        info = dataset.id.get_chunk_info(0)
        offset, size = info.byte_offset, info.size
    with path.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff" * size)


def lose(path):
    with h5py.File(path, "r+") as file:
        del file[map_of(path)]


def map_of(path):
    return next(name for file, name in MAPS.items() if file.name == path.name)


WAYS = (truncate, empty, make_text, make_folder, lead_nowhere, forbid, resize, retype, damage_chunk, lose)
CASES = [
    *((path, way) for path in (STACK, GEOMETRY, WATER, AVERAGE) for way in WAYS),
    *((TEMPLATE, way) for way in (empty, make_text, make_folder, lead_nowhere, forbid)),
]
# No damage: a geometry that knows of no shadow, an average of another size, which MintPy leaves out, too.
HARMLESS = [(GEOMETRY, lose), (AVERAGE, resize)]
# Only found when a tile is read.
LATE = [(STACK, damage_chunk)]


@pytest.fixture
def project(shared_data, tmp_path, monkeypatch):
    """A whole project with products of an earlier time, which is the current folder."""
    folder = copy_project(shared_data, tmp_path / "project")
    with h5py.File(folder / STACK) as stack, h5py.File(folder / AVERAGE, "w") as file:
        shape = stack["unwrapPhase"].shape[1:]
        file["coherence"] = np.ones(shape, np.float32)
    with h5py.File(folder / GEOMETRY, "r+") as file:
        if "shadowMask" in file:
            del file["shadowMask"]
        file["shadowMask"] = np.zeros(shape, bool)
    for name in PRODUCTS:
        (folder / name).write_bytes(b"old " + name.encode())
    monkeypatch.chdir(folder)
    return folder


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and os.access(path, os.R_OK)
    }


@pytest.fixture
def begun(monkeypatch):
    """Take note of the inversion, which is not to begin."""
    calls = []

    def invert(*_, **_more):
        calls.append("inverted")
        raise AssertionError("the inversion was begun")

    monkeypatch.setattr(run_module, "run_session", invert)
    return calls


@pytest.mark.parametrize(
    ("file", "way"),
    [case for case in CASES if case not in HARMLESS + LATE],
    ids=lambda value: getattr(value, "__name__", getattr(value, "name", None)),
)
def test_a_damaged_input_is_found_before_anything_is_begun_or_written(project, begun, file, way):
    way(project / file)
    before = contents(project)
    done = CliRunner().invoke(app, ["mintpy", "--num-worker", "1"])
    assert (done.exit_code, begun) == (2, []), done.stderr
    assert done.stderr.count("error:") == 1
    assert file.name in done.stderr
    assert contents(project) == before


@pytest.mark.parametrize(("file", "way"), HARMLESS, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_no_damage_does_not_stop_it(project, begun, file, way):
    way(project / file)
    done = CliRunner().invoke(app, ["mintpy", "--num-worker", "1"])
    assert begun == ["inverted"], done.stderr
