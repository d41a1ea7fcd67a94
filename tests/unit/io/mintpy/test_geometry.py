"""Slant range times sine of the incidence angle: from MintPy's files, from attributes, from a triangle."""

import h5py
import numpy as np
import pytest

from fringefleet.errors import InputError, MissingMetadataError, StackFormatError
from fringefleet.io.mintpy.geometry import (
    geometry_from_attributes,
    incidence_angle,
    incidence_attribute,
    read_geometry,
)

SHAPE = (2, 3)
RADIUS, HEIGHT = 6371e3, 700e3
SPHERE = {"EARTH_RADIUS": str(RADIUS), "HEIGHT": str(HEIGHT)}
COLUMNS = {"STARTING_RANGE": "800000", "RANGE_PIXEL_SIZE": "20", "WIDTH": "101"}
DISTANCE = np.array([[800e3, 810e3, 820e3], [830e3, 840e3, 850e3]], "f4")
ANGLE = np.array([[30, 31, 32], [33, 34, 35]], "f4")


def triangle(angle):
    """Slant range [m] by a walk along the ray, of two right-angled triangles."""
    look = np.arcsin(RADIUS / (RADIUS + HEIGHT) * np.sin(np.radians(angle)))
    centre = np.radians(angle) - look
    return (RADIUS + HEIGHT) * np.sin(centre) / np.sin(np.radians(angle))


@pytest.fixture
def write(tmp_path):
    def write(attrs=None, **datasets):
        path = tmp_path / "geometryRadar.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update(attrs or {})
            for name, values in datasets.items():
                file[name] = values
        return path

    return write


def test_range_and_angle_are_read_at_every_pixel(write):
    path = write(slantRangeDistance=DISTANCE, incidenceAngle=ANGLE, height=ANGLE)
    found = read_geometry(path, SHAPE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, DISTANCE * np.sin(np.radians(ANGLE)), rtol=1e-6)


@pytest.mark.parametrize("name", ["slantRangeDistance", "incidenceAngle"])
@pytest.mark.parametrize("hole", [np.nan, 0, -9999, np.inf])
def test_a_pixel_whose_range_or_angle_is_unknown_is_nan_and_its_neighbours_are_not(write, name, hole):
    values = {"slantRangeDistance": DISTANCE.copy(), "incidenceAngle": ANGLE.copy()}
    values[name][1, 1] = hole
    found = read_geometry(write(**values), SHAPE)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 1]]


def test_an_angle_of_90_degrees_or_more_is_unknown(write):
    angle = ANGLE.copy()
    angle[0] = [89.9, 90, 120]
    found = read_geometry(write(slantRangeDistance=DISTANCE, incidenceAngle=angle), SHAPE)
    assert np.isnan(found[0]).tolist() == [False, True, True]


def test_without_the_range_it_follows_from_the_angle_of_the_pixel(write):
    found = read_geometry(write(SPHERE | COLUMNS, incidenceAngle=ANGLE), SHAPE)
    angle = ANGLE.astype("f8")
    np.testing.assert_allclose(found, triangle(angle) * np.sin(np.radians(angle)), rtol=1e-6)


def test_without_the_angle_it_follows_from_the_range_of_the_pixel(write):
    angle = ANGLE.astype("f8")
    attrs = SPHERE | {"INCIDENCE_ANGLE": "20"}
    found = read_geometry(write(attrs, slantRangeDistance=triangle(angle)), SHAPE)
    np.testing.assert_allclose(found, triangle(angle) * np.sin(np.radians(angle)), rtol=1e-6)


def test_without_the_angle_and_the_sphere_it_is_what_the_attributes_name(write):
    found = read_geometry(write({"INCIDENCE_ANGLE": "30"}, slantRangeDistance=DISTANCE), SHAPE)
    np.testing.assert_allclose(found, DISTANCE / 2, rtol=1e-6)


def test_a_range_shorter_than_the_height_of_the_satellite_is_unknown(write):
    distance = DISTANCE.copy()
    distance[0, 0] = 650e3
    found = read_geometry(write(SPHERE, slantRangeDistance=distance), SHAPE)
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 0]]


@pytest.mark.parametrize("name", ["INCIDENCE_ANGLE", "CENTER_INCIDENCE_ANGLE", "incidenceAngle"])
def test_an_angle_that_the_attributes_name_comes_before_the_columns(name):
    found = geometry_from_attributes(SPHERE | COLUMNS | {name: "39.0"})
    assert found == pytest.approx(triangle(39.0) * np.sin(np.radians(39.0)), rel=1e-9)


