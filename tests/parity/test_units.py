"""Unit, CRS and all other attributes of the source in MintPy's products, whatever way the stack went."""

import shutil

import h5py
import pytest
import xarray as xr
from pyproj import CRS

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.io.writers.mintpy import export_mintpy
from parity.against_mintpy.comparison import PHASE, assert_same_products, attributes
from parity.grids import CODES, DEGREES, GEOCODED, OF_A_GRID
from unit.mintpy_stack import ATTRIBUTES, stack_parts

WAYS = ("as it is", "converted to Zarr", "lazy")
OPTIONS = Options(weight_func="no")


@pytest.fixture(params=["gamma", "roipac"])
def stored(request, shared_data):
    """Stacks that the real MintPy loaded from geocoded projects."""
    path = shared_data.parent / "cases" / "units" / f"{request.param}_ifgramStack.h5"
    if not path.is_file():
        pytest.skip(f"no stack at {path}")
    return path


def exported(path, folder, way):
    """Invert a stack and export the result; returns both."""
    result = folder / "result.zarr"
    if way == "lazy":
        lazily = fringefleet.invert(fringefleet.open_stack(path), weight_func="no")
        export_mintpy(lazily, folder)
        return lazily
    if way != "as it is":
        fringefleet.convert_stack(path, folder / "stack.zarr")
        path = folder / "stack.zarr"
    fringefleet.run(Run(path, result, OPTIONS, Setting()))
    export_mintpy(result, folder)
    return xr.open_zarr(result)


@pytest.mark.parametrize("way", WAYS)
def test_the_products_of_a_gamma_project_are_those_of_mintpy_in_every_attribute(shared_data, tmp_path, way):
    case = shared_data.parent / "cases" / "units"
    if not case.is_dir():
        pytest.skip(f"no stacks at {case}")
    exported(case / "gamma_ifgramStack.h5", tmp_path, way)
    assert_same_products(tmp_path, case / "mintpy164_no")


@pytest.mark.parametrize("way", WAYS)
def test_what_a_stack_of_the_real_mintpy_says_of_its_grid_is_in_every_product(stored, tmp_path, way):
    result = exported(stored, tmp_path, way)
    source = attributes(stored)
    for name in PHASE:
        found = attributes(tmp_path / name)
        assert {k: found.get(k) for k in OF_A_GRID} == {k: source.get(k) for k in OF_A_GRID}
        assert source.items() - {("FILE_TYPE", "ifgramStack"), ("NO_DATA_VALUE", "none")} <= found.items()
    assert result.y.attrs["units"] == "degrees_north"
    assert result.x.attrs["standard_name"] == "longitude"
    assert CRS.from_cf(result.spatial_ref.attrs).to_epsg() == 4326


def write_stack(path, attrs):
    with h5py.File(path, "w") as file:
        for name, values in stack_parts().items():
            file[name] = values
        places = {k: v for k, v in ATTRIBUTES.items() if k not in OF_A_GRID}
        file.attrs.update(places | {"LENGTH": "6", "WIDTH": "7"} | attrs)
    return path


@pytest.mark.parametrize("way", ["converted to Zarr", "lazy"])
@pytest.mark.parametrize("kind", GEOCODED)
def test_the_grid_of_every_processor_passes_through_unchanged(tmp_path, kind, way):
    path = write_stack(tmp_path / "ifgramStack.h5", GEOCODED[kind])
    exported(path, tmp_path, way)
    source = attributes(path)
    for name in PHASE:
        found = attributes(tmp_path / name)
        assert {k: found.get(k) for k in OF_A_GRID} == {k: source.get(k) for k in OF_A_GRID}
        assert source.items() - {("FILE_TYPE", "ifgramStack")} <= found.items()


@pytest.mark.parametrize("kind", GEOCODED)
def test_a_result_says_of_its_grid_what_is_known_and_nothing_else(tmp_path, kind):
    stack = fringefleet.open_stack(write_stack(tmp_path / "ifgramStack.h5", GEOCODED[kind]))
    result = fringefleet.invert(stack, weight_func="no")
    if CODES[kind] is None:
        assert "spatial_ref" not in result.coords
        assert result.y.attrs == {"long_name": "y coordinate"}
        return
    assert CRS.from_cf(result.spatial_ref.attrs).to_epsg() == CODES[kind]
    unit, name = ("degrees_north", "latitude") if kind in DEGREES else ("m", "projection_y_coordinate")
    assert (result.y.attrs["units"], result.y.attrs["standard_name"]) == (unit, name)
    again = tmp_path / "again.zarr"
    shutil.rmtree(again, ignore_errors=True)
    fringefleet.convert_stack(tmp_path / "ifgramStack.h5", again)
    copy = fringefleet.open_stack(again)
    for axis in ("y", "x"):
        assert copy[axis].attrs == result[axis].attrs


@pytest.mark.parametrize("unit", ["deg", "degree", "Degrees", "degres", "degrees_north", "", None])
def test_a_part_of_a_geocoded_result_keeps_the_unit_and_has_its_own_corner(tmp_path, unit):
    attrs = {k: v for k, v in GEOCODED["aria"].items() if not k.endswith("UNIT")}
    attrs |= {} if unit is None else {"Y_UNIT": unit, "X_UNIT": unit}
    stack = fringefleet.open_stack(write_stack(tmp_path / "ifgramStack.h5", attrs))
    part = fringefleet.invert(stack, weight_func="no").isel(y=slice(2, 6))
    export_mintpy(part, tmp_path)
    found = attributes(tmp_path / PHASE[0])
    assert (found.get("Y_UNIT"), found["X_FIRST"]) == (unit, attrs["X_FIRST"])
    assert float(found["Y_FIRST"]) == pytest.approx(float(attrs["Y_FIRST"]) + 2 * float(attrs["Y_STEP"]))
    assert "EPSG" not in found
