"""Small runs, and those for which nobody wants workers: threads of the command do them, alike in all."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import xarray as xr
from dask import delayed
from dask.system import CPU_COUNT

import fringefleet
from fringefleet import Options, Setting
from fringefleet.engine.cancellation import StoppedError, check_not_stopped, stoppable
from fringefleet.execution.backends import ThreadBackend
from fringefleet.execution.graph import tile_tasks
from fringefleet.execution.prepare import prepare
from fringefleet.io.store.lock import lock_path
from fringefleet.simulate import Scene
from long_cases import mostly_long
from polling import marks_of, wait_until

SCENE = Scene(n_date=12, neighbours=3, shape=(96, 96), seed=3)


def begin(*words, **environment):
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it would inherit nohup's
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "fringefleet", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, ours)


def finished(*words, **environment):
    process = begin(*words, **environment)
    out, log = process.communicate(timeout=120)
    return process.returncode, out, log


def report_of(output):
    return json.loads(output.with_name(f"{output.name}.report.json").read_text())


def files_of(output):
    """Give the bytes of all files of a result but of the marks, which have times."""
    files = (path for path in output.rglob("*") if path.is_file() and "progress" not in path.parts)
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def here(stack, tmp_path_factory):
    """A run for which nobody has asked for workers."""
    output = tmp_path_factory.mktemp("here") / "result.zarr"
    return output, finished("invert", stack, output, "--chunks", 48, 96)


def test_a_small_run_starts_no_process_and_says_so(here, stack):
    output, (code, out, log) = here
    assert (code, out) == (0, f"{output}\n"), log
    threads = f"threads of this process, {min(2, CPU_COUNT)} at once"
    assert f"computing in {threads}: at most 0." in log
    assert "less than a worker takes to start (--workers N starts N)" in log
    assert "starting" not in log
    assert "Inverting: 100 %, 2 of 2 tiles" in log
    assert "of the threads' time: read" in log
    found = report_of(output)
    assert found["state"] == "finished"
    assert found["runs"][0]["computed_by"] == threads
    assert {(tile["worker"], tile["address"], tile["state"]) for tile in found["tiles"]} == {
        (None, None, "done")
    }
    assert {tile["pid"] for tile in found["tiles"]} == {found["runs"][0]["pid"]}


@pytest.mark.cluster
def test_workers_that_are_asked_for_write_the_same_bytes_and_say_so(here, stack, tmp_path):
    output = tmp_path / "result.zarr"
    code, _, log = finished("invert", stack, output, "--chunks", 48, 96, "--workers", 1)
    assert code == 0, log
    assert "starting 1 workers" in log
    assert "of the workers' time: read" in log
    assert report_of(output)["runs"][0]["computed_by"] == "workers of a Dask scheduler"
    assert files_of(output) == files_of(here[0])


def test_a_plan_says_who_would_do_it_and_how_long_it_takes(here, stack, tmp_path):
    words = "plan", stack, tmp_path / "result.zarr", "--chunks", 48, 96
    code, out, log = finished(*words)
    assert (code, log) == (0, "")
    assert re.search(r"^Workers +none: threads of this process compute: at most 0\.\d+ s of work", out, re.M)
    assert re.search(r"^Tiles +2 of 2 to do, 48 x 96 pixels; 1 for each of 2 threads$", out, re.M)
    assert re.search(r"^Memory +at most .* for this process, which has", out, re.M)
    assert re.search(r"^Time +about .*\(start \d.*\) if threads do not slow each other down$", out, re.M)
    plain = json.loads(finished(*words, "--json", "--quick")[1])
    assert (plain["n_worker"], plain["n_thread"]) == (0, 2)
    assert 0 < plain["work_seconds"] < 1
    asked = json.loads(finished(*words, "--json", "--quick", "--workers", 2)[1])
    assert (asked["n_worker"], asked["n_thread"], asked["work_seconds"]) == (2, 1, plain["work_seconds"])


def test_a_tile_that_cannot_be_read_is_tried_again_and_skipped_as_on_workers(stack, tmp_path):
    damaged, output = tmp_path / "damaged.zarr", tmp_path / "result.zarr"
    chunks = {name: {"chunks": (33, 48, 48)} for name in ("unwrapped_phase", "coherence")}
    whole = xr.open_zarr(stack).load().drop_encoding()
    whole.to_zarr(damaged, zarr_format=3, consolidated=False, encoding=chunks)
    (damaged / "unwrapped_phase" / "c" / "0" / "1" / "1").write_bytes(b"no chunk")
    words = "--chunks", 48, 48, "--retries", 1, "--on-error", "skip"
    code, _, log = finished("invert", damaged, output, *words)
    assert code == 0, log
    assert "tile (1, 1) (rows 48-96, columns 48-96) failed and is retried in 0.5 s" in log
    assert "tile (1, 1) (rows 48-96, columns 48-96) failed for good after 2 attempts" in log
    assert "1 of 4 tiles were skipped" in log
    assert report_of(output)["totals"]["n_failed"] == 1
    code, _, log = finished("invert", damaged, output, *words[:-2], "--resume")
    assert code == 1
    assert log.splitlines()[-1].startswith("error: tile (1, 1)")


def test_what_a_thread_logs_comes_with_the_name_of_its_tile_as_from_a_worker():
    words = [sys.executable, "-c", LOGS]
    logged = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stderr
    assert logged.splitlines() == ["tile x: hear, hear", "and here"]


LOGS = """
import logging, sys
from fringefleet.processes.worker_logging import tiles_named, working_on
logger = logging.getLogger("fringefleet")
logger.addHandler(logging.StreamHandler())
with tiles_named():
    with working_on("tile x"):
        logging.getLogger("fringefleet.execution.tasks").warning("%s, %s", "hear", "hear")
    logging.getLogger("fringefleet.execution.tasks").warning("and %s", "here")