def test_an_angle_without_the_sphere_goes_with_the_middle_of_the_columns():
    found = geometry_from_attributes(COLUMNS | {"INCIDENCE_ANGLE": "30"})
    assert found == pytest.approx(801e3 / 2, rel=1e-9)


def test_without_an_angle_it_is_that_of_the_middle_of_the_columns_on_a_sphere():
    angle = 33.0
    start = triangle(angle) - 20 * 50
    found = geometry_from_attributes(SPHERE | COLUMNS | {"STARTING_RANGE": str(start)})
    assert found == pytest.approx(triangle(angle) * np.sin(np.radians(angle)), rel=1e-9)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        (
            SPHERE | {"INCIDENCE_ANGLE": "0.68"},
            "INCIDENCE_ANGLE is at most 0.68; an incidence angle in degrees is needed",
        ),
        (COLUMNS | SPHERE | {"HEIGHT": "700"}, "HEIGHT = 700 .* metres are needed, .* not kilometres"),
        (COLUMNS | SPHERE | {"EARTH_RADIUS": "6371"}, "EARTH_RADIUS = 6371 .* metres are needed"),
        (COLUMNS | SPHERE | {"STARTING_RANGE": "800"}, "STARTING_RANGE = 800 .* metres are needed"),
    ],
)
def test_attributes_in_another_unit_are_refused(attrs, message):
    with pytest.raises(StackFormatError, match=message):
        geometry_from_attributes(attrs)


def test_a_map_in_another_unit_is_refused_and_declared_no_data_is_not_known(write):
    with pytest.raises(StackFormatError, match=r"incidenceAngle .*degrees is needed.* radians"):
        read_geometry(write(slantRangeDistance=DISTANCE, incidenceAngle=np.radians(ANGLE)), SHAPE)
    with pytest.raises(StackFormatError, match=r"slantRangeDistance = 850 .* not kilometres"):
        read_geometry(write(slantRangeDistance=DISTANCE / 1e3, incidenceAngle=ANGLE), SHAPE)
    path = write(slantRangeDistance=DISTANCE, incidenceAngle=ANGLE)
    with h5py.File(path, "r+") as file:
        file["incidenceAngle"].attrs["_FillValue"] = np.float32(34)
    assert np.argwhere(np.isnan(read_geometry(path, SHAPE))).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("attrs", "missing"),
    [
        ({}, "STARTING_RANGE and RANGE_PIXEL_SIZE and WIDTH"),
        (SPHERE, "STARTING_RANGE and RANGE_PIXEL_SIZE and WIDTH"),
        (COLUMNS, "EARTH_RADIUS and HEIGHT"),
        (COLUMNS | {"HEIGHT": "700000"}, "EARTH_RADIUS"),
        ({"INCIDENCE_ANGLE": "39"}, "STARTING_RANGE and RANGE_PIXEL_SIZE and WIDTH"),
    ],
)
def test_attributes_that_say_too_little_are_named(attrs, missing):
    with pytest.raises(MissingMetadataError, match=f"no attribute {missing}, .* geometry file"):
        geometry_from_attributes(attrs)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"HEIGHT": "high"}, "HEIGHT = 'high'; a number is needed"),
        ({"EARTH_RADIUS": "0"}, "EARTH_RADIUS = '0'; a positive number"),
        ({"STARTING_RANGE": "600000"}, "STARTING_RANGE = 600000, .* do not form a triangle"),
        ({"INCIDENCE_ANGLE": "95"}, "INCIDENCE_ANGLE = 95, .* do not form a triangle"),
        ({"INCIDENCE_ANGLE": "-39"}, "INCIDENCE_ANGLE = -39, .* do not form a triangle"),
    ],
)
def test_attributes_that_cannot_be_are_named(attrs, message):
    with pytest.raises(StackFormatError, match=message):
        geometry_from_attributes(SPHERE | COLUMNS | attrs)


