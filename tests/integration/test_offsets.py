"""Stacks of offsets, from MintPy's file to MintPy's files, against least squares pixel by pixel."""

import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.errors import MissingMetadataError, ReferencePointError, StackFormatError
from fringefleet.io.writers.mintpy import export_mintpy
from fringefleet.plot.figures import maps_figure, series_figure
from fringefleet.status import Status
from offset_stack import (
    DATES,
    METRES,
    PAIRS,
    POINT,
    SHAPE,
    expected_products,
    offset_parts,
    write_offset_stack,
)

FILES = {
    "range": ("timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5"),
    "azimuth": ("timeseriesAz.h5", "residualInvAz.h5", "numInvOffAz.h5"),
}


@pytest.fixture(scope="module")
def parts():
    return offset_parts()


def products(folder: Path, kind: str) -> list[np.ndarray]:
    found = []
    for name, dataset in zip(FILES[kind], ("timeseries", "residual", "mask"), strict=True):
        with h5py.File(folder / name) as file:
            found.append(file[dataset][:].astype("f8"))
    return found


def assert_products(folder: Path, kind: str, expected: tuple[np.ndarray, ...]) -> None:
    series, residual, count = products(folder, kind)
    np.testing.assert_array_equal(count, expected[2])
    np.testing.assert_allclose(series, expected[0], atol=2e-5)  # of up to 200 m
    np.testing.assert_array_equal(np.isnan(residual), np.isnan(expected[1]))
    np.testing.assert_allclose(residual, expected[1], atol=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight_func", ["var", "no"])
@pytest.mark.parametrize("kind", ["range", "azimuth"])
def test_offsets_become_metres_with_the_residual_in_pixels(parts, tmp_path, kind, weight_func, dtype):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts)
    options = Options(observation=f"{kind}_offset", weight_func=weight_func, dtype=dtype)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", options, chunks=(4, 5)))
    paths = export_mintpy(tmp_path / "result.zarr", tmp_path)
    assert [path.name for path in paths] == list(FILES[kind])
    assert_products(tmp_path, kind, expected_products(parts, kind, weighted=weight_func == "var"))


def keep_by_rule(parts, kind: str, mask: str, threshold: float) -> np.ndarray:
    if mask == "offset_snr":
        return np.nan_to_num(parts["offsetSNR"]) >= threshold
    std = np.nan_to_num(parts[f"{mask.partition('_')[0]}OffsetStd"])
    offset = parts[f"{kind}Offset"]
    offset = np.where(offset == 0, offset, offset - offset[:, POINT[0], POINT[1], None, None])
    keep = std <= np.float32(threshold)
    for k in range(len(PAIRS)):
        median = np.nanmedian(offset[k][keep[k]])
        stands_out = np.abs(offset[k] - median) / (std[k] + np.float32(1e-5)) >= 10
        keep[k] |= stands_out & (std[k] <= np.float32(5 * threshold))
    return keep


@pytest.mark.parametrize("weight_func", ["var", "no"])
@pytest.mark.parametrize(
    ("mask", "threshold"), [("offset_snr", 5.0), ("range_offset_std", 0.15), ("azimuth_offset_std", 0.3)]
)
def test_masks_of_offsets_are_the_same_for_every_tile(parts, tmp_path, mask, threshold, weight_func):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts)
    options = Options("range_offset", weight_func, mask, threshold)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", options, chunks=(2, 3)))
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    keep = keep_by_rule(parts, "range", mask, threshold)
    expected = expected_products(parts, "range", weighted=weight_func == "var", keep=keep)
    assert_products(tmp_path, "range", expected)
    if mask != "offset_snr":
        spared = keep & (np.nan_to_num(parts[f"{mask.partition('_')[0]}OffsetStd"]) > threshold)
        assert spared.sum() > 10  # the second half of the rule is at work


