"""Workers that start while the command imports, opens and checks: as many as are of use."""

import _thread
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace

import dask
import psutil
import pytest
from distributed.system import MEMORY_LIMIT

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import begin_early
from fringefleet.cluster.local import begin_local
from fringefleet.simulate import Scene
from long_cases import mostly_long
from polling import wait_until

pytestmark = pytest.mark.cluster

# Sends a signal to all processes of the command, as a terminal does, when one of them imports a module.
STRIKE = """
import os, signal, sys

is_worker = any("spawn_main" in word for word in sys.orig_argv)
name, wants_worker, number = os.environ["STRIKE_AT"].split(",")

class Finder:
    def find_spec(self, found, path, target=None):
        if found == name:
            sys.meta_path.remove(self)
            os.killpg(0, int(number))

if is_worker == (wants_worker == "True") and ("fringefleet" in sys.orig_argv or is_worker):
    sys.meta_path.insert(0, Finder())
"""
# A worker that takes ten minutes to start.
SLUGGISH = """
import sys, time

if any("spawn_main" in word for word in sys.orig_argv):
    time.sleep(600)
"""


SCENE = Scene(n_date=5, shape=(24, 20))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path):
    """No folder of workers."""
    with dask.config.set({"temporary-directory": str(tmp_path)}):
        yield
    assert list(tmp_path.rglob("fringefleet-*")) == []


def command(tmp_path, *words, program="", **environment):
    """Run a command in a group of processes of its own; no process of it is left."""
    (tmp_path / "first").mkdir(exist_ok=True)
    (tmp_path / "first" / "sitecustomize.py").write_text(program)
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it would inherit nohup's
    process = subprocess.Popen(
        [sys.executable, "-m", "fringefleet", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "first"), "TMPDIR": str(tmp_path)} | environment,
        start_new_session=True,
    )
    signal.signal(signal.SIGHUP, ours)
    _, log = process.communicate(timeout=120)
    wait_until(lambda: not group(process.pid), 20, lambda: group(process.pid))
    return process.returncode, log


def group(number):
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            if os.getpgid(process.pid) == number and not is_dead:
                found.append(process)
    return found


MOMENTS = [
    ("fringefleet.cluster", False, signal.SIGINT),
    ("distributed.scheduler", False, signal.SIGTERM),
    ("fringefleet.pipeline", False, signal.SIGINT),  # the worker is on its way
    ("fringefleet.io.readers.gmtsar", False, signal.SIGHUP),
    ("numba", True, signal.SIGINT),  # it warms up
    ("fringefleet.cli.invert", False, signal.SIGINT),
    ("fringefleet.cluster.local", False, signal.SIGINT),
    ("distributed", True, signal.SIGINT),
    ("fringefleet.processes.http_off", True, signal.SIGTERM),
    ("fringefleet.engine.block", True, signal.SIGINT),
]


@pytest.mark.parametrize(("name", "is_worker", "number"), mostly_long(MOMENTS, 5))
def test_an_interrupt_at_any_moment_of_the_start_ends_all_with_one_message(
    name, is_worker, number, stack, tmp_path
):
    where = f"{name},{is_worker},{int(number)}"
    words = "invert", stack, tmp_path / "result.zarr", "--workers", 1
    code, log = command(tmp_path, *words, program=STRIKE, STRIKE_AT=where)
    assert code == 1, log
    assert log.count("error:") == 1
    assert log.splitlines()[-1].startswith("error: interrupted.")
    assert "Traceback" not in log
    assert not list(tmp_path.glob("*lock*"))


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where a test has imported dask-jobqueue, which has another idea."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_messages_of_a_start_that_is_interrupted_are_not_shown_while_it_ends(interruptible, caplog):
    with begin_local(ClusterOptions("local", n_worker=1, worker_memory="1GB")) as start:
        threading.Timer(0.2, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt), start.workers():
            pass
        logging.getLogger("tornado.application").error("Exception in callback of %s", "a start")
        assert "a start" not in caplog.text
    logging.getLogger("tornado.application").error("Exception in callback of %s", "another")
    assert "another" in caplog.text


def test_what_is_refused_does_not_wait_for_workers_that_start(stack, tmp_path):
    output = tmp_path / "result.zarr"
    words = "--workers", 1
    code, log = command(tmp_path, "invert", tmp_path / "nothing.zarr", output, *words, program=SLUGGISH)
    assert (code, output.exists()) == (2, False)
    assert log.count("\n") == 1
    assert "nothing.zarr" in log
    words = *words, "--reference-point", 99, 99
    code, log = command(tmp_path, "invert", stack, output, *words, program=SLUGGISH)
    assert (code, output.exists(), log.count("\n")) == (2, False, 1)
    assert log.startswith("error: ")


def test_what_is_wrong_with_workers_is_said_with_what_else_is(stack, tmp_path):
    words = "--norm", "huber", "--huber-threshold", -1, "--worker-memory", "much"
    code, log = command(tmp_path, "invert", stack, tmp_path / "result.zarr", *words)
    assert code == 2
    assert log.startswith("error: (1) ")
    assert "much" in log


@pytest.mark.long
def test_no_more_workers_start_than_there_are_tiles(stack, tmp_path):
    output = tmp_path / "result.zarr"
    code, log = command(tmp_path, "invert", stack, output, "--workers", 3)
    assert code == 0, log
    assert "starting 1 workers" in log
    code, log = command(tmp_path, "invert", stack, output, "--workers", 3, "--overwrite", "--chunks", 12, 20)
    assert code == 0, log
    assert "starting 2 workers" in log
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    assert report["state"] == "finished"


def test_workers_become_as_many_as_are_of_use_with_an_equal_share_of_memory():
    options = ClusterOptions("local", 2, worker_memory=MEMORY_LIMIT // 2)
    with begin_early(options, n_worker=2) as early, early.connect(options) as workers:
        assert (workers.n_worker, workers.worker_memory) == (2, MEMORY_LIMIT // 2)
        assert len(set(workers.client.run(os.getpid).values())) == 2


def test_workers_that_do_not_fit_make_way_for_others():
    options = ClusterOptions("local", 2, worker_memory=MEMORY_LIMIT // 2)
    wanted = replace(options, n_worker=1, worker_memory=MEMORY_LIMIT)
    before = {process.pid for process in psutil.Process().children()}
    with begin_early(options, n_worker=2) as early:
        wait_until(lambda: new_workers(before), 60)
        (first,) = new_workers(before)
        with early.connect(wanted) as workers:
            assert (workers.n_worker, workers.worker_memory) == (1, MEMORY_LIMIT)
            (pid,) = workers.client.run(os.getpid).values()
            assert pid != first.pid
            assert [process.pid for process in new_workers(before)] == [pid]
    assert new_workers(before) == []


def test_workers_that_make_way_at_once_do_so_too():
    options = ClusterOptions("local", 1)
    with (
        begin_early(options, n_worker=1) as early,
        early.connect(replace(options, worker_memory="1GB")) as it,
    ):
        assert it.worker_memory == 10**9


def test_workers_that_are_not_wanted_are_ended_before_they_are_there():
    before = {process.pid for process in psutil.Process().children()}
    with begin_early(ClusterOptions("local", 1), n_worker=1):
        wait_until(lambda: new_workers(before), 60)
    wait_until(lambda: not new_workers(before), 5, lambda: new_workers(before))


def new_workers(before):
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            is_worker = "spawn_main" in " ".join(process.cmdline())
            if is_worker and process.pid not in before and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
