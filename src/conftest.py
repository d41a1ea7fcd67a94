"""Examples of docstrings run in a folder of their own, which has a small stack, its truth and its result."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestItem

import fringefleet
from fringefleet.simulate import Scene, simulate_stack
from mintpy_stack import write_mintpy_stack

_FILES = ("stack.zarr", "stack_truth.zarr", "result.zarr", "project")


@pytest.fixture(scope="session")
def small_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate a scene, invert it, and make it a project of MintPy, too."""
    folder = tmp_path_factory.mktemp("examples")
    simulate_stack(Scene(n_date=8, shape=(16, 16)), folder / "stack.zarr")
    fringefleet.run(folder / "stack.zarr", folder / "result.zarr", progress=False)
    (inputs := folder / "project" / "inputs").mkdir(parents=True)
    write_mintpy_stack(fringefleet.open_stack(folder / "stack.zarr", chunks=None), inputs / "ifgramStack.h5")
    (folder / "project" / "smallbaselineApp.cfg").write_text("mintpy.networkInversion.minTempCoh = 0.7\n")
    return folder


@pytest.fixture(autouse=True)
def in_a_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run an example where the files that it names are."""
    if isinstance(request.node, DoctestItem):
        text = "".join(example.source for example in request.node.dtest.examples)
        named = [
            name
            for name in _FILES
            if (f'"{name}"' in text or f'"{name}/' in text) and f', "{name}"' not in text
        ]
        for name in named:
            shutil.copytree((folder := request.getfixturevalue("small_scene")) / name, tmp_path / name)
            if (report := folder / f"{name}.report.json").exists():
                shutil.copy(report, tmp_path)
        monkeypatch.chdir(tmp_path)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
