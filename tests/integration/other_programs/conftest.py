"""A result that other programs open."""

import pytest

import fringefleet
from fringefleet.simulate import Scene, simulate_stack


@pytest.fixture(scope="session")
def result(tmp_path_factory):
    """A result of several tiles in geographic coordinates."""
    folder = tmp_path_factory.mktemp("result")
    simulate_stack(Scene(n_date=6, shape=(60, 70), missing=0.05), folder / "stack.zarr")
    fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr", chunks=(32, 40)))
    return folder / "result.zarr"
