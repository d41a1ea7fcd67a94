"""The Python of README.md, as files, in a folder that has what they read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fringefleet
from fringefleet.simulate import Scene, simulate_stack

README = Path(__file__).resolve().parents[2] / "README.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


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
