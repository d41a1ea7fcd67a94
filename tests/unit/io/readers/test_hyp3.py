import math
import shutil

import numpy as np
import pytest
import rasterio

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.mintpy.geometry import geometry_from_attributes
from unit.io.readers import checks, geotiffs

DATES = sorted({date for dates in checks.text_dates(checks.simulated()) for date in dates})


@pytest.fixture
def gamma(tmp_path):
    return geotiffs.hyp3_gamma(tmp_path / "hyp3", checks.simulated())


@pytest.fixture
def burst(tmp_path):
    return geotiffs.hyp3_burst(tmp_path / "hyp3", checks.simulated())


def test_attributes_are_those_that_mintpy_makes_of_the_parameter_file(gamma):
    attrs = fringefleet.open_stack(gamma).attrs
    expected = {
        "PROCESSOR": "hyp3",
        "PLATFORM": "Sen",
        "ANTENNA_SIDE": -1,
        "ORBIT_DIRECTION": "ASCENDING",
        "CENTER_LINE_UTC": 8571.989128,
        "EARTH_RADIUS": 6371383.6099,
        "HEIGHT": 699974.5329,
        "STARTING_RANGE": 799002.2677,
        "RANGE_PIXEL_SIZE": 2.3 * 20,
        "AZIMUTH_PIXEL_SIZE": 14.1 * 4,
        "RLOOKS": 20,
        "ALOOKS": 4,
        "looks": round(80 / 1.94),
        "beam_mode": "IW",
        "unwrap_method": "mcf",
        "X_FIRST": 440_000.0,
        "Y_STEP": -80.0,
        "Y_UNIT": "meters",
        "EPSG": 32614,
        "UTM_ZONE": "14N",
        "LENGTH": 20,
        "WIDTH": 24,
        "date_format": "%Y%m%d",
    }
    assert {name: attrs[name] for name in expected} == expected
    assert attrs["HEADING"] == pytest.approx(-13.0235756)
    assert attrs["wavelength"] == pytest.approx(0.0554657, abs=1e-7)
    assert "reference_point" not in attrs


def test_the_incidence_angle_is_that_of_the_middle_of_the_swath(gamma):
    attrs = fringefleet.open_stack(gamma).attrs
    distance, radius, height = 878813.0619, 6371383.6099, 699974.5329
    sides = (
        distance**2
        + radius**2
        + 2 * distance * radius * math.cos(math.radians(attrs["CENTER_INCIDENCE_ANGLE"]))
    )
    assert math.sqrt(sides) == pytest.approx(radius + height)
    sine = math.sin(math.radians(attrs["CENTER_INCIDENCE_ANGLE"]))
    assert geometry_from_attributes(attrs) == pytest.approx(distance * sine, rel=1e-6)


def test_pixels_are_where_the_files_say(gamma):
    stack = fringefleet.open_stack(gamma)
    assert (stack.x.values[0], stack.y.values[1]) == (440_040.0, 2_189_880.0)
    assert stack.x.attrs["standard_name"] == "projection_x_coordinate"
    assert stack.spatial_ref.attrs["crs_wkt"]
    assert stack.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"


def test_baselines_are_those_of_the_parameter_files(gamma):
    found = fringefleet.open_stack(gamma).perpendicular_baseline
    np.testing.assert_allclose(found, checks.simulated().perpendicular_baseline, rtol=1e-6)
    assert found.attrs["units"] == "m"


def test_bursts_have_connected_components_and_a_descending_orbit(burst):
    stack = fringefleet.open_stack(burst)
    np.testing.assert_array_equal(stack.connected_component, checks.simulated().connected_component)
    assert stack.attrs["ORBIT_DIRECTION"] == "DESCENDING"
    assert stack.attrs["HEADING"] == pytest.approx(-167.5)
    assert stack.attrs["CENTER_LINE_UTC"] == 8409.44936


def test_phase_that_falls_with_time_is_motion_towards_the_satellite(gamma):
    rise = {date: 0.004 * number for number, date in enumerate(DATES)}  # [m], of one pixel
    wavelength = fringefleet.open_stack(gamma).wavelength
    for file in gamma.rglob("*_unw_phase.tif"):
        first, second = (part[:8] for part in file.name.split("_")[1:3])
        values = np.full((20, 24), 0.5, np.float32)
        values[5, 5] -= 4 * np.pi / wavelength * (rise[second] - rise[first])
        with rasterio.open(file, "r+") as raster:
            raster.write(values, 1)
    result = fringefleet.invert(fringefleet.open_stack(gamma), weight_func="no", reference_point=(0, 0))
    np.testing.assert_allclose(result.displacement[:, 5, 5], list(rise.values()), atol=1e-7)


def test_files_that_were_clipped_are_taken_instead_of_the_whole_ones(gamma):
    for number, file in enumerate(sorted(gamma.rglob("*_unw_phase.tif")) + sorted(gamma.rglob("*_corr.tif"))):
        with rasterio.open(file) as raster:
            values, profile = raster.read(1), raster.profile
        clipped = file.with_name(f"{file.stem}_clipped.tif")
        size = {"height": 16, "width": 16}
        with rasterio.open(clipped, "w", **(profile | size)) as raster:
            raster.write(values[:16, :16], 1)
        if number % 2:  # the whole ones have different extents, as those of HyP3 often have
            shutil.copy(clipped, file)
    stack = fringefleet.open_stack(gamma)
    assert stack.unwrapped_phase.shape == (9, 16, 16)
    np.testing.assert_array_equal(stack.coherence, checks.simulated().coherence[:, :16, :16])


def test_a_product_that_is_there_twice_as_folder_and_archive_is_read_once(gamma, tmp_path):
    archives = geotiffs.pack(shutil.copytree(gamma, tmp_path / "copy"))
    for archive in archives.glob("*.zip"):
        shutil.move(archive, gamma)
    stack = fringefleet.open_stack(gamma)
    assert stack.sizes["pair"] == 9
    assert stack.encoding["version"].n_file == 18


def test_two_products_of_the_same_dates_are_both_named(gamma):
    first = sorted(gamma.iterdir())[0]
    again = first.name[:-4] + "BEEF"
    shutil.copytree(first, gamma / again)
    for file in (gamma / again).iterdir():
        file.rename(file.with_name(file.name.replace(first.name, again)))
    with pytest.raises(StackFormatError, match=f"two interferograms of the dates .*{first.name} and {again}"):
        fringefleet.open_stack(gamma)


def test_all_files_in_one_folder_are_found_too(gamma):
    flat = gamma.parent / "flat"
    flat.mkdir()
    for file in sorted(gamma.rglob("*.*")):
        shutil.move(file, flat / file.name)
    assert fringefleet.open_stack(flat).sizes["pair"] == 9


class TestWhatIsWrong:
    def test_another_orbit(self, gamma):
        file = sorted(gamma.rglob("*_0003.txt"))[0]
        file.write_text(file.read_text().replace("Heading: -13", "Heading: -167"))
        with pytest.raises(
            StackFormatError, match=r"_0003 has ORBIT_DIRECTION = 'DESCENDING', but S1AA_2018"
        ):
            fringefleet.open_stack(gamma)

    def test_a_damaged_archive(self, gamma):
        archive = sorted(geotiffs.pack(gamma).glob("*.zip"))[1]
        archive.write_bytes(archive.read_bytes()[:-100])
        with pytest.raises(StackFormatError, match=f"the archive .*{archive.name} cannot be read"):
            fringefleet.open_stack(gamma)
