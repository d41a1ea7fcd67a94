"""A small simulated scene, and what has to hold of a stack whatever it is stored as."""

import pickle
from functools import cache
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.simulate import Scene, simulate_dataset

SCENE = Scene(n_date=6, neighbours=2, shape=(20, 24), seed=4, missing=0.05)
POINT = SCENE.reference_point
TILE = (8, 16)
WINDOWS = {
    "a corner": {"y": slice(0, 3), "x": slice(20, 24)},
    "a pixel of every pair": {"y": 7, "x": 11},
    "one row of one pair": {"pair": 2, "y": -1},
    "every other row, backwards": {"y": slice(None, None, -2), "x": slice(2, 9, 3)},
    "some pairs": {"pair": [4, 0, 3], "y": slice(5, 6)},
    "one number": {"pair": 3, "y": 2, "x": 5},
    "nothing": {"y": slice(4, 4)},
}


@cache
def simulated() -> xr.Dataset:
    """The scene as a stack in memory, with connected components and a few pixels outside of all."""
    stack, _ = simulate_dataset(SCENE)
    component = np.ones(stack["unwrapped_phase"].shape, np.uint16)
    component[:, :, 15:] = 2
    component[1, :4] = 0
    return stack.assign(connected_component=(("pair", "y", "x"), component))


def text_dates(stack: xr.Dataset) -> list[tuple[str, str]]:
    """Both dates of every pair as YYYYMMDD."""
    columns = [
        stack[name].dt.strftime("%Y%m%d").values.tolist() for name in ("reference_date", "secondary_date")
    ]
    return list(zip(*columns, strict=True))


def assert_lazy(stack: xr.Dataset) -> None:
    """Nothing of the images is in memory, whole or in part."""
    for name in ("unwrapped_phase", "coherence"):
        assert not stack[name].variable._in_memory
        assert not stack[name].isel(y=slice(0, 2)).variable._in_memory


def assert_windows(path: Path, expected: xr.DataArray) -> None:
    """Every kind of index reads the same as from the whole in memory, in our order and type."""
    name = str(expected.name)
    for window in WINDOWS.values():
        part = fringefleet.open_stack(path, chunks=None)[name].isel(window)
        wanted = expected.isel(window)
        assert part.dims == wanted.dims
        np.testing.assert_array_equal(part.values, wanted.values)


def assert_travels(path: Path) -> None:
    """An array pickles small, and has the same token each time it is opened."""
    phases = [fringefleet.open_stack(path, chunks=None)["unwrapped_phase"] for _ in range(2)]
    tokens = {tokenize(phase.variable._data) for phase in phases}
    assert len(tokens) == 1
    packed = pickle.dumps(phases[0])
    assert len(packed) < phases[0].nbytes + 4000
    np.testing.assert_array_equal(pickle.loads(packed), phases[1])


def assert_one_task_a_block(path: Path) -> None:
    """Reading both images fuses with the work on them."""
    stack = fringefleet.open_stack(path, chunks=TILE)
    phase, coherence = stack["unwrapped_phase"].data, stack["coherence"].data
    result = da.map_blocks(lambda p, c: p * c, phase - 1.0, coherence, dtype="f4")
    (optimised,) = dask.optimize(result)
    n_block = phase.npartitions
    assert n_block == 6
    assert len(optimised.dask) == n_block + 2


def assert_inverts_alike(path: Path, tmp_path: Path, same: xr.Dataset | None = None) -> None:
    """A run from these files gives what one from a Zarr stack of the same scene gives, bit by bit."""
    as_zarr = tmp_path / "as.zarr"
    (simulated() if same is None else same).to_zarr(as_zarr, zarr_format=3, consolidated=False)
    results = []
    for number, source in enumerate((path, as_zarr)):
        output = tmp_path / f"result{number}.zarr"
        setting = Setting(reference_point=POINT, wavelength=simulated().attrs["wavelength"], looks=39)
        fringefleet.run(Run(source, output, Options(weight_func="var"), setting, chunks=TILE))
        results.append(xr.open_zarr(output, consolidated=False).load())
    assert results[0]["displacement"].notnull().mean() > 0.99
    for name in ("displacement", "temporal_coherence", "pair_count", "status"):
        np.testing.assert_array_equal(results[0][name].values, results[1][name].values)
