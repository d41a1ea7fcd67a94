"""The demo: the whole path, with files and workers, and an answer that is known."""

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import fringefleet
from fringefleet.cli.demo import print_outcome
from fringefleet.demo import run_demo
from fringefleet.simulate import Scene, simulate_stack

PNG = b"\x89PNG\r\n\x1a\n"
SCENE = Scene(n_date=8, neighbours=2, shape=(40, 48))


@pytest.mark.cluster
def test_the_demo_inverts_a_scene_and_says_how_well(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    simulate_stack(Scene(n_date=4, shape=(8, 8)), folder / "stack.zarr")  # of an earlier one
    fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr"))
    outcome = run_demo(folder, scene=SCENE)

    names = {
        "stack.zarr",
        "stack_truth.zarr",
        "result.zarr",
        "result.zarr.report.json",
        "result.zarr.run.toml",
        "maps.png",
        "series.png",
        "error.png",
        "network.png",
    }
    assert {path.name for path in folder.iterdir()} == names | {"notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"
    assert all(picture.read_bytes().startswith(PNG) for picture in outcome.pictures)

    answer, truth = xr.open_zarr(outcome.result), xr.open_zarr(outcome.truth)
    assert (answer["status"] <= 1).sum() == outcome.n_estimated == 40 * 48 - 1
    error = (answer["displacement"] - truth["displacement"]).values.reshape(8, -1)
    expected = 1000 * np.sqrt((error**2).sum() / (8 * (40 * 48 - 1)))
    assert outcome.error_mm == pytest.approx(expected, rel=1e-5)
    assert 0.1 < outcome.error_mm < 10
    assert 0.1 < outcome.noise_mm < 10
    assert outcome.exact_mm < 1e-3

    console = Console(width=100, file=(tmp_path / "out.txt").open("w"))
    print_outcome(outcome, console)
    console.file.close()
    text = (tmp_path / "out.txt").read_text()
    assert f"{outcome.error_mm:.2f} mm" in text
    assert text.splitlines()[-1] == str(folder / "network.png")