def test_a_file_that_is_not_there_or_no_hdf5_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"found no geometry file at .*geometryGeo\.h5"):
        read_geometry(tmp_path / "geometryGeo.h5", SHAPE)
    text = tmp_path / "geometry.txt"
    text.write_text("no")
    with pytest.raises(StackFormatError, match="is not HDF5"):
        read_geometry(text, SHAPE)


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"height": ANGLE}, "has the datasets height; it needs slantRangeDistance or incidenceAngle"),
        ({"incidenceAngle": ANGLE.T}, r"incidenceAngle .* shape \(3, 2\) .* the shape \(2, 3\)"),
        ({"incidenceAngle": ANGLE.astype("S")}, r"type \|S32, the stack"),
        ({"incidenceAngle": ANGLE * 0}, "at none of its 2 x 3 pixels"),
    ],
    ids=["other datasets", "shape", "type", "no value"],
)
def test_a_file_that_does_not_fit_is_refused(write, datasets, message):
    with pytest.raises(StackFormatError, match=message):
        read_geometry(write(SPHERE, **datasets), SHAPE)


def test_the_angle_of_a_real_geocoded_scene_is_that_of_its_file_and_not_of_its_columns(shared_data):
    path = shared_data / "mexico_city" / "geometryGeo.h5"
    with h5py.File(shared_data / "mexico_city" / "ifgramStack.h5") as file:
        attrs = dict(file.attrs)
    by_file = read_geometry(path, (60, 100))
    assert geometry_from_attributes(attrs) == pytest.approx(by_file.mean(), rel=1e-4)
    del attrs["INCIDENCE_ANGLE"]
    assert geometry_from_attributes(attrs) < 0.75 * by_file.mean()  # as if it were where the swath begins


def test_a_radar_geometry_file_is_read(shared_data):
    found = read_geometry(shared_data / "nasty_24" / "inputs" / "geometryRadar.h5", (40, 50))
    np.testing.assert_allclose(found[0, 0], 799e3 * np.sin(np.radians(31)), rtol=1e-4)


@pytest.mark.parametrize("angle", [1.0, 30.0, 45.0, 89.0])
def test_the_incidence_angle_is_that_of_the_triangle(angle):
    assert incidence_angle(RADIUS, HEIGHT, triangle(angle)) == pytest.approx(angle, abs=1e-6)
    assert incidence_attribute(RADIUS, HEIGHT, triangle(angle)) == {
        "CENTER_INCIDENCE_ANGLE": pytest.approx(angle, abs=1e-6)
    }


def test_where_there_is_no_triangle_there_is_no_incidence_angle():
    assert np.isnan(incidence_angle(RADIUS, HEIGHT, np.array([HEIGHT - 1, 2 * RADIUS + HEIGHT + 1]))).all()
    assert incidence_attribute(RADIUS, HEIGHT, HEIGHT - 1) == {}


def test_angles_in_radians_are_converted_if_it_is_said_and_refused_if_not(write):
    radians = np.radians(ANGLE).astype("f4")
    expected = DISTANCE * np.sin(np.radians(ANGLE))
    path = write(slantRangeDistance=DISTANCE, incidenceAngle=radians)
    with pytest.raises(StackFormatError, match=r"incidenceAngle in .* is at most 0\.61.*looks like radians"):
        read_geometry(path, SHAPE)
    for unit in ("radian", "rad", "Radians"):
        with h5py.File(path, "r+") as file:
            file["incidenceAngle"].attrs["UNIT"] = unit
        np.testing.assert_allclose(read_geometry(path, SHAPE), expected, rtol=1e-5)


def test_a_slant_range_in_kilometres_is_converted_and_one_in_degrees_refused(write):
    path = write(slantRangeDistance=DISTANCE / 1000, incidenceAngle=ANGLE)
    with h5py.File(path, "r+") as file:
        file["slantRangeDistance"].attrs["UNIT"] = "km"
    expected = DISTANCE * np.sin(np.radians(ANGLE))
    np.testing.assert_allclose(read_geometry(path, SHAPE), expected, rtol=1e-5)
    with h5py.File(path, "r+") as file:
        file["slantRangeDistance"].attrs["UNIT"] = "degree"
    with pytest.raises(StackFormatError, match=r"'degree' of slantRangeDistance in .*metres are needed"):
        read_geometry(path, SHAPE)


def test_an_attribute_in_radians_is_refused():
    with pytest.raises(StackFormatError, match=r"attribute INCIDENCE_ANGLE is at most 0\.68.*radians"):
        geometry_from_attributes(SPHERE | {"INCIDENCE_ANGLE": "0.68"})