def test_the_lazy_form_gives_the_same(parts, tmp_path):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts)
    options = Options("azimuth_offset", mask_dataset="range_offset_std", mask_threshold=0.3)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", options, chunks=(9, 11)))
    expected = xr.open_zarr(tmp_path / "result.zarr", consolidated=False)
    lazy = fringefleet.invert(fringefleet.open_stack(stack, chunks=(4, 5)), options).compute()
    assert "temporal_coherence" not in lazy
    assert lazy.residual_rms.attrs["units"] == "pixel"
    assert lazy.displacement.attrs["long_name"].startswith("displacement in azimuth")
    for name in expected.data_vars:
        if name in lazy:
            np.testing.assert_allclose(lazy[name], expected[name], rtol=1e-6, atol=1e-7)
    assert {Status.NO_OBSERVATION, Status.MINIMUM_NORM, Status.REFERENCE_POINT} <= set(np.unique(lazy.status))


@pytest.mark.parametrize("kind", ["converted", "netcdf"])
def test_other_files_of_offsets_give_the_same(parts, tmp_path, kind):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts)
    other = tmp_path / ("stack.zarr" if kind == "converted" else "stack.nc")
    if kind == "converted":
        fringefleet.convert_stack(stack, other)
    else:
        opened = fringefleet.open_stack(stack, chunks=None)
        opened.attrs.pop("reference_point")  # its coordinates are there, too
        opened.load().to_netcdf(other, engine="h5netcdf")
    options = Options("azimuth_offset", mask_dataset="offset_snr", mask_threshold=4.0)
    results = [fringefleet.invert(fringefleet.open_stack(path), options).compute() for path in (stack, other)]
    for name in results[0].data_vars:
        np.testing.assert_array_equal(results[0][name], results[1][name])


def test_offsets_without_a_reference_point_are_taken_as_they_are(parts, tmp_path):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts, REF_Y=None, REF_X=None)
    options = Options("range_offset")
    fringefleet.run(Run(stack, tmp_path / "result.zarr", options))
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    assert_products(tmp_path, "range", expected_products(parts, "range", weighted=True, referenced=False))
    named = write_offset_stack(tmp_path / "named.h5", parts)
    skipping = Setting(skip_reference=True)
    fringefleet.run(Run(named, tmp_path / "skipped.zarr", options, skipping))
    for name in ("displacement", "residual_rms", "pair_count"):
        one, other = (
            xr.open_zarr(tmp_path / f"{path}.zarr", consolidated=False)[name]
            for path in ("result", "skipped")
        )
        np.testing.assert_array_equal(one, other)


def test_an_offset_of_zero_at_the_reference_point_is_an_offset_and_no_number_is_none(parts, tmp_path):
    zero = parts["rangeOffset"].copy()
    zero[2, POINT[0], POINT[1]] = 0
    stack = write_offset_stack(tmp_path / "zero.h5", parts | {"rangeOffset": zero})
    fringefleet.run(Run(stack, tmp_path / "result.zarr", Options("range_offset")))
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    changed = parts | {"rangeOffset": zero}
    assert_products(tmp_path, "range", expected_products(changed, "range", weighted=True))
    zero[2, POINT[0], POINT[1]] = np.nan
    stack = write_offset_stack(tmp_path / "nan.h5", parts | {"rangeOffset": zero})
    with pytest.raises(
        ReferencePointError, match=r"no data \(NaN or infinite\).* 1 of 9 .*20180130_20180211"
    ):
        fringefleet.run(Run(stack, tmp_path / "other.zarr", Options("range_offset")))


def test_what_a_stack_of_offsets_lacks_is_named(parts, tmp_path):
    only = {name: values for name, values in parts.items() if name != "rangeOffsetStd"}
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", only, HEIGHT=None)
    for options, message in (
        (
            Options("range_offset"),
            r"no range_offset_std \(MintPy: rangeOffsetStd\).*weight_func = var needs it",
        ),
        (Options(), r"no unwrapped_phase \(MintPy: unwrapPhase\).*give the observation that it has"),
        (Options("range_offset", "no", "coherence"), r"no coherence.*mask_dataset = coherence needs it"),
    ):
        with pytest.raises(StackFormatError, match=message):
            fringefleet.run(Run(stack, tmp_path / "result.zarr", options))
    with pytest.raises(MissingMetadataError, match="no attribute HEIGHT"):
        fringefleet.run(Run(stack, tmp_path / "result.zarr", Options("azimuth_offset")))
    assert not (tmp_path / "result.zarr").exists()


