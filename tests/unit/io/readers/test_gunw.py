"""ARIA's products S1-GUNW, as NetCDF-4 files of one frame."""

import h5netcdf
import h5py
import numpy as np
import pytest

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.stack import file_format
from unit.io.readers import checks
from unit.io.readers.test_aria import BASELINE, NAMES, images, turned

STEP = 0.000833333333333
FILLS = {"unwrappedPhase": np.float32(0), "coherence": np.float32(0), "connectedComponents": np.int16(-1)}


def product(name):
    return f"S1-GUNW-A-R-087-tops-{name}-043045-00155W_00018N-PP-1a2b-v3_0_1.nc"


FIRST = product(NAMES[0])


def write_product(path, values, baseline, *, first_column=0):
    """The parts of a product that matter here, with their names, fill values and types."""
    rows, columns = values["unwrappedPhase"].shape
    places = {
        "latitude": 19.8 - STEP * (np.arange(rows) + 0.5),
        "longitude": -99.6 + STEP * (np.arange(columns) + first_column + 0.5),
    }
    with h5netcdf.File(path, "w") as file:
        file.attrs.update({"product_type": "UNW GEO IFG", "Conventions": "CF-1.6", "version": "1c"})
        data = file.create_group("science/grids/data")
        data.dimensions = {"latitude": rows, "longitude": columns}
        for name, centres in places.items():
            data.create_variable(name, (name,), "f8", data=centres)
        for name, image in values.items():
            packed = {"chunks": (8, 16), "compression": "gzip", "compression_opts": 4}
            variable = data.create_variable(
                name, ("latitude", "longitude"), image.dtype, data=image, fillvalue=FILLS[name], **packed
            )
            variable.attrs["grid_mapping"] = "crs"
        geometry = file.create_group("science/grids/imagingGeometry")
        geometry.dimensions = {"heightsMeta": 2, "latitudeMeta": 2, "longitudeMeta": 3}
        cubes = {"perpendicularBaseline": baseline, "incidenceAngle": 39.25}
        for name, value in cubes.items():
            cube = value + np.linspace(-1, 1, 12).reshape(2, 2, 3)
            cube[0, 0, 0], cube[1, 1, 2] = 0, value  # a corner without data, the rest around the mean
            cube[1, 1, 1] = 2 * value - cube[0, 0, 1]
            dims = ("heightsMeta", "latitudeMeta", "longitudeMeta")
            geometry.create_variable(name, dims, "f8", data=cube, fillvalue=0.0)
        radar = file.create_group("science/radarMetaData")
        numbers = {
            "wavelength": 0.05546576,
            "slantRangeStart": 799002.2677,
            "slantRangeSpacing": 2.329562114715323,
        }
        for name, number in numbers.items():
            radar.create_variable(name, (), "f8", data=number)


def write_folder(folder):
    folder.mkdir()
    for index, name in enumerate(NAMES):
        write_product(folder / product(name), images(index), BASELINE[index])
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "products")


def test_what_was_written_comes_out_with_its_dates_the_other_way_round(folder):
    stack, expected = fringefleet.open_stack(folder, chunks=None), turned()
    checks.assert_lazy(stack)
    assert file_format(stack) == "ARIA S1-GUNW"
    for name in ("unwrapped_phase", "coherence", "connected_component"):
        np.testing.assert_array_equal(stack[name], expected[name])
    for name in ("reference_date", "secondary_date"):
        np.testing.assert_array_equal(stack[name], expected[name])
    np.testing.assert_allclose(stack.y, 19.8 - STEP * (np.arange(20) + 0.5))
    np.testing.assert_allclose(stack.x, -99.6 + STEP * (np.arange(24) + 0.5))
    assert stack.spatial_ref.attrs["grid_mapping_name"] == "latitude_longitude"
    assert stack.unwrapped_phase.encoding["preferred_chunks"] == {"pair": 1, "y": 8, "x": 16}


