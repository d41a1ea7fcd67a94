"""The same numbers as MintPy 1.6.4, at every pixel, from the stack to the exported products.

The expected files are MintPy's own (see the README in their folder). MintPy solves in float32, which is
what the tolerance on the series is for; pair counts are whole numbers and equal.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.io.writers.mintpy import export_mintpy

SERIES_TOLERANCE = 5e-6  # [m]
COHERENCE_TOLERANCE = 1e-5

NORMS = {"vel": "velocity", "pha": "phase"}
MASKS = {
    "none": {},
    "coh": {"mask_dataset": "coherence", "mask_threshold": 0.4},
    "cc": {"mask_dataset": "connected_component"},
    "mr2": {"min_redundancy": 2.0},
}
NASTY = [
    f"{weight}_{norm}_{mask}"
    for weight in ("no", "var", "fim", "coh")
    for norm in ("vel", "pha")
    for mask in ("none", "coh")
] + ["var_vel_cc", "var_vel_mr2"]


def read(folder: Path, product: str, dataset: str) -> np.ndarray:
    with h5py.File(folder / f"{product}.h5") as file:
        return file[dataset][:].astype(np.float64)


def assert_same_products(ours: Path, theirs: Path) -> None:
    series = read(ours, "timeseries", "timeseries") - read(theirs, "timeseries", "timeseries")
    assert np.abs(series).max() <= SERIES_TOLERANCE
    coherence = read(ours, "temporalCoherence", "temporalCoherence")
    assert np.abs(coherence - read(theirs, "temporalCoherence", "temporalCoherence")).max() <= (
        COHERENCE_TOLERANCE
    )
    np.testing.assert_array_equal(read(ours, "numInvIfgram", "mask"), read(theirs, "numInvIfgram", "mask"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight_func", ["var", "fim", "coh", "no"])
def test_a_real_scene_gives_the_same_products_as_mintpy(shared_data, tmp_path, weight_func, dtype):
    scene = shared_data / "mexico_city"
    options = Options(weight_func=weight_func, dtype=dtype)
    fringefleet.run(Run(scene / "ifgramStack.h5", tmp_path / "result.zarr", options, chunks=(32, 40)))
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    assert_same_products(tmp_path, scene / "expected" / weight_func)


@pytest.mark.parametrize("name", NASTY)
def test_every_option_set_gives_the_same_products_as_mintpy_on_a_nasty_scene(shared_data, tmp_path, name):
    scene = shared_data / "nasty_24"
    weight, norm, mask = name.split("_")
    options = Options(weight_func=weight, min_norm=NORMS[norm], **MASKS[mask])
    setting = Setting(water_mask=scene / "waterMask.h5")
    job = Run(scene / "inputs" / "ifgramStack.h5", tmp_path / "result.zarr", options, setting)
    fringefleet.run(job)
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    assert_same_products(tmp_path, scene / "expected" / name)


def test_no_expected_option_set_is_left_out(shared_data):
    stored = {path.name for path in (shared_data / "nasty_24" / "expected").iterdir()}
    assert stored == set(NASTY)