def test_attributes_say_what_was_observed(parts, tmp_path):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts, NO_DATA_VALUE="0")
    options = Options("range_offset", "var", "azimuth_offset_std", 0.5, covariance=True)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", options))
    paths = export_mintpy(tmp_path / "result.zarr", tmp_path)
    assert paths[-1].name == "timeseriesRgCov.h5"
    attrs = []
    for path in paths[:3]:
        with h5py.File(path) as file:
            attrs.append(dict(file.attrs))
    prefix = "mintpy.networkInversion."
    assert attrs[0][f"{prefix}obsDatasetName"] == "rangeOffset"
    assert attrs[0][f"{prefix}maskDataset"] == "azimuthOffsetStd"
    assert [(a["FILE_TYPE"], a["UNIT"]) for a in attrs] == [
        ("timeseries", "m"),
        ("residual", "pixel"),
        ("mask", "1"),
    ]
    assert ["NO_DATA_VALUE" in a for a in attrs] == [True, True, False]
    assert not any("WAVELENGTH" in a for a in attrs)


def test_the_covariance_of_offsets_is_in_square_metres(parts, tmp_path):
    stack = fringefleet.open_stack(write_offset_stack(tmp_path / "ifgramStack.h5", parts))
    pixel = {"y": slice(2, 3), "x": slice(2, 3)}
    options = Options("azimuth_offset", covariance=True, std=True, dtype="float64")
    found = fringefleet.invert(stack.isel(pixel), options, setting=Setting(skip_reference=True)).compute()
    offset, std = (parts[f"azimuthOffset{end}"][:, 2, 2] for end in ("", "Std"))
    valid = np.isfinite(offset)
    incidence = np.zeros((len(PAIRS), len(DATES)))
    for row, (i, j) in zip(incidence, PAIRS, strict=True):
        row[i], row[j] = -1, 1
    design = incidence[valid, 1:]
    known = np.maximum(np.where(np.isnan(std), 100, std), 0.005)[valid]
    expected = METRES["azimuth"] ** 2 * np.linalg.inv((design / known[:, None] ** 2).T @ design)
    np.testing.assert_allclose(found.displacement_cov[1:, 1:, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(found.displacement_std[1:, 0, 0] ** 2, np.diag(expected), rtol=1e-5)


@pytest.mark.parametrize("direction", ["range", "azimuth"])
def test_pictures_of_offsets_show_the_residual_and_the_direction_of_the_motion(parts, tmp_path, direction):
    stack = fringefleet.open_stack(write_offset_stack(tmp_path / "ifgramStack.h5", parts), chunks=SHAPE)
    result = fringefleet.invert(stack, observation=f"{direction}_offset", velocity=True).compute()
    panels = {panel.get_title(loc="left"): panel for panel in maps_figure(result).axes if panel.images}
    panels = {title.partition("\n")[0]: panel for title, panel in panels.items()}  # without the dates
    residual = panels["RMS residual [pixel]"].images[0].get_array().filled(np.nan)
    np.testing.assert_allclose(residual, result["residual_rms"], rtol=1e-6)
    name = {"range": "Displacement in slant range [cm]", "azimuth": "Displacement in azimuth [cm]"}[direction]
    for title in (name, "Velocity [mm/year]"):
        says = panels[title].images[0].colorbar.ax.get_ylabel()
        assert ("uplift" in says) == (direction == "range")
    later = fringefleet.velocity(result)
    assert later["velocity"].attrs["long_name"] == result["velocity"].attrs["long_name"]
    assert series_figure(result).axes[0].get_ylabel().replace("\n", " ") == name


def test_an_export_that_the_disk_does_not_take_ends_with_one_message_and_the_old_files(parts, tmp_path):
    stack = write_offset_stack(tmp_path / "ifgramStack.h5", parts)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", Options("range_offset", covariance=True)))
    out = tmp_path / "out"
    out.mkdir()
    for name in FILES["range"]:
        (out / name).write_text("old")
    done = subprocess.run(
        [sys.executable, "-m", "fringefleet.cli", "export", tmp_path / "result.zarr", out, "--overwrite"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )
    assert done.returncode == 1
    assert "error: the products could not be written to" in done.stderr
    assert "Remove the cause and repeat the command." in done.stderr
    assert [(out / name).read_text() for name in FILES["range"]] == ["old"] * 3