def test_attributes_and_baselines_are_those_of_the_products(folder):
    stack = fringefleet.open_stack(folder, chunks=None)
    attrs = stack.attrs
    assert (attrs["wavelength"], attrs["looks"], attrs["STARTING_RANGE"]) == (0.05546576, 61, 799002.2677)
    assert (attrs["ORBIT_DIRECTION"], attrs["HEADING"]) == ("ASCENDING", -12.0)
    assert attrs["CENTER_LINE_UTC"] == 4 * 3600 + 30 * 60 + 45
    with h5py.File(folder / FIRST) as file:
        cube = file["science/grids/imagingGeometry/perpendicularBaseline"][()]
    index = list(
        zip(
            *(stack[k].dt.strftime("%Y%m%d").values for k in ("reference_date", "secondary_date")),
            strict=True,
        )
    )
    found = stack.perpendicular_baseline.values[index.index(tuple(NAMES[0].split("_")))]
    assert found == pytest.approx(cube[cube != 0].mean(), rel=1e-6)
    assert abs(found - BASELINE[0]) < 0.5
    assert abs(attrs["CENTER_INCIDENCE_ANGLE"] - 39.25) < 0.5


def test_every_window_is_read_alike_and_an_array_travels(folder):
    checks.assert_windows(folder, turned().unwrapped_phase)
    checks.assert_travels(folder)
    checks.assert_one_task_a_block(folder)


def test_a_run_gives_the_same_as_from_a_stack_of_ours(folder, tmp_path):
    checks.assert_inverts_alike(folder, tmp_path, turned())


def test_motion_has_the_sign_that_it_has_with_the_earlier_date_first(folder):
    found = fringefleet.invert(fringefleet.open_stack(folder), weight_func="no", reference_point=checks.POINT)
    expected = fringefleet.invert(checks.simulated(), weight_func="no")
    np.testing.assert_allclose(found.displacement, expected.displacement, atol=1e-6)


def remove(folder, name):
    with h5py.File(folder / FIRST, "r+") as file:
        del file[name]


def curve(folder):
    with h5py.File(folder / FIRST, "r+") as file:
        file["science/grids/data/latitude"][3] += STEP


def truncate(folder):
    path = folder / FIRST
    path.write_bytes(path.read_bytes()[:-200])


BAD = {
    "another lattice": (
        lambda folder: write_product(folder / FIRST, images(0), 1.0, first_column=0.5),
        rf"pixels of .*{FIRST}:/science/grids/data/\w+ are 20 x 24 .*those of most others",
    ),
    "no coherence of one pair": (
        lambda folder: remove(folder, "science/grids/data/coherence"),
        rf"no coherence for 1 of 9 pairs: {FIRST}",
    ),
    "no phase": (
        lambda folder: remove(folder, "science/grids/data/unwrappedPhase"),
        rf"product {FIRST} cannot be parsed .*unwrappedPhase",
    ),
    "latitudes that are not regular": (
        curve,
        rf"product {FIRST} cannot be parsed .*latitude .*not regular",
    ),
    "a truncated file": (truncate, rf"{FIRST} cannot be opened .*truncated"),
    "a name without dates": (
        lambda folder: (folder / FIRST).rename(folder / "S1-GUNW-first.nc"),
        "found S1-GUNW-first.nc, which is not named like a product",
    ),
    "two frames of a pair": (
        lambda folder: write_product(folder / FIRST.replace("043045", "043110"), images(0), 1.0),
        "found two interferograms of the dates",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_said_at_once_and_of_which_file(folder, spoil, message):
    spoil(folder)
    with pytest.raises(StackFormatError, match=message):
        fringefleet.open_stack(folder)


def test_a_product_that_is_damaged_is_named_when_it_is_read(folder):
    path = folder / FIRST
    with h5py.File(path) as file:
        chunk = file["science/grids/data/unwrappedPhase"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 40] = b"x" * 40
    path.write_bytes(content)
    stack = fringefleet.open_stack(folder, chunks=None)
    with pytest.raises(StackFormatError, match=rf"unwrappedPhase of .*{FIRST} cannot be read"):
        stack.unwrapped_phase.load()
