"""Functions of time that are fitted to one series by MintPy's ``timeseries2velocity`` and by us."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.io import export_result
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.solver.time_design import TimeModel
from parity.against_mintpy.comparison import read
from parity.against_mintpy.programs import Job, run_mintpy

pytestmark = pytest.mark.mintpy

VALUE = 1e-6  # [m, m/year and so on] of up to 0.3; MintPy writes float32, and solves in it
STD = 1e-4  # relative
CONDITION = 10  # of a design matrix, up to which both hold; beyond it MintPy's float32 shows in proportion
MISSING = 41  # dates of the random series
SERIES = ("mexico", "nasty", "random")


class Fit(NamedTuple):
    """One command line of MintPy, and the same for us."""

    mintpy: str
    ours: dict[str, Any]


FITS = {
    "linear": Fit("", {}),
    "cubic": Fit("--poly 3", {"polynomial": 3}),
    "seasons": Fit("--periodic 1 0.5", {"periodic": (1, 0.5)}),
    "step": Fit("--step {middle}", {"step": "{middle}"}),
    "step with a time": Fit("--step {middle}T1230", {"step": "{middle}T1230"}),
    "polyline": Fit("--polyline {middle}", {"polyline": "{middle}"}),
    "exponential": Fit("--exp {middle} 60", {"exponential": "{middle} 60"}),
    "exponentials": Fit("--exp {middle} 20 120", {"exponential": "{middle} 20 120"}),
    "logarithmic": Fit("--log {middle} 80", {"logarithmic": "{middle} 80"}),
    "many": Fit(
        "--poly 2 --periodic 1 --step {middle} --log {middle} 30",
        {"polynomial": 2, "periodic": 1, "step": "{middle}", "logarithmic": "{middle} 30"},
    ),
    "part": Fit(
        "-s {second} -e {last_but_one} --ex {middle}",
        {"start_date": "{second}", "end_date": "{last_but_one}", "exclude_dates": "{middle}"},
    ),
}
NAMES = {
    "velocity": "velocity",
    "intercept": "intercept",
    "acceleration": "acceleration",
    "derivative_3": "poly3",
    "annual_amplitude": "annualAmplitude",
    "annual_phase": "annualPhase",
    "semiannual_amplitude": "semiAnnualAmplitude",
    "semiannual_phase": "semiAnnualPhase",
    "step_{middle}": "step{middle}",
    "step_{middle}T1230": "step{middle}T1230",
    "velocity_after_{middle}": "velocityPost{middle}",
    "exponential_{middle}_tau_60": "exp{middle}Tau60D",
    "exponential_{middle}_tau_20": "exp{middle}Tau20D",
    "exponential_{middle}_tau_120": "exp{middle}Tau120D",
    "logarithmic_{middle}_tau_80": "log{middle}Tau80D",
    "logarithmic_{middle}_tau_30": "log{middle}Tau30D",
}


def write_random(path):
    """41 irregular dates of three years; a pixel without data has zeros, as MintPy writes it."""
    rng = np.random.default_rng(15)
    days = np.array([0, *np.sort(rng.choice(np.arange(1, 1100), MISSING - 1, replace=False))])
    years = days / 365.25
    series = rng.normal(0, 0.1, (1, 12, 9)) * years[:, None, None]
    series = series + 0.01 * np.cos(2 * np.pi * years)[:, None, None] + rng.normal(0, 0.005, (MISSING, 12, 9))
    series -= series[:1].copy()
    series[:, 2, 3] = series[:, 7, 7] = 0
    dates = (np.datetime64("2016-03-05") + days).astype(str)
    with h5py.File(path, "w") as file:
        file["timeseries"] = series.astype(np.float32)
        file["date"] = np.array([date.replace("-", "") for date in dates], "S8")
        file["bperp"] = np.zeros(MISSING, np.float32)
        file.attrs.update(
            {"FILE_TYPE": "timeseries", "LENGTH": "12", "WIDTH": "9", "REF_DATE": "20160305", "UNIT": "m"}
            | {
                "REF_Y": "2",
                "REF_X": "3",
                "PROCESSOR": "isce",
                "CENTER_LINE_UTC": "45000",
                "WAVELENGTH": "0.055",
            }
            | {"START_DATE": "20160305", "END_DATE": dates[-1].replace("-", ""), "ALOOKS": "1", "RLOOKS": "1"}
        )


def as_result(path):
    """A series of MintPy's as a result of ours."""
    times = np.array([f"{d[:4]}-{d[4:6]}-{d[6:8]}" for d in read(path, "date").astype(str)], "datetime64[ns]")
    with h5py.File(path) as file:
        attrs = dict(file.attrs)
    return xr.Dataset(
        {"displacement": (("date", "y", "x"), read(path, "timeseries"))}, {"date": times}, attrs
    )


