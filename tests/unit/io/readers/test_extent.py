"""Images of different extents on one grid: what all have, the same numbers as of the scene cut before."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.errors import StackFormatError
from fringefleet.io.files.version import FileVersion
from fringefleet.io.readers.extent import cut_to_common
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.pair_images import Layer
from unit.io.readers import checks, geotiffs
from unit.io.readers.test_aria import AT, BASELINE, FILES, NAMES, images, write_file, write_work
from unit.io.readers.test_gmtsar import write_grid
from unit.io.readers.test_gmtsar import write_stack as write_gmtsar
from unit.io.readers.test_gunw import product, write_folder, write_product

MARGINS = [(0, 0, 0, 0), (1, 2, 0, 3), (0, 1, 4, 0), (2, 0, 1, 1)]  # rows above and below, columns beside
COMMON = (slice(2, 18), slice(4, 21))  # of the scene of 20 x 24
GEOTIFFS = {
    "HyP3": geotiffs.hyp3_gamma,
    "LiCSAR": geotiffs.licsar,
    "dolphin": geotiffs.dolphin,
}


def margins(number):
    return MARGINS[number % len(MARGINS)]


def trim(values, number):
    """Cut rows and columns off an image, for each pair others."""
    top, bottom, left, right = margins(number)
    rows, columns = values.shape
    return values[top : rows - bottom, left : columns - right]


def trim_file(path, number):
    """Cut the same off a raster, which stays where it is on the map."""
    with rasterio.open(path) as raster:
        values, profile = raster.read(1), raster.profile
    top, _, left, _ = margins(number)
    part = trim(values, number)
    at = profile["transform"] @ rasterio.Affine.translation(left, top)
    size = {"height": part.shape[0], "width": part.shape[1], "transform": at}
    with rasterio.open(path, "w", **(profile | size)) as raster:
        raster.write(part, 1)


def trimmed_geotiffs(path, write):
    """Write products of which every pair has its own extent."""
    root = write(path, checks.simulated())
    dates = ["_".join(pair) for pair in checks.text_dates(checks.simulated())]
    for file in sorted(root.rglob("*.tif")):
        plain = file.name.replace("T022251", "").replace("T022252", "")
        number = next(index for index, pair in enumerate(dates) if pair in plain)
        if "water_mask" not in file.name:
            trim_file(file, number)
    return root


def expected(name):
    return checks.simulated()[name].values[:, *COMMON]


@pytest.mark.parametrize("write", GEOTIFFS.values(), ids=list(GEOTIFFS))
def test_the_pixels_that_all_have_are_taken_and_one_line_says_so(write, tmp_path, caplog):
    root = trimmed_geotiffs(tmp_path, write)
    with caplog.at_level(logging.INFO, "fringefleet"):
        stack = fringefleet.open_stack(root, chunks=None)
    checks.assert_lazy(stack)
    found = np.nan_to_num(stack.unwrapped_phase.values)
    np.testing.assert_array_equal(found, np.nan_to_num(expected("unwrapped_phase")))
    assert stack.coherence.shape == (9, 16, 17)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "the 16 x 17 common pixels" in said[0]
    assert "smallest has" in said[0]
    assert ".tif" in said[0]  # which costs more than a tenth of the scene
    assert (stack.attrs["LENGTH"], stack.attrs["WIDTH"]) == (16, 17)


def test_an_image_that_costs_little_is_not_named(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(globals(), "margins", lambda _number: (1, 0, 0, 0))
    product = min(geotiffs.hyp3_gamma(tmp_path, checks.simulated()).iterdir())
    for ending in ("unw_phase", "corr"):
        trim_file(product / f"{product.name}_{ending}.tif", 0)
    with caplog.at_level(logging.INFO, "fringefleet"):
        assert fringefleet.open_stack(tmp_path, chunks=None).coherence.shape == (9, 19, 24)
    assert "the smallest has 19 x 24, the largest 20 x 24" in caplog.text


def test_coordinates_are_those_of_the_part(tmp_path):
    whole = fringefleet.open_stack(geotiffs.hyp3_gamma(tmp_path / "a", checks.simulated()), chunks=None)
    part = fringefleet.open_stack(trimmed_geotiffs(tmp_path / "b", geotiffs.hyp3_gamma), chunks=None)
    np.testing.assert_allclose(part.y, whole.y[COMMON[0]], rtol=1e-12)
    np.testing.assert_allclose(part.x, whole.x[COMMON[1]], rtol=1e-12)
    assert part.attrs["Y_FIRST"] == pytest.approx(whole.attrs["Y_FIRST"] + 2 * whole.attrs["Y_STEP"])


@pytest.mark.parametrize("chunks", [None, (5, 7)])
def test_a_run_gives_the_same_bytes_as_of_the_scene_that_was_cut_before(chunks, tmp_path):
    setting = Setting(reference_point=(3, 2))
    options = Options(weight_func="coh", diagnose=True)
    trimmed = trimmed_geotiffs(tmp_path / "trimmed", geotiffs.hyp3_gamma)
    cut = checks.simulated().isel(y=COMMON[0], x=COMMON[1])
    geotiffs.hyp3_gamma(tmp_path / "cut", cut)
    results = []
    for root in (trimmed, tmp_path / "cut"):
        output = tmp_path / f"{root.name}.zarr"
        fringefleet.run(Run(root, output, options, setting, chunks=chunks))
        results.append(xr.open_zarr(output, consolidated=False, chunks=None).load())
    for name, values in results[1].data_vars.items():
        assert results[0][name].values.tobytes() == values.values.tobytes(), name


def test_windows_that_cross_the_margins_are_read_alike(tmp_path):
    root = trimmed_geotiffs(tmp_path, geotiffs.dolphin)
    part = xr.DataArray(expected("unwrapped_phase"), dims=("pair", "y", "x"), name="unwrapped_phase")
    windows = [{"y": slice(3, 9), "x": slice(0, 5)}, {"pair": 2, "y": -1}, {"y": [1, 5], "x": slice(16, 17)}]
    for window in windows:
        found = fringefleet.open_stack(root, chunks=None).unwrapped_phase.isel(window)
        np.testing.assert_array_equal(np.nan_to_num(found), np.nan_to_num(part.isel(window)))


def test_products_of_aria_are_cut_too(tmp_path):
    root = write_folder(tmp_path / "gunw")
    trimmed = {name: values[:, 3:] for name, values in images(0).items()}
    write_product(root / product(NAMES[0]), trimmed, BASELINE[0], first_column=3)
    whole = fringefleet.open_stack(write_folder(tmp_path / "whole"), chunks=None)
    stack = fringefleet.open_stack(root, chunks=None)
    np.testing.assert_array_equal(stack.unwrapped_phase, whole.unwrapped_phase[:, :, 3:])
    np.testing.assert_allclose(stack.x, whole.x[3:], rtol=1e-12)


def test_vrts_of_aria_tools_are_cut_too(tmp_path):
    root = write_work(tmp_path / "aria", stack=False)
    for kind, values in images(2).items():
        at = AT @ rasterio.Affine.translation(0, 2)
        write_file(root / kind / NAMES[2], values[2:], FILES[kind][3], at)
    stack = fringefleet.open_stack(root, chunks=None)
    whole = fringefleet.open_stack(write_work(tmp_path / "whole", stack=False), chunks=None)
    np.testing.assert_array_equal(stack.unwrapped_phase, whole.unwrapped_phase[:, 2:])


def test_a_phase_of_gmtsar_that_was_unwrapped_in_a_region_is_enough(tmp_path):
    root = write_gmtsar(tmp_path / "F1", geocoded=True)
    grids = sorted(root.glob("intf_all/*/corr_ll.grd"))
    whole = fringefleet.open_stack(grids[0].with_name("unwrap_ll.grd"), chunks=None).load()
    for number, grid in enumerate(grids):
        values = checks.simulated().unwrapped_phase.values[number]
        write_grid(grid.with_name("unwrap_ll.grd"), values[6:], geocoded=True)
    stack = fringefleet.open_stack(grids[0].with_name("unwrap_ll.grd"), chunks=None)
    np.testing.assert_array_equal(stack.unwrapped_phase, whole.unwrapped_phase[:, 6:])
    np.testing.assert_array_equal(stack.coherence, whole.coherence[:, 6:])


GRID = Grid((20, 24), (10.0, 20.0), (-0.25, 0.5), "EPSG:4326")


def layer(tmp_path, name, grid):
    (tmp_path / name).write_bytes(bytes(10))

    class Numbers:
        versions = (FileVersion.of(tmp_path / name),)

        def read(self, rows, columns):
            place = np.arange(grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(grid.shape)
            return place[rows, columns]

    return Layer(name, Numbers(), grid, (8, 8))


@pytest.mark.parametrize("shift", [(0.5, 0), (0, 0.02), (3.3, 2)])
def test_a_part_of_a_pixel_is_another_grid(shift, tmp_path):
    moved = GRID.part((0, 0), (20, 24))
    corner = tuple(c + s * d for c, s, d in zip(GRID.corner, GRID.step, shift, strict=True))
    layers = [
        layer(tmp_path, str(n), grid) for n, grid in enumerate([GRID, GRID, replace(moved, corner=corner)])
    ]
    with pytest.raises(StackFormatError, match=r"pixels of 2 are .*resample"):
        cut_to_common(layers)


@pytest.mark.parametrize(
    "other",
    [
        replace(GRID, crs="EPSG:32614"),
        replace(GRID, step=(-0.25, 0.501)),
        replace(GRID, step=(0.25, 0.5)),
        replace(GRID, corner=None, step=None, crs=None),
        Grid((20, 25)),
    ],
)
def test_another_lattice_is_an_error_whatever_the_extent(other, tmp_path):
    with pytest.raises(StackFormatError, match="pixels of 2 are"):
        cut_to_common([layer(tmp_path, str(n), grid) for n, grid in enumerate([GRID, GRID, other])])


def test_images_without_a_common_pixel_are_named(tmp_path):
    far = GRID.part((0, 24), (20, 24))
    with pytest.raises(StackFormatError, match=r"no pixel is in all images: one .* and far "):
        cut_to_common([layer(tmp_path, "one", GRID), layer(tmp_path, "far", far)])


def test_an_image_of_one_pixel_in_common_is_enough(tmp_path):
    far = GRID.part((19, 23), (20, 24))
    one, other = cut_to_common([layer(tmp_path, "one", GRID), layer(tmp_path, "far", far)])
    assert one.grid.shape == (1, 1)
    assert one.image.read(slice(0, 1), slice(0, 1)) == [[20 * 24 - 1]]
    assert other.image.read(slice(0, 1), slice(0, 1)) == [[0]]


def test_the_same_extent_of_all_is_left_as_it_is(tmp_path, caplog):
    layers = [layer(tmp_path, str(n), GRID) for n in range(3)]
    assert cut_to_common(layers) == layers
    assert not caplog.records
