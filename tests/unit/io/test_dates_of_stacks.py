"""Dates with and without their times, in every format that has dates, and options that name one."""

import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.cli import app
from fringefleet.errors import OptionError, StackFormatError
from fringefleet.io.writers.mintpy import export_mintpy
from unit.io.readers import checks, geotiffs

DATES = checks.text_dates(checks.simulated())
FIRST, SECOND = "20180106", "20180118"
ENDING = "T001225"


def mixed(second_time=ENDING, also=()):
    """The pairs with the time of one date written in some places only, and other times in others."""
    rows = [list(pair) for pair in DATES]
    places = [(i, j) for i, pair in enumerate(rows) for j in (0, 1) if pair[j] == SECOND]
    for (i, j), ending in zip(places, (second_time, "", *also), strict=False):
        rows[i][j] += ending
    return rows


def write_mintpy(path, rows):
    stack = checks.simulated()
    with h5py.File(path, "w") as file:
        file["unwrapPhase"] = stack.unwrapped_phase.values
        file["coherence"] = stack.coherence.values
        file["date"] = np.array(rows, "S20")
        said = {"REF_Y": checks.POINT[0], "REF_X": checks.POINT[1], "WAVELENGTH": 0.0555, "NCORRLOOKS": 20}
        file.attrs.update({name: str(value) for name, value in said.items()})
    return path


def write_dolphin(path, rows):
    geotiffs.dolphin(path, checks.simulated())
    for (first, second), row in zip(DATES, rows, strict=True):
        for file in [*path.rglob(f"{first}_{second}.*")]:
            file.rename(file.with_name(file.name.replace(f"{first}_{second}", "_".join(row))))
    return path


def write_zarr(path, rows):
    columns = np.array(rows, object).T
    names = {"reference_date": columns[0].astype("U20"), "secondary_date": columns[1].astype("U20")}
    stack = checks.simulated().assign_coords({name: ("pair", values) for name, values in names.items()})
    stack.to_zarr(path, zarr_format=3, consolidated=False)
    return path


WRITERS = {
    "MintPy": (write_mintpy, "a.h5"),
    "dolphin": (write_dolphin, "work"),
    "Zarr": (write_zarr, "a.zarr"),
}


@pytest.mark.filterwarnings("ignore:The data type")  # Zarr on fixed-length text
@pytest.mark.parametrize("form", WRITERS)
def test_a_date_in_two_precisions_is_one_date(form, tmp_path, caplog):
    write, name = WRITERS[form]
    stack = fringefleet.open_stack(write(tmp_path / name, mixed()))
    times = {*stack.reference_date.values.tolist(), *stack.secondary_date.values.tolist()}
    assert len(times) == 6
    assert f"{SECOND} and {SECOND}{ENDING}" in caplog.text


@pytest.mark.filterwarnings("ignore:The data type")
@pytest.mark.parametrize("form", WRITERS)
def test_a_date_that_may_be_either_of_two_is_refused(form, tmp_path):
    write, name = WRITERS[form]
    path = write(tmp_path / name, mixed(also=("T1302",)))
    with pytest.raises(
        StackFormatError, match=rf"{SECOND} in two precisions, .*{SECOND}{ENDING}, {SECOND}T130200"
    ):
        fringefleet.open_stack(path)


def with_times(reference, secondary):
    coords = {"reference_date": ("pair", reference), "secondary_date": ("pair", secondary)}
    return checks.simulated().assign_coords(coords)


def test_times_of_one_column_and_days_of_the_other_are_one_date_each(tmp_path):
    stack = checks.simulated()
    later = stack.secondary_date.values + np.timedelta64(12, "h")
    with_times(stack.reference_date.values, later).to_zarr(
        tmp_path / "a.zarr", zarr_format=3, consolidated=False
    )
    found = fringefleet.open_stack(tmp_path / "a.zarr")
    times = {*found.reference_date.values.tolist(), *found.secondary_date.values.tolist()}
    assert len(times) == 6
    numbers = stack.reference_date.dt.strftime("%Y%m%d").values.astype(int)
    with_times(numbers, later).to_zarr(tmp_path / "b.zarr", zarr_format=3, consolidated=False)
    assert fringefleet.open_stack(tmp_path / "b.zarr").reference_date.equals(found.reference_date)


def test_a_midnight_that_a_pair_tells_from_noon_is_a_date_of_its_own(tmp_path):
    hours = np.arange(0, 120, 12)  # a radar on the ground
    times = np.datetime64("2018-01-06", "ns") + hours.astype("timedelta64[h]")
    with_times(times[:9], times[1:10]).to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    found = fringefleet.open_stack(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.reference_date, times[:9])


TIMED = [[f"{date}T001225" for date in pair] for pair in DATES]


@pytest.mark.parametrize(
    "wanted", ["20180118", "2018-01-18", "180118", "20180118T00", "20180118T0012", "20180118T001225"]
)
def test_the_reference_date_is_taken_at_any_precision(wanted, tmp_path):
    stack = fringefleet.open_stack(write_mintpy(tmp_path / "a.h5", TIMED))
    result = fringefleet.invert(stack, reference_date=wanted)
    assert result.attrs["reference_date"] == "2018-01-18T00:12:25"
    path = str(tmp_path / "a.h5")
    assert CliRunner().invoke(app, ["plan", path, "--quick", "--reference-date", wanted]).exit_code == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("20180119", "which is not one of the 7 dates: .*20180118T001225"),
        ("20180118", r"which may be any of 20180118T001225, 20180118T130200; give one of them"),
        ("20180118T01", "not one of the 7 dates"),
        ("yesterday", "reference_date: found the date 'yesterday'; a date has the form"),
        ("20180230", "which does not exist"),
        ("", "found the date ''"),
    ],
)
def test_a_reference_date_that_is_none_or_several_is_refused(wanted, message, tmp_path):
    rows = [list(pair) for pair in TIMED]
    rows[-1][1] = "20180118T1302"
    path = write_mintpy(tmp_path / "a.h5", rows)
    with pytest.raises(OptionError, match=message):
        fringefleet.invert(fringefleet.open_stack(path), reference_date=wanted)
    result = CliRunner().invoke(app, ["plan", str(path), "--quick", "--reference-date", wanted])
    assert result.exit_code == 2


def test_the_date_of_a_covariance_is_taken_at_any_precision_too(tmp_path):
    path = write_mintpy(tmp_path / "a.h5", TIMED)
    options = Options(covariance=True)
    fringefleet.run(Run(path, tmp_path / "out.zarr", options, Setting(reference_point=checks.POINT)))
    values = []
    for wanted in ("20180118", "20180118T0012", "20180118T001225"):
        export_mintpy(tmp_path / "out.zarr", tmp_path, covariance_date=wanted, overwrite=True)
        with h5py.File(tmp_path / "timeseriesDecorCov.h5") as file:
            values.append(next(iter(data[()] for data in file.values() if data.ndim == 4)))
            assert file.attrs["REF_DATE"] == "20180118T001225"
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])
    assert xr.open_zarr(tmp_path / "out.zarr", consolidated=False).attrs["reference_date"] != "20180118"
