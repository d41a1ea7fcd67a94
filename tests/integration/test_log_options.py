"""What --verbose, --quiet and --log-file show and write, of each command alike."""

import re
import subprocess
import sys

import h5py
import pytest
from rich.console import Console
from typer.testing import CliRunner

from fringefleet.cli import app
from fringefleet.cli.console import end_log_files, start_logging
from fringefleet.cli.progress import show_progress
from fringefleet.session import course
from fringefleet.simulate import Scene

SCENE = Scene(n_date=6, neighbours=2, shape=(24, 20), missing=0.05)
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR)")


@pytest.fixture(autouse=True)
def no_file_left_open():
    yield
    end_log_files()


def call(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def run_process(*args, **more):
    command = [sys.executable, "-m", "fringefleet.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)


def test_a_quiet_run_shows_its_result_alone(stack, tmp_path):
    result = tmp_path / "out.zarr"
    done = run_process("invert", stack, result, "--workers", 0, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{result}\n", "")


def test_a_quiet_run_shows_warnings_and_errors(stack, tmp_path):
    result = tmp_path / "out.zarr"
    nothing_left = ("--mask-dataset", "coherence", "--mask-threshold", 1)
    done = call("invert", stack, result, "--workers", 0, "-q", *nothing_left)
    assert (done.exit_code, done.stdout) == (0, f"{result}\n")
    assert {line.split()[1] for line in done.stderr.splitlines()} == {"WARNING"}
    refused = call("invert", stack, result, "-q")
    assert (refused.exit_code, refused.stderr.startswith("error: ")) == (2, True)


@pytest.mark.cluster
def test_a_log_file_has_everything_also_of_workers_and_is_appended_to(stack, tmp_path):
    log, result = tmp_path / "run.log", tmp_path / "out.zarr"
    words = ("invert", stack, result, "--workers", 1, "--chunks", 12, 20, "--log-file", log)
    done = run_process(*words)
    assert done.returncode == 0, done.stderr
    first = log.read_text()
    assert all(map(LINE.match, first.splitlines()))
    assert f"invert {stack}" in first.splitlines()[0]
    assert "Inverting: 100 %" in first
    shown = [line.partition(" INFO")[2] for line in done.stderr.splitlines() if " INFO" in line]
    assert shown
    assert [line for line in shown if line not in first] == []
    assert "DEBUG" not in done.stderr
    again = run_process(*words, "--overwrite", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, f"{result}\n", "")
    assert log.read_text().startswith(first)
    assert log.read_text().count("Inverting: 100 %") == 2


@pytest.mark.cluster
def test_a_log_file_has_the_failure_of_a_tile_as_its_worker_met_it(stack, tmp_path):
    bad = tmp_path / "bad.zarr"
    assert call("convert", stack, bad, "--chunks", 4, 4).exit_code == 0
    chunk = bad / "unwrapped_phase" / "c" / "0" / "0" / "3"
    chunk.write_bytes(chunk.read_bytes()[:16] + bytes(chunk.stat().st_size - 16))
    log = tmp_path / "run.log"
    words = ("invert", bad, tmp_path / "out.zarr", "--workers", 1, "--retries", 0, "--log-file", log)
    done = run_process(*words)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    text = log.read_text()
    assert re.search(r"DEBUG +(tile|worker) .*: distributed.worker: Compute Failed", text)
    assert re.search(r"^\S+ \S+ ERROR +\S", text, flags=re.MULTILINE)
    assert text.splitlines()[-1].partition("ERROR")[2].strip() in done.stderr


def test_a_failure_leaves_its_traceback_in_the_log_file_only(stack, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(course, "compute", fail)
    log = tmp_path / "run.log"
    done = call("invert", stack, tmp_path / "out.zarr", "--workers", 0, "--log-file", log)
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()
    assert log.read_text().splitlines()[-1].endswith("ERROR   ZeroDivisionError: by nothing.")


def test_a_log_file_that_cannot_be_is_refused_before_any_work(stack, tmp_path):
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["a"] = 1
    before = (tmp_path / "stack.h5").read_bytes()
    for path, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none" / "run.log", "No such file or directory"),
        (tmp_path / "stack.h5", "which is no text; give another file for the log"),
    ):
        done = call("invert", stack, tmp_path / "out.zarr", "--log-file", path)
        assert done.exit_code == 2
        assert str(path) in done.stderr
        assert why in done.stderr
    assert not (tmp_path / "out.zarr").exists()
    assert (tmp_path / "stack.h5").read_bytes() == before


def test_a_full_disk_behind_the_log_file_is_one_warning(stack):
    done = run_process("info", stack, "--log-file", "/dev/full")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "nothing more is written to the log file /dev/full: [Errno 28]" in done.stderr


def test_messages_of_libraries_are_shown_and_written(stack, tmp_path):
    (stack / "more").mkdir()
    try:
        done = run_process("info", stack, "--log-file", tmp_path / "run.log")
    finally:
        (stack / "more").rmdir()
    assert "ZarrUserWarning" in done.stderr
    assert "ZarrUserWarning" in (tmp_path / "run.log").read_text()


def test_more_and_less_are_not_shown_together(stack):
    done = call("info", stack, "--verbose", "--quiet")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: found --verbose and --quiet; leave one of them out.\n",
    )


def test_a_log_file_has_lines_of_progress_where_a_terminal_has_a_bar(tmp_path, capsys):
    console = Console(stderr=True, force_terminal=True, width=100)
    start_logging(console, log_file=tmp_path / "run.log")
    with show_progress(console, "Working") as report:
        report(1.0, 1000)
    assert "Working: 100 %, 1 kpx" in (tmp_path / "run.log").read_text()
    assert "Working: 100 %" not in capsys.readouterr().err
