"""Units of what is stored, in every spelling that peers write, and what becomes of others."""

import math

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Setting
from fringefleet.errors import OptionError, StackFormatError
from fringefleet.io import required_wavelength
from fringefleet.io.quantities import (
    ANGLE,
    LENGTH,
    PHASE_UNITS,
    PIXELS,
    RATIO,
    declared_unit,
    in_our_units,
    quantity_of,
    unit_factor,
)
from unit.io.readers import checks

DEGREE = math.pi / 180


@pytest.mark.parametrize(
    ("quantity", "spellings", "factor"),
    [
        (PHASE_UNITS, ("rad", "radian", "radians", "Radians", " RAD ", "[rad]", "1", "", None, "none"), 1.0),
        (PHASE_UNITS, ("deg", "degree", "degrees", "Degrees", "°"), DEGREE),
        (PHASE_UNITS, ("cycle", "cycles", "fringes"), 2 * math.pi),
        (PHASE_UNITS, ("m", "meters", "mm", "cm", "dB", "furlong", "rad/s", "rad2"), None),
        (RATIO, ("1", "", None, "unitless", "dimensionless", "NA"), 1.0),
        (RATIO, ("percent", "%", "Percent", "pct"), 0.01),
        (RATIO, ("dB", "rad", "counts"), None),
        (LENGTH, ("m", "meters", "metre", "", None), 1.0),
        (LENGTH, ("km", "kilometers"), 1000.0),
        (LENGTH, ("cm",), 0.01),
        (LENGTH, ("rad", "pixel"), None),
        (PIXELS, ("pixel", "pixels", "Pixels", "", None), 1.0),
        (PIXELS, ("m", "meters", "rad"), None),
        (ANGLE, ("degree", "deg", "Degrees", "", None), 1.0),
        (ANGLE, ("rad", "radian", "radians"), 1 / DEGREE),
        (ANGLE, ("m", "%"), None),
    ],
)
def test_a_unit_in_any_spelling_is_one_factor_and_another_kind_of_unit_is_none(quantity, spellings, factor):
    assert {unit_factor(quantity, spelling) for spelling in spellings} == {factor}


def test_a_unit_is_found_in_the_attributes_of_cf_and_of_mintpy():
    assert declared_unit({"units": "", "UNIT": "radian"}) == "radian"
    assert declared_unit({"unit": b"m", "long_name": "x"}) == "m"
    assert declared_unit({"long_name": "x"}) is None


def test_offsets_of_cosicorr_alone_may_be_metres():
    for name in ("range_offset", "azimuth_offset", "range_offset_std"):
        assert unit_factor(quantity_of(name, {"PROCESSOR": "isce"}), "m") is None
        assert unit_factor(quantity_of(name, {"PROCESSOR": "cosicorr"}), "m") == 1
        assert unit_factor(quantity_of(name, {"PROCESSOR": "cosicorr"}), "pixel") == 1


def test_baselines_in_kilometres_become_metres_and_unknown_ones_are_left_out_with_a_word(caplog):
    stack = checks.simulated()
    metres = stack.perpendicular_baseline
    kilometres = metres.copy(data=metres.values / 1000).assign_attrs(units="km")
    found = in_our_units(stack.assign_coords(perpendicular_baseline=kilometres)).perpendicular_baseline
    np.testing.assert_allclose(found, metres, rtol=1e-6)
    assert found.attrs["units"] == "m"
    furlongs = metres.assign_attrs(units="furlong")
    assert "perpendicular_baseline" not in in_our_units(stack.assign_coords(perpendicular_baseline=furlongs))
    assert "found the unit 'furlong' of the perpendicular baselines; metres are needed" in caplog.text


@pytest.mark.parametrize("unit", ["degrees", "cycles", "m", "furlong"])
def test_a_dataset_in_memory_in_other_units_is_refused_by_the_inversion(unit):
    stack = checks.simulated().copy()
    stack["unwrapped_phase"] = stack.unwrapped_phase.assign_attrs(units=unit)
    with pytest.raises(StackFormatError, match=f"the unit '{unit}' of unwrapped_phase; radians are needed"):
        fringefleet.invert(stack, weight_func="no")
    fringefleet.invert(stack.assign(unwrapped_phase=stack.unwrapped_phase.assign_attrs(units="radian")))


def test_an_odd_unit_of_what_is_not_needed_stops_nothing():
    stack = checks.simulated().copy()
    stack["coherence"] = stack.coherence.assign_attrs(units="furlong")
    fringefleet.invert(stack, weight_func="no")
    with pytest.raises(StackFormatError, match="'furlong' of coherence"):
        fringefleet.invert(stack, weight_func="coh")


RADARS = (0.008, 0.0086, 0.031, 0.05546576, 0.094, 0.2424525, 0.69)
NO_RADARS = (0.0, -0.05, 5.55, 5.5, 55.5, 0.0000555, 1.27e9, float("nan"), float("inf"))


@pytest.mark.parametrize("wavelength", NO_RADARS)
def test_a_wavelength_that_no_radar_has_is_refused_wherever_it_comes_from(wavelength):
    message = r"wavelength.* = .*not the wavelength of an imaging radar in metres"
    message += r".*0\.0075 .*Ka band.* to 1 .*P band.*IEEE"
    with pytest.raises(OptionError, match=message):
        Setting(wavelength=wavelength)
    if math.isfinite(wavelength):
        stated = message if wavelength > 0 else "wavelength = .*a positive number is needed"
        with pytest.raises(StackFormatError, match=stated):
            required_wavelength(xr.Dataset(attrs={"wavelength": wavelength}))


@pytest.mark.parametrize("wavelength", RADARS)
def test_the_wavelengths_of_radars_from_ka_to_p_band_are_taken(wavelength):
    assert Setting(wavelength=wavelength).wavelength == wavelength
    assert required_wavelength(xr.Dataset(attrs={"wavelength": wavelength})) == wavelength


def test_a_wavelength_in_another_unit_is_recognised():
    for given, guess in ((5.55, "0.0555 m if that is in cm"), (55.5, "0.0555 m if that is in mm")):
        with pytest.raises(OptionError, match=guess):
            Setting(wavelength=given)
    with pytest.raises(OptionError, match=r"0\.2361 m if that is in Hz"):
        Setting(wavelength=1.27e9)


def test_a_geometry_in_kilometres_is_that_in_metres():
    stack = checks.simulated()
    metres = xr.DataArray(np.full((20, 24), 550e3), dims=("y", "x"), attrs={"units": "m"})
    kilometres = (metres / 1000).assign_attrs(units="km")
    errors = [
        fringefleet.invert(stack, weight_func="no", dem_error=True, geometry=geometry).dem_error.values
        for geometry in (metres, kilometres)
    ]
    assert np.isfinite(errors[0]).any()
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(StackFormatError, match="'degree' of the geometry; metres are needed"):
        fringefleet.invert(
            stack, weight_func="no", dem_error=True, geometry=metres.assign_attrs(units="degree")
        )
