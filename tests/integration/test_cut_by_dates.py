"""Results that are cut or sorted along dates: covariances have two axes of them."""

import numpy as np
import pytest

import fringefleet
from fringefleet.errors import InputError, StackFormatError
from fringefleet.simulate import Scene, simulate_dataset

DATE = "2018-02-11"


@pytest.fixture(scope="module")
def result():
    stack, _ = simulate_dataset(Scene(n_date=8, shape=(6, 7)))
    return fringefleet.invert(stack, covariance=True, std=True).load()


USES = {
    "rereference": lambda cut, _: fringefleet.rereference(cut, date=DATE),
    "velocity": lambda cut, _: fringefleet.velocity(cut, uncertainty="covariance"),
    "mintpy": lambda cut, folder: fringefleet.export_result(cut, folder / "m", "mintpy"),
    "netcdf": lambda cut, folder: fringefleet.export_result(cut, folder / "m", "netcdf"),
}
CUTS = {
    "one axis": (lambda it: it.isel(date=slice(2, 7)), "8 dates along date2 that are not the 5 along date"),
    "other dates": (
        lambda it: it.isel(date=slice(2, 7), date2=slice(0, 5)),
        "5 dates along date2 that are not the 5 along date",
    ),
    "reversed": (lambda it: it.isel(date=slice(None, None, -1)), "dates that do not ascend"),
    "twice": (lambda it: it.isel(date=[0, 1, 2, 3, 3], date2=[0, 1, 2, 3, 3]), "dates that do not ascend"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("cut", CUTS)
def test_covariances_of_other_dates_are_refused_before_work(use, cut, result, tmp_path):
    select, message = CUTS[cut]
    with pytest.raises(StackFormatError, match=message):
        USES[use](select(result), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_part_with_the_same_dates_along_both_has_the_numbers_of_the_whole(result):
    part = result.isel(date=slice(2, 7), date2=slice(2, 7))
    of_part = fringefleet.rereference(part, date=DATE)
    of_whole = fringefleet.rereference(result, date=DATE).isel(date=slice(2, 7))
    np.testing.assert_array_equal(of_part.displacement_std, of_whole.displacement_std)
    np.testing.assert_array_equal(of_part.displacement, of_whole.displacement)


def test_a_reference_may_be_given_as_arrays_and_dates(result):
    by_array = fringefleet.rereference(result, point=np.array([2, 3]))
    assert by_array.identical(fringefleet.rereference(result, point=(2, 3)))
    by_date = fringefleet.rereference(result, date=np.datetime64(DATE))
    assert by_date.identical(fringefleet.rereference(result, date=DATE))


def test_two_periods_with_one_name_are_refused():
    with pytest.raises(InputError, match="two functions of time for the map period_0p333333_amplitude"):
        fringefleet.TimeFunctions(periodic=(0.33333333, 0.33333334))
