"""The notebooks run from top to bottom, hold no output, and show what their words say."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from notebook import FOLDER, run_notebook

# 03 runs with the tests of Slurm; 01, 04 and 05 below, where their results are looked at.
NOTEBOOKS = [FOLDER / "02_local_gpus.ipynb"]


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    yield
    plt.close("all")


def drawn():
    """The names of what colours and curves show, with units, of all figures since the last one was closed."""
    panels = [panel for number in plt.get_fignums() for panel in plt.figure(number).axes]
    return {" ".join(panel.get_ylabel().split()) for panel in panels}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    run_notebook(path)


def test_the_series_of_the_first_inversion_is_of_a_pixel_with_an_estimate():
    names = run_notebook(FOLDER / "01_first_inversion.ipynb")
    assert np.isfinite(names["series"]).all()
    last = np.abs(names["last"].data)
    assert last[names["row"], names["column"]] == np.nanmax(last)
    assert "displacement towards the satellite [mm]" in drawn()
    assert names["error"] < 5  # [mm]


def test_a_mintpy_stack_becomes_a_map_of_velocity(shared_data):
    stack = shared_data / "mexico_city" / "ifgramStack.h5"
    names = run_notebook(FOLDER / "04_velocity_of_a_mintpy_project.ipynb", {"stack": stack})
    velocity, masked = names["velocity"], names["masked"]
    assert velocity.attrs["units"] == "mm/year"
    assert np.nanmin(velocity) < -100  # Mexico City subsides by decimetres a year
    assert 0 < np.isfinite(masked).sum() < np.isfinite(velocity).sum()
    assert sorted(path.name for path in names["files"]) == ["velocity.tif", "velocity_std.tif"]
    assert "velocity towards the satellite [mm/year]" in drawn()


def test_the_quality_maps_show_what_was_simulated():
    names = run_notebook(FOLDER / "05_quality_maps.ipynb")
    assert {"ok", "minimum_norm", "masked"} <= names["status"].keys()
    assert names["status"]["masked"] == 26 * 30
    assert names["gaps"].max() > 0
    assert names["errors"]["huber"] < names["errors"]["l2"]
    assert "gap-filled dates [1]" in drawn()
