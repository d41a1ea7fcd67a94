"""Attributes that are odd: a message that names them, and only where no option replaces them."""

import json

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.cli import app
from fringefleet.errors import InputError
from fringefleet.io.writers.mintpy import export_mintpy
from unit.io.readers import checks

FORMATS = ["Zarr", "NetCDF", "MintPy"]
LIKE = {"reference_point": ("REF_Y", "REF_X"), "wavelength": ("WAVELENGTH",), "looks": ("NCORRLOOKS",)}
ODD = {
    "reference_point": [
        *(
            [3.2, 2.7],
            ["a", "b"],
            [np.nan, 2.0],
            [np.inf, 2.0],
            [3],
            [3, 4, 5],
            [],
            [-1, 2],
            [3, 999],
            [1e300, 2],
        ),
        *("somewhere", "", 3.5),
    ],
    "wavelength": ["C band", "", np.nan, np.inf, -0.05, 0.0, [0.05, 0.06]],
    "looks": ["many", np.inf, -3, 0, [3, 4]],
}
GIVEN = {"reference_point": checks.POINT, "wavelength": 0.0555, "looks": 20}
CASES = [
    (form, name, value)
    for form in FORMATS
    for name, values in ODD.items()
    for value in values
    if form != "MintPy" or name != "reference_point" or (isinstance(value, list) and len(value) == 2)
]


def plain():
    """The scene with attributes of our names only."""
    stack = checks.simulated().drop_attrs(deep=False)
    return stack.assign_attrs(GIVEN | {"reference_point": list(checks.POINT)})


def write(form, folder, name, value):
    """Write the scene with one attribute that is odd."""
    stack = plain()
    if form == "MintPy":
        return write_mintpy(folder / "ifgramStack.h5", stack, name, value)
    path = folder / ("stack.zarr" if form == "Zarr" else "stack.nc")
    stack.attrs.pop(name)
    if form == "Zarr":
        stack.to_zarr(path, zarr_format=3, consolidated=False)
        metadata = json.loads((path / "zarr.json").read_text())
        metadata["attributes"][name] = value
        (path / "zarr.json").write_text(json.dumps(metadata))
    else:
        stack.to_netcdf(path, engine="h5netcdf")
        with h5netcdf.File(path, "a") as file:
            file.attrs[name] = np.array(value, "S1") if value == [] else value
    return path


def write_mintpy(path, stack, name, value):
    said = {
        "WAVELENGTH": "0.0555",
        "NCORRLOOKS": "20",
        "REF_Y": str(checks.POINT[0]),
        "REF_X": str(checks.POINT[1]),
    }
    values = value if name == "reference_point" else [value]
    said |= {key: str(one) for key, one in zip(LIKE[name], values, strict=True)}
    with h5py.File(path, "w") as file:
        file["unwrapPhase"] = stack.unwrapped_phase.values
        file["coherence"] = stack.coherence.values
        file["date"] = np.array(checks.text_dates(stack), "S8")
        file["bperp"] = stack.perpendicular_baseline.values
        file["dropIfgram"] = np.ones(stack.sizes["pair"], bool)
        file.attrs.update(said | {"FILE_TYPE": "ifgramStack"})
    return path


@pytest.mark.parametrize(("form", "name", "value"), CASES)
def test_it_is_named_with_its_option_and_matters_only_without_it(form, name, value, tmp_path):
    stack = fringefleet.open_stack(write(form, tmp_path, name, value))
    with pytest.raises(InputError) as found:
        fringefleet.invert(stack, weight_func="var")
    message = str(found.value)
    assert f"{name} = " in message
    assert any(word in message for word in (name, *LIKE[name], "reference point"))
    assert len(message) < 500
    result = fringefleet.invert(stack, weight_func="var", **{name: GIVEN[name]})
    assert result.attrs[name] == (list(GIVEN[name]) if name == "reference_point" else GIVEN[name])


@pytest.mark.parametrize("value", [[3.2, 2.7], "somewhere", [3]])
def test_coordinates_do_not_hide_a_reference_point_that_is_odd(value, tmp_path):
    path = write("Zarr", tmp_path, "reference_point", value)
    metadata = json.loads((path / "zarr.json").read_text())
    place = {f"reference_point_{axis}": float(plain()[axis][3]) for axis in ("y", "x")}
    metadata["attributes"].update(place)
    (path / "zarr.json").write_text(json.dumps(metadata))
    stack = fringefleet.open_stack(path)
    with pytest.raises(InputError, match="found the attribute reference_point"):
        fringefleet.invert(stack)
    fringefleet.invert(stack, reference_point=checks.POINT)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", list(ODD))
def test_what_an_inversion_does_not_need_is_not_looked_at(form, name, tmp_path):
    value = "many" if name != "reference_point" else ["a", "b"]
    path = write(form, tmp_path, name, value)
    setting = {
        "looks": Setting(),
        "reference_point": Setting(skip_reference=True),
        "wavelength": Setting(wavelength=0.0555),
    }[name]
    fringefleet.run(Run(path, tmp_path / "out.zarr", Options(weight_func="no"), setting))
    result = xr.open_zarr(tmp_path / "out.zarr", consolidated=False)
    if name != "wavelength":
        assert name not in result.attrs
    export_mintpy(tmp_path / "out.zarr", tmp_path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", list(ODD))
def test_the_other_commands_show_it_and_go_on(form, name, tmp_path):
    path = write(form, tmp_path, name, "many" if name != "reference_point" else [3.2, 2.7])
    for command in (["info", path], ["info", path, "--json"], ["convert", path, tmp_path / "copy.zarr"]):
        result = CliRunner().invoke(app, list(map(str, command)))
        assert result.exit_code == 0, result.stderr
    point = ["--reference-point", "2", "3"] if name != "reference_point" else []
    result = CliRunner().invoke(app, ["plan", str(tmp_path / "copy.zarr"), "--quick", *point])
    assert result.exit_code == 2
    assert "--" + name.replace("_", "-") in result.stderr


@pytest.mark.parametrize("axis", ["y", "x"])
@pytest.mark.parametrize("value", ["north", np.nan, [1.0, 2.0]])
def test_a_coordinate_of_the_reference_point_that_is_odd(axis, value, tmp_path):
    stack = plain().assign_attrs(reference_point_y=0.0, reference_point_x=0.0)
    stack.attrs[f"reference_point_{axis}"] = value
    stack.attrs[f"reference_point_{'x' if axis == 'y' else 'y'}"] = float(
        stack["x" if axis == "y" else "y"].values[2]
    )
    with pytest.raises(InputError, match=rf"reference_point_{axis} = .*reference_point = \(Y, X\)"):
        fringefleet.invert(stack, weight_func="no")
    fringefleet.invert(stack, weight_func="no", reference_point=checks.POINT)


@pytest.mark.parametrize("value", ["%q", 7, "", "yesterday", "%Y"])
def test_a_format_of_dates_that_is_none_is_not_handed_on(value, tmp_path):
    path = tmp_path / "stack.zarr"
    plain().assign_attrs(date_format=value).to_zarr(path, zarr_format=3, consolidated=False)
    fringefleet.run(Run(path, tmp_path / "out.zarr"))
    export_mintpy(tmp_path / "out.zarr", tmp_path)
    with h5py.File(tmp_path / "timeseries.h5") as file:
        assert file["date"][0] == b"20180106"
