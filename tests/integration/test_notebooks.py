"""The notebooks run from top to bottom, and hold no output; 03_slurm does so with the tests of Slurm."""

import matplotlib as mpl
import pytest

from notebook import FOLDER, run_notebook

NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if path.stem != "03_slurm")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, monkeypatch):
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    run_notebook(path)


def test_there_is_a_notebook():
    assert NOTEBOOKS
