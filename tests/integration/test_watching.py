"""A run is watched: progress, logs and warnings of workers, its report, and what was forecast of it."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import warnings

import distributed
import pytest

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.errors import InputError, MissingExtraError, RunError
from fringefleet.execution.check import check
from fringefleet.execution.estimate import forecast, with_seconds
from fringefleet.execution.graph import tile_tasks
from fringefleet.execution.prepare import prepare
from fringefleet.execution.scheduler import execute
from fringefleet.io import convert_stack
from fringefleet.pipeline import compute
from fringefleet.processes.worker_logging import forward_logs
from fringefleet.session.watching import check_performance_report
from fringefleet.simulate import Scene, simulate_stack
from machine import peak_memory
from polling import marks_of, wait_until

pytestmark = pytest.mark.cluster
SHAPE = (120, 160)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=30, shape=SHAPE, seed=1), path)
    return path


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def reference_point(stack):
    return fringefleet.open_stack(stack, chunks=None).attrs["reference_point"]


def report_of(output):
    return json.loads(output.with_name(f"{output.name}.report.json").read_text())


def test_every_tile_of_a_run_on_workers_is_in_the_report_and_as_forecast(stack, client, tmp_path):
    client.restart()
    checked = check(Run(stack, tmp_path / "out.zarr", Options(std=True), chunks=(60, 80)))
    expected = with_seconds(forecast(checked, 2), checked)
    compute(checked)
    found = report_of(tmp_path / "out.zarr")
    assert found["state"] == "finished"
    workers = {worker["address"]: worker for worker in found["workers"]}
    assert set(workers) <= set(client.nthreads())
    assert all(worker["versions"]["fringefleet"] == fringefleet.__version__ for worker in workers.values())
    assert [tile["tile"] for tile in found["tiles"]] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for tile in found["tiles"]:
        assert tile["rows"] == [60 * tile["tile"][0], 60 * tile["tile"][0] + 60]
        worker = workers[tile["address"]]
        assert (tile["pid"], tile["host"], tile["gpu"]) == (worker["pid"], worker["host"], None)
        assert tile["pid"] != os.getpid()
        assert min(tile["seconds"][stage] for stage in ("read", "solve", "write")) > 0
    total = found["totals"]
    assert sum(total["seconds"].values()) < 2 * total["wall_seconds"]
    assert sum(total["share"].values()) == pytest.approx(1, abs=1e-3)
    assert total["n_pixel"] == SHAPE[0] * SHAPE[1] == expected.n_pixel
    # the forecast: bytes are exact, memory is an upper bound, seconds are for people
    assert (total["bytes_read"], total["bytes_written"]) == (expected.bytes_read, expected.bytes_written)
    on_disk = sum(file.stat().st_size for file in (tmp_path / "out.zarr").glob("*/c/**/*") if file.is_file())
    assert 0.3 * expected.disk_needed < on_disk <= expected.disk_needed
    peak = max(client.run(peak_memory).values())
    assert peak <= expected.memory_needed <= 2 * peak
    print(f"seconds forecast: {expected.seconds}; found: {total['seconds']}, both workers")  # noqa: T201


def test_logs_and_warnings_of_a_tile_reach_the_users_log_with_its_name(stack, client, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    prepared = prepare(fringefleet.open_stack(stack, chunks=None), Options(), Setting())

    def write(tile, series):
        logging.getLogger("fringefleet.engine.block").info("went on with %d pixels", series.status.size)
        logging.getLogger("fringefleet.engine.block").debug("nobody asked for this")
        logging.getLogger("elsewhere").warning("not ours")
        if tile.number == (0, 1):
            warnings.warn("the disk is nearly full", RuntimeWarning, stacklevel=1)

    tasks = tile_tasks(prepared, Options(), (60, 80), write)
    with forward_logs(client):
        execute(tasks)
    text = [
        record.getMessage()
        for record in caplog.records
        if record.name == "fringefleet.processes.worker_logging"
    ]
    for tile, _ in tasks:
        assert f"{tile}: went on with 4800 pixels" in text
    (warning,) = [line for line in text if "nearly full" in line]
    assert warning.startswith("tile (0, 1) (rows 0-60, columns 80-160): ")
    assert len(text) == len(tasks) + 1
    caplog.clear()
    execute(tile_tasks(prepared, Options(), (61, 80), write)[:1])  # nobody forwards any more
    assert not [record for record in caplog.records if record.name == "fringefleet.processes.worker_logging"]


def test_a_run_that_fails_names_its_tile_in_the_report_and_resumes_to_the_right_totals(
    stack, client, tmp_path
):
    damaged = tmp_path / "stack.zarr"
    convert_stack(stack, damaged, chunks=(60, 80))
    # the chunk of the reference point is read before any work
    i, j = (1 - k // n for k, n in zip(reference_point(damaged), (60, 80), strict=True))
    chunk = damaged / f"unwrapped_phase/c/0/{i}/{j}"
    whole = chunk.read_bytes()
    chunk.write_bytes(b"\xff" + whole[1:])  # no version of Blosc
    job = Run(damaged, tmp_path / "out.zarr", chunks=(60, 80))
    with pytest.raises(RunError, match=rf"tile \({i}, {j}\)"):
        fringefleet.run(job)
    found = report_of(job.output)
    assert found["state"] == "failed"
    assert f"tile ({i}, {j})" in found["runs"][0]["error"]
    failed = [tile for tile in found["tiles"] if tile["state"] == "failed"]
    assert [tile["tile"] for tile in failed] == [[i, j]]
    assert failed[0]["attempts"] == 3
    assert "unwrapped_phase" in failed[0]["error"]
    assert (found["totals"]["n_done"], found["totals"]["n_failed"]) == (3, 1)
    chunk.write_bytes(whole)
    fringefleet.run(Run(damaged, job.output, existing="resume", accept_touched=True))
    found = report_of(job.output)
    assert found["state"] == "finished"
    assert [run["state"] for run in found["runs"]] == ["failed", "finished"]
    total = found["totals"]
    assert (total["n_done"], total["n_failed"], total["n_pixel"]) == (4, 0, SHAPE[0] * SHAPE[1])
    assert total["bytes_read"] == forecast(check(Run(damaged, tmp_path / "new.zarr")), 1).bytes_read


def marks(output):
    return len(marks_of(output))


def command(stack, output, *more):
    given = [sys.executable, "-m", "fringefleet", "invert", stack, output, "--chunks", 6, 8, "--workers", 2]
    return list(map(str, [*given, *more]))


@pytest.mark.long
def test_the_command_shows_its_progress_and_keeps_its_totals_when_interrupted_and_killed(stack, tmp_path):
    output, n_tile = tmp_path / "out.zarr", 400
    for end, more in ((signal.SIGINT, ()), (signal.SIGKILL, ("--resume",))):
        before = marks(output)
        with subprocess.Popen(
            command(stack, output, *more), start_new_session=True, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                wait_until(lambda n=before: marks(output) >= n + 5, 100)
            finally:
                (os.killpg if end == signal.SIGKILL else os.kill)(process.pid, end)
            errors = process.communicate(timeout=60)[1]
        assert process.returncode in (1, -signal.SIGKILL), errors
        assert marks(output) < n_tile
    interrupted = report_of(output)["runs"]
    assert [run["state"] for run in interrupted] == ["interrupted", "running"]
    html = tmp_path / "work.html"
    done = subprocess.run(
        command(stack, output, "--resume", "--performance-report", html, "--dashboard"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "dashboard: http://127.0.0.1:" in done.stderr
    assert "knows no password: every user of" in done.stderr
    assert re.search(r"100 %, (\d+) of \1 tiles", done.stderr)  # of this run
    assert "px/s" in done.stderr
    assert "B/s" in done.stderr
    assert "of the workers' time: read" in done.stderr
    assert "Dask Performance Report" in html.read_text()
    found = report_of(output)
    assert [run["state"] for run in found["runs"]] == ["interrupted", "interrupted", "finished"]
    total = found["totals"]
    assert (total["n_tile"], total["n_done"], total["n_left"]) == (n_tile, n_tile, 0)
    assert total["n_pixel"] == sum(total["pixels"].values()) == SHAPE[0] * SHAPE[1]


def test_a_performance_report_without_bokeh_is_refused_before_any_work(tmp_path, monkeypatch):
    check_performance_report(None)
    check_performance_report(tmp_path / "work.html")
    monkeypatch.setitem(sys.modules, "bokeh", None)  # what Python does with a module that cannot be had
    with pytest.raises(MissingExtraError, match=r"fringefleet\[dashboard\]"):
        check_performance_report(tmp_path / "work.html")
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder that you may write to"):
        check_performance_report(tmp_path / "file" / "work.html")