"""


# --- interrupted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", mostly_long([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], 1))
def test_a_signal_ends_it_with_what_is_done_and_resume_goes_on(number, stack, tmp_path):
    output = tmp_path / "result.zarr"
    words = "invert", stack, output, "--chunks", 4, 4, "--workers", 0
    process = begin(*words)
    wait_until(lambda: marks_of(output), 60)
    os.killpg(process.pid, number)
    out, log = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, ""), log
    assert log.splitlines()[-1].startswith("error: interrupted. Finished tiles are kept in ")
    assert "repeat the command with --resume to continue" in log.splitlines()[-1]
    assert "Traceback" not in log
    assert not lock_path(output).exists()
    assert report_of(output)["state"] == "interrupted"
    n_done = len(marks_of(output))
    assert 0 < n_done < 576
    status = xr.open_zarr(output)["status"].values
    assert (status != 255).sum() >= 16 * n_done
    if number == signal.SIGINT:
        code, _, log = finished(*words, "--resume")
        assert code == 0, log
        assert f"{576 - n_done} of 576 tiles of 4 x 4 pixels to do" in log
        assert (xr.open_zarr(output)["status"].values != 255).all()
        assert [run["state"] for run in report_of(output)["runs"]] == ["interrupted", "finished"]


# Sends a signal when the command imports a module.
STRIKE = """
import os, signal, sys

class Finder:
    def find_spec(self, found, path, target=None):
        if found == os.environ["STRIKE_AT"]:
            sys.meta_path.remove(self)
            os.kill(0, signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("name", ["fringefleet.session.fitting", "numba", "fringefleet.engine.block"])
def test_an_interrupt_while_it_gets_ready_ends_it_with_one_message(name, stack, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(STRIKE)
    output = tmp_path / "result.zarr"
    code, _, log = finished("invert", stack, output, PYTHONPATH=str(tmp_path / "first"), STRIKE_AT=name)
    assert code == 1, log
    assert log.count("error:") == 1
    assert log.splitlines()[-1].startswith("error: interrupted.")
    assert "Traceback" not in log
    assert not lock_path(output).exists()


def test_what_is_under_way_goes_no_further_than_its_next_step():
    crew, begun = ThreadBackend(), threading.Event()

    def tile():
        begun.set()
        while True:
            check_not_stopped()
            time.sleep(0.01)

    futures = [crew.submit(delayed(tile)()) for _ in range(3 * CPU_COUNT)]
    assert begun.wait(10)
    crew.dismiss()
    assert all(future.cancelled() or isinstance(crew.result(future), StoppedError) for future in futures)
    assert not futures[0].cancelled()


def test_a_tile_that_is_to_stop_is_not_written(stack):
    prepared = prepare(fringefleet.open_stack(stack, chunks=None), Options(), Setting())
    written = []
    _, task = tile_tasks(prepared, Options(), (96, 96), lambda *_: written.append(1))[0]
    stop = threading.Event()
    with stoppable(stop):
        task.compute(scheduler="synchronous")
        assert written == [1]
        stop.set()
        with pytest.raises(StoppedError):
            task.compute(scheduler="synchronous")
    assert written == [1]
