"""A run as a file: what it leaves beside its output, ``config``, ``--config`` and ``rerun``."""

import re
import tomllib

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet.arguments.declaration import declared_fields
from fringefleet.cli import app
from fringefleet.cluster import ClusterOptions
from fringefleet.execution.compose import job_of
from fringefleet.execution.job import PARTS_OF_RUN, Run
from fringefleet.execution.run_file import write_run_file
from fringefleet.session.run_file import default_text, read_run_file, write_session_file
from fringefleet.simulate import Scene

SCENE = Scene(n_date=12, shape=(12, 16), missing=0.05)
UNUSUAL = {
    "weight_func": "coh",
    "norm": "huber",
    "velocity": True,
    "periodic": (0.5,),
    "step": "20180118",
    "exponential": "20180110 60",
    "drop_unreferenced": True,
    "wavelength": 0.0555,
    "rows": (2, 9),
    "exclude_dates": "20180130",
    "min_coherence": 0.1,
    "chunks": (8, 8),
    "on_error": "skip",
    "retries": 0,
}


def command(*words, code=0):
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result.output


def same(one, other):
    with xr.open_zarr(one) as first, xr.open_zarr(other) as second:
        xr.testing.assert_identical(first.drop_attrs(deep=False).load(), second.drop_attrs(deep=False).load())


def test_the_printed_file_has_every_option_commented_out_with_its_default(tmp_path):
    text = command("config")
    assert text == default_text()
    assert all(not table for table in tomllib.loads(text).values())
    for owner in (Run, *PARTS_OF_RUN.values(), ClusterOptions):
        for field, _, _ in declared_fields(owner):
            assert re.search(rf"^# {field.name} = \S", text, re.MULTILINE), field.name
    (tmp_path / "run.toml").write_text(text)
    assert read_run_file(tmp_path / "run.toml") == ({}, None)


def test_what_is_written_is_read_as_the_same_run(tmp_path):
    for named in ({}, UNUSUAL):
        job = job_of(Run, tmp_path / "stack.zarr", tmp_path / "out.zarr", named)
        write_run_file(job)
        read = read_run_file(tmp_path / "out.zarr.run.toml").options
        assert job_of(Run, read.pop("stack"), read.pop("output"), read) == job


def test_every_run_leaves_its_options_and_rerun_repeats_it(stack, tmp_path):
    fringefleet.run(stack, tmp_path / "python.zarr", progress=False, **UNUSUAL)
    command("rerun", tmp_path / "python.zarr.report.json", "--output", tmp_path / "again.zarr")
    same(tmp_path / "python.zarr", tmp_path / "again.zarr")
    told = command("rerun", tmp_path / "again.zarr", code=2)
    assert "--resume" in told
    assert "--overwrite" in told
    command("rerun", tmp_path / "again.zarr.run.toml", "--overwrite")
    same(tmp_path / "python.zarr", tmp_path / "again.zarr")


def test_options_of_a_file_are_used_where_none_are_given(stack, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[inversion]\nnorm = "huber"\nweight_func = "no"\n[cluster]\nn_worker = 0\n')
    command("invert", stack, tmp_path / "a.zarr", "--config", file, "--weight-func", "coh")
    read = read_run_file(tmp_path / "a.zarr.run.toml").options
    assert (read["norm"], read["weight_func"]) == ("huber", "coh")
    assert tomllib.loads((tmp_path / "a.zarr.run.toml").read_text())["cluster"]["n_worker"] == 0
    fringefleet.run(stack, tmp_path / "b.zarr", norm="huber", weight_func="coh", progress=False)
    same(tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert '"huber"' not in command("plan", stack, "--config", file, "--quick", "--json")


@pytest.mark.cluster
def test_a_zero_on_the_command_line_is_a_value_and_takes_precedence(stack, tmp_path):
    (tmp_path / "run.toml").write_text("[failures]\nretries = 3\n[inversion]\nmin_redundancy = 2.0\n")
    words = ("--config", tmp_path / "run.toml", "--retries", 0, "--min-redundancy", 0, "--workers", 0)
    command("invert", stack, tmp_path / "out.zarr", *words)
    left = tomllib.loads((tmp_path / "out.zarr.run.toml").read_text())
    assert (left["failures"]["retries"], left["inversion"]["min_redundancy"]) == (0, 0)


def test_other_options_that_read_other_files_are_no_other_stack(stack, tmp_path):
    output = tmp_path / "out.zarr"
    command("invert", stack, output, "--workers", 0)
    told = command("invert", stack, output, "--weight-func", "no", "--workers", 0, "--resume", code=2)
    told = " ".join(told.split())
    assert "found --weight-func no (it was var)" in told
    assert "the stack differs" not in told


def test_workers_are_part_of_the_file(stack, tmp_path):
    job = Run(stack, tmp_path / "out.zarr", chunks=(6, 8))
    workers = ClusterOptions("local", 1, worker_memory="1GB", options={"threads_per_worker": 2})
    write_session_file(job, workers)
    command("rerun", tmp_path / "out.zarr.run.toml")
    table = tomllib.loads((tmp_path / "out.zarr.run.toml").read_text())["cluster"]
    assert (table["cluster"], table["worker_memory"]) == ("local", "1GB")
    assert table["options"] == {"threads_per_worker": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[inversion]\nnorn = "l1"',
            r"unknown option in \[inversion\] of .*run.toml 'norn'. Did you mean",
        ),
        ("[inversions]\nstd = true", r"unknown table of .*run.toml 'inversions'. Did you mean inversion"),
        ("inversion = 3", r"found inversion = 3 in .*run.toml; begin a table with the line \[inversion\]"),
        ('[inversion]\nnorm = "l3"', "run.toml: found norm = 'l3'; use one of l2, l1, huber"),
        ("[inversion]\nstd = 3", "run.toml: found std = 3"),
        ('norm = "l1"', r"found norm in .*run.toml before any table; write it below the line \[inversion\]"),
        ("[part]\nrows = 3", "run.toml: found rows = 3; give the first row"),
        ("[failures]\nretries = -1", "run.toml: found retries = -1; give 0 or more"),
        ("[inversion", "run.toml is no TOML file"),
        ("[cluster.options]\npreload = 'evil.py'", r"found preload in \[cluster.options\]"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_work(text, message, stack, tmp_path):
    (tmp_path / "run.toml").write_text(text)
    told = command("invert", stack, tmp_path / "out.zarr", "--config", tmp_path / "run.toml", code=2)
    assert re.search(message, " ".join(told.split())), told
    assert not (tmp_path / "out.zarr").exists()


def test_a_run_with_an_array_in_memory_says_that_no_file_can_hold_it(stack, tmp_path):
    fringefleet.run(stack, tmp_path / "out.zarr", water_mask=np.ones((12, 16), bool), progress=False)
    told = command("rerun", tmp_path / "out.zarr", code=2)
    assert "water_mask was an array in memory" in " ".join(told.split())


def test_where_no_file_is_there_is_none_to_repeat(tmp_path):
    told = command("rerun", tmp_path / "out.zarr", code=2)
    assert "out.zarr.run.toml, which every run" in " ".join(told.split()).replace(" / ", "/")


def test_a_run_goes_on_where_its_options_cannot_be_written(stack, tmp_path, caplog):
    mine = tmp_path / "out.zarr.run.toml" / "mine"
    mine.parent.mkdir()
    mine.touch()
    summary = fringefleet.run(stack, tmp_path / "out.zarr", progress=False)
    assert summary.n_tile == 1
    assert "the options of the run cannot be written to" in caplog.text
    assert mine.exists()
