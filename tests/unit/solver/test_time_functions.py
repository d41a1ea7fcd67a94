"""Functions of time as users give them, and the maps that they ask for."""

from datetime import date, datetime

import numpy as np
import pytest

from fringefleet.errors import OptionError
from fringefleet.solver.time_functions import TimeFunctions, maps_of, parameters_of, read_date, std_name

QUAKE = "2017-09-10T00:00:00"


@pytest.mark.parametrize(
    "given", ["20170910", "2017-09-10", date(2017, 9, 10), datetime(2017, 9, 10), np.datetime64("2017-09-10")]
)
def test_a_date_may_be_given_in_any_form(given):
    assert TimeFunctions(step=given).step == TimeFunctions(step=(given,)).step == (QUAKE,)


@pytest.mark.parametrize(
    "given",
    [
        "20170910 60 120",
        "20170910,60,120",
        ("20170910", 60, 120),
        ("20170910", (60, 120)),
        ["20170910,60,120"],
        [("20170910", "60", "120")],
        [["20170910", 60, 120]],
    ],
)
def test_onset_and_times_may_be_given_in_any_form(given):
    assert TimeFunctions(exponential=given).exponential == ((QUAKE, (60.0, 120.0)),)


def test_two_onsets_are_two():
    found = TimeFunctions(logarithmic=["20170910,60", "20180101T1230,20,30"]).logarithmic
    assert found == ((QUAKE, (60.0,)), ("2018-01-01T12:30:00", (20.0, 30.0)))


def test_what_has_been_read_can_be_given_again():
    functions = TimeFunctions(
        2, (1, 0.5), "20170910", "20180101", "20170910 60", ["20170910,60", "20180101,5"]
    )
    assert TimeFunctions(**vars(functions)) == functions
    assert hash(functions) == hash(TimeFunctions(**vars(functions)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"polynomial": 0}, "found polynomial = 0; give 1 to 9"),
        ({"polynomial": 10}, "found polynomial = 10; give 1 to 9"),
        ({"periodic": (1, 0)}, "found periodic = 0; give positive numbers"),
        ({"periodic": "annual"}, "found periodic = 'annual'; give positive numbers"),
        ({"periodic": float("inf")}, "found periodic = inf"),
        ({"periodic": True}, "found periodic = True; give"),
        ({"periodic": (1, 1.0)}, "found periodic 1.0 twice; give it once"),
        ({"step": "2017"}, "found step = '2017'; give dates as YYYYMMDD"),
        ({"step": "20171301"}, "found step = '20171301'; give dates"),
        ({"step": "20170910T12+01:00"}, "with a time zone; give UTC"),
        ({"step": ["20170910", "2017-09-10"]}, "found step 2017-09-10T00:00:00 twice"),
        ({"polyline": "soon"}, "found polyline = 'soon'"),
        ({"exponential": "20170910"}, "found exponential = 20170910; give a date and one or more char"),
        ({"exponential": ["20170910", "20180101"]}, "found exponential = 20170910; give a date and one or"),
        ({"exponential": "20170910 -5"}, "found exponential = '-5'; give positive numbers"),
        ({"logarithmic": ["20170910,5", "20170910,6,5"]}, "found logarithmic 2017-09-10T00:00:00 5.0 twice"),
        ({"logarithmic": 5}, "found logarithmic = 5; give one or more values"),
    ],
)
def test_what_means_nothing_is_refused_with_what_would_do(wrong, message):
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        TimeFunctions(**wrong)


def test_every_function_has_its_maps():
    functions = TimeFunctions(
        polynomial=3,
        periodic=(1, 0.5, 0.25),
        step="20170910",
        polyline=("20170601", "20180101T1230"),
        exponential="20170910 60 120.5",
        logarithmic="20170910 80",
    )
    assert {each.name: each.units for each in maps_of(functions)} == {
        "velocity": "m/year",
        "intercept": "m",
        "acceleration": "m/year^2",
        "derivative_3": "m/year^3",
        "annual_amplitude": "m",
        "annual_phase": "rad",
        "semiannual_amplitude": "m",
        "semiannual_phase": "rad",
        "period_0p25_amplitude": "m",
        "period_0p25_phase": "rad",
        "step_20170910": "m",
        "velocity_after_20170601": "m/year",
        "velocity_after_20180101T1230": "m/year",
        "exponential_20170910_tau_60": "m",
        "exponential_20170910_tau_120p5": "m",
        "logarithmic_20170910_tau_80": "m",
    }
    assert len(parameters_of(functions)) == 4 + 6 + 1 + 2 + 3
    assert std_name("velocity") == "velocity_std"


def test_a_velocity_afterwards_has_all_changes_until_then():
    found = {each.name: each.parameters for each in maps_of(TimeFunctions(polyline=("20170601", "20180101")))}
    assert found["velocity_after_20170601"] == (1, 2)
    assert found["velocity_after_20180101"] == (1, 2, 3)


def test_a_date_keeps_its_time():
    assert read_date("step", " 20170910T1230 ") == "2017-09-10T12:30:00"
