"""The command ``velocity``, on threads and workers, killed and begun anew, and what reads its maps."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import VelocityRun
from fringefleet.cli import app
from fringefleet.cluster import connect
from fringefleet.io.store.conventions import with_conventions
from fringefleet.simulate import Scene, simulate_stack
from polling import wait_until

SLOW = """
import sys, time
import fringefleet, fringefleet.velocity_maps as module
module.write_maps = lambda *_: time.sleep(300)
fringefleet.run_velocity(fringefleet.VelocityRun(*sys.argv[1:]), client=None)
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    simulate_stack(Scene(n_date=10, shape=(30, 40), missing=0.1), folder / "stack.zarr")
    options = fringefleet.Options(std=True)
    fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr", options, chunks=(16, 40)))
    return folder / "result.zarr"


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def said(outcome):
    return " ".join(outcome.output.split())


def test_the_command_takes_functions_and_dates_as_they_are_written(result, tmp_path):
    output = tmp_path / "maps.zarr"
    words = (
        "--periodic",
        "0.5",
        "0.25",
        "--exponential",
        "20180201",
        "20",
        "60",
        "--exclude-dates",
        "20180130",
    )
    done = command("velocity", result, output, *words, "--start-date", "20180110")
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(output)]
    expected = fringefleet.velocity(
        xr.open_zarr(result),
        periodic=(0.5, 0.25),
        exponential="20180201 20 60",
        exclude_dates="20180130",
        start_date="20180110",
    )
    found = xr.open_zarr(output).load()
    xr.testing.assert_identical(found, with_conventions(expected.compute(), found.attrs["title"]))
    assert expected["date_count"].max() == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--step", "2018"), "found --step '2018'; give dates as YYYYMMDD"),
        (("--exponential", "20180201"), "found --exponential 20180201; give a date and one or more"),
        (("--start-date", "20300101"), "found no date from 20300101 to the last"),
        (("--exclude-dates", "20180101"), "found --exclude-dates 20180101, which is no date of the result"),
        (
            ("--periodic", "1", "0.5", "--step", "20180215", "--polynomial", "5"),
            "for time functions of 11 para",
        ),
        (("--uncertainty", "covariance"), "a displacement_std only in the result; dates are correlated"),
        (("--seed", "3"), "found --seed 3, which has an effect only with --uncertainty bootstrap"),
        (("--periodic", "1", "1.0"), "found --periodic 1.0 twice"),
    ],
)
def test_bad_input_ends_with_2_and_one_message_and_nothing_is_written(result, tmp_path, words, message):
    done = command("velocity", result, tmp_path / "maps.zarr", *words)
    assert done.exit_code == 2
    assert message in said(done)
    assert not list(tmp_path.iterdir())


def test_options_that_mean_nothing_are_named_together(result, tmp_path):
    done = command("velocity", result, tmp_path / "maps.zarr", "--step", "soon", "--bootstrap-count", "5")
    assert "(1) found --step 'soon'" in said(done)
    assert "(2) found --bootstrap-count 5, which has an effect only" in said(done)


def test_what_it_wrote_is_shown_drawn_and_not_taken_for_a_series(result, tmp_path):
    output = tmp_path / "maps.zarr"
    assert command("velocity", result, output, "--step", "20180215").exit_code == 0
    shown = command("info", output)
    assert shown.exit_code == 0
    assert "velocity, Zarr" in said(shown)
    assert "Functions of time polynomial 1; step 20180215" in said(shown)
    drawn = command("plot", output, tmp_path / "pictures")
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "pictures" / "velocity.png").stat().st_size > 10_000
    again = command("velocity", output, tmp_path / "again.zarr")
    assert again.exit_code == 2
    assert "displacement" in said(again)
    exported = command("export", output, tmp_path / "mintpy")
    assert exported.exit_code == 2
    assert "found maps of velocity in" in said(exported)
    assert not (tmp_path / "mintpy").exists()


def test_an_output_is_replaced_only_on_request(result, tmp_path):
    output = tmp_path / "maps.zarr"
    assert command("velocity", result, output).exit_code == 0
    refused = command("velocity", result, output)
    assert refused.exit_code == 2
    assert "--overwrite to replace it" in said(refused)
    assert command("velocity", result, output, "--overwrite", "--uncertainty", "none").exit_code == 0
    assert "velocity_std" not in xr.open_zarr(output)


def test_a_killed_run_leaves_nothing_under_the_name_and_the_next_one_is_the_same(result, tmp_path):
    plain, killed = tmp_path / "plain.zarr", tmp_path / "killed" / "maps.zarr"
    fringefleet.run_velocity(VelocityRun(result, plain), client=None)
    program = subprocess.Popen([sys.executable, "-c", SLOW, result, killed])
    try:
        wait_until(lambda: list(killed.parent.glob(".fringefleet-*/maps.zarr/velocity")), seconds=120)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert not killed.exists()
    fringefleet.run_velocity(VelocityRun(result, killed), client=None)
    assert bytes_of(killed) == bytes_of(plain)
    assert sorted(path.name for path in killed.parent.iterdir()) == ["maps.zarr", "maps.zarr.report.json"]


def bytes_of(store):
    return {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.cluster
def test_workers_write_the_same(result, tmp_path):
    with connect("local", 2):
        fringefleet.run_velocity(VelocityRun(result, tmp_path / "workers.zarr"))
    fringefleet.run_velocity(VelocityRun(result, tmp_path / "threads.zarr"), client=None)
    assert bytes_of(tmp_path / "workers.zarr") == bytes_of(tmp_path / "threads.zarr")


@pytest.mark.cluster
def test_the_command_starts_workers_that_are_asked_for(result, tmp_path):
    done = command("velocity", result, tmp_path / "maps.zarr", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert np.isfinite(xr.open_zarr(tmp_path / "maps.zarr")["velocity"]).any()


def test_a_tile_that_cannot_be_read_ends_the_run_and_leaves_no_maps(result, tmp_path):
    broken = tmp_path / "result.zarr"
    subprocess.run(["cp", "-r", result, broken], check=True)
    chunk = broken / "displacement/c/0/1/0"
    chunk.write_bytes(b"\xff" + chunk.read_bytes()[1:])
    with pytest.raises(fringefleet.errors.RunError, match=r"tile \(1, 0\) .* cannot be read"):
        fringefleet.run_velocity(VelocityRun(broken, tmp_path / "maps.zarr"), client=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.zarr.report.json", "result.zarr"]
