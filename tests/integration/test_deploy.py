"""The files in deploy/ do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from fringefleet.simulate import Scene, simulate_stack

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.cluster
def test_the_local_script_inverts_a_scene_and_goes_on_where_it_stopped(tmp_path):
    simulate_stack(Scene(n_date=5, shape=(24, 24)), tmp_path / "stack.zarr")
    command = [
        sys.executable,
        str(DEPLOY / "local" / "invert_scene.py"),
        str(tmp_path / "stack.zarr"),
        str(tmp_path / "result.zarr"),
        "1",
    ]
    first = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "1 tiles, 0 of them done before" in first.stdout
    assert float(xr.open_zarr(tmp_path / "result.zarr")["temporal_coherence"].min()) > 0.5
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "1 tiles, 1 of them done before" in again.stdout
