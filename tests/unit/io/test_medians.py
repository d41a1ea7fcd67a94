"""The median of each pair is that of the whole scene, however it is read."""

import numpy as np
import pytest
import xarray as xr

from fringefleet.io import medians


def scene():
    rng = np.random.default_rng(2)
    offset = rng.normal(1, 3, (5, 8, 9)).astype("f4")
    std = rng.uniform(0, 1, (5, 8, 9)).astype("f4")
    offset[rng.random(offset.shape) < 0.1] = np.nan
    offset[rng.random(offset.shape) < 0.1] = 0
    std[rng.random(offset.shape) < 0.1] = np.nan
    std[4] = 2
    return [xr.DataArray(values, dims=("pair", "y", "x")) for values in (offset, std)]


def expected_medians(offset, reference, std, threshold):
    found = []
    for k in range(len(offset)):
        values = [
            value if value == 0 else value - reference[k]
            for value, spread in zip(offset[k].values.flat, std[k].values.flat, strict=True)
            if not np.isnan(value) and (np.isnan(spread) or spread <= threshold)
        ]
        found.append(np.median(values) if values else np.nan)
    return np.array(found, "f4")


@pytest.mark.parametrize("bytes_at_once", [1, 1200, 2**28])
@pytest.mark.parametrize("chunks", [None, {"pair": -1, "y": 3, "x": 4}])
def test_the_medians_are_those_of_what_the_mask_keeps_of_the_whole_scene(monkeypatch, bytes_at_once, chunks):
    monkeypatch.setattr(medians, "_BYTES_AT_ONCE", bytes_at_once)
    offset, std = scene()
    reference = np.array([0.5, -1, 0, 2, 1], "f4")
    expected = expected_medians(offset, reference, std, 0.4)
    if chunks:
        offset, std = offset.chunk(chunks), std.chunk(chunks)
    found = medians.unmasked_medians(offset, reference, std, 0.4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.isnan(found), [False] * 4 + [True])