class Series:
    """A series in a folder of its own, and the dates that command lines are about."""

    def __init__(self, name: str, data: Path, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "timeseries.h5"
        if name == "random":
            write_random(self.path)
        else:
            stored = {"mexico": "mexico_city/expected/var", "nasty": "nasty_24/expected/var_vel_none"}[name]
            shutil.copy(data / stored / "timeseries.h5", self.path)
        dates = read(self.path, "date").astype(str).tolist()
        self.words = {"second": dates[1], "middle": dates[len(dates) // 2], "last_but_one": dates[-2]}

    def job(self, name: str) -> Job:
        words = FITS[name].mintpy.format(**self.words).split()
        output = f"{name.replace(' ', '_')}.h5"
        arguments = ("timeseries.h5", "-o", output, *words)
        return Job(self.path.parent, "mintpy.cli.timeseries2velocity:main", arguments)

    def given(self, name: str) -> dict[str, Any]:
        return {
            key: value.format(**self.words) if isinstance(value, str) else value
            for key, value in FITS[name].ours.items()
        }

    def ours(self, name: str) -> xr.Dataset:
        return fringefleet.velocity(as_result(self.path), **self.given(name)).compute()

    def condition(self, name: str) -> float:
        """Condition of the design matrix, whose float32 form MintPy solves with."""
        given = {key: value for key, value in self.given(name).items() if "date" not in key}
        dates = as_result(self.path)["date"].values.astype("datetime64[s]").astype(str).tolist()
        model = TimeModel(fringefleet.TimeFunctions(**given), tuple(dates), tuple(range(len(dates))))
        return float(np.linalg.cond(model.matrix))

    def theirs(self, name: str) -> Path:
        return self.path.parent / f"{name.replace(' ', '_')}.h5"


@pytest.fixture(scope="module")
def runs(mintpy, shared_data, tmp_path_factory):
    """All series, with what MintPy has made of them."""
    work = tmp_path_factory.mktemp("velocity")
    series = {name: Series(name, shared_data, work / name) for name in SERIES}
    jobs = [each.job(name) for each in series.values() for name in FITS]
    for outcome in run_mintpy(mintpy, jobs, work / "jobs"):
        outcome.assert_success()
    return series


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", SERIES)
def test_the_same_functions_give_the_same_maps(runs, name, fit):
    series = runs[name]
    ours, loose = series.ours(fit), max(1.0, series.condition(fit) / CONDITION)
    compared = 0
    with h5py.File(series.theirs(fit)) as theirs:
        for our_name, their_name in NAMES.items():
            words = their_name.format(**series.words)
            if words not in theirs:
                continue
            mine, other = ours[our_name.format(**series.words)].values.astype(float), theirs[words][:]
            difference = mine - other
            if their_name.endswith("Phase"):  # times the amplitude it is a displacement
                difference = np.angle(np.exp(1j * difference))
                difference *= theirs[words.replace("Phase", "Amplitude")][:]
            np.testing.assert_allclose(difference, 0, atol=loose * VALUE)
            assert (other != 0).any()
            compared += 1
            if f"{words}Std" in theirs and not their_name.startswith("velocityPost"):
                std = ours[f"{our_name.format(**series.words)}_std"].values
                np.testing.assert_allclose(std, theirs[f"{words}Std"][:], rtol=loose * STD, atol=1e-9)
        np.testing.assert_allclose(
            ours["series_residual_rms"] * np.sqrt(ours["date_count"]),
            theirs["residue"][:],
            rtol=STD,
            atol=1e-7,
        )
    assert compared == len(NAMES) - sum(word.format(**series.words) not in ours for word in NAMES)


def test_the_standard_error_of_a_velocity_afterwards_counts_that_its_parts_are_correlated(runs):
    """MintPy adds the variances of the velocity and of its change; DEVIATIONS.md."""
    series = runs["random"]
    ours, words = series.ours("polyline"), f"velocityPost{series.words['middle']}"
    with h5py.File(series.theirs("polyline")) as theirs:
        other = theirs[f"{words}Std"][:]
    mine = ours[f"velocity_after_{series.words['middle']}_std"].values
    moving = other > 0
    assert (mine[moving] < 0.9 * other[moving]).all()


@pytest.fixture(scope="module")
def others(mintpy, tmp_path_factory):
    """A result with covariances and its files for MintPy, which propagated and drew its own."""
    work = tmp_path_factory.mktemp("uncertainty")
    simulate_stack(Scene(n_date=12, shape=(16, 20)), work / "stack.zarr")
    options = fringefleet.Options(covariance=True)
    fringefleet.run(fringefleet.Run(work / "stack.zarr", work / "result.zarr", options))
    export_result(work / "result.zarr", work / "mintpy", "mintpy")
    ways = {"covariance": ("--ts-cov", "timeseriesDecorCov.h5"), "bootstrap": ("--bc", "1000")}
    entry = "mintpy.cli.timeseries2velocity:main"
    jobs = [
        Job(work / "mintpy", entry, ("timeseries.h5", "-o", f"{way}.h5", "--uq", way, *words))
        for way, words in ways.items()
    ]
    for outcome in run_mintpy(mintpy, jobs, work / "jobs"):
        outcome.assert_success()
    return work


def test_a_covariance_is_propagated_as_mintpy_does(others):
    ours = fringefleet.velocity(xr.open_zarr(others / "result.zarr"), uncertainty="covariance").compute()
    theirs = read(others / "mintpy" / "covariance.h5", "velocityStd")
    np.testing.assert_allclose(ours["velocity_std"], theirs, rtol=1e-5, atol=1e-9)
    assert (theirs > 0).sum() > 300


def test_a_bootstrap_spreads_as_mintpys_does(others):
    """Both by 1,000 draws, each its own."""
    result = xr.open_zarr(others / "result.zarr")
    ours = fringefleet.velocity(result, uncertainty="bootstrap", bootstrap_count=1000).compute()
    theirs = read(others / "mintpy" / "bootstrap.h5", "velocityStd")
    moving = theirs > 0
    ratio = ours["velocity_std"].values[moving] / theirs[moving]
    assert abs(np.median(ratio) - 1) < 0.1
    assert (abs(ratio - 1) < 0.3).all()
