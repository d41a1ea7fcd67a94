"""Warming up: in every worker that is started, before its first tile, whatever becomes of it."""

import os
import signal
import sys

import psutil
import pytest

import fringefleet
from fringefleet.cluster import connect
from fringefleet.errors import DeviceError
from fringefleet.execution import warm_up
from polling import wait_until
from warmth import is_warm

pytestmark = pytest.mark.cluster


def test_a_worker_has_imported_all_that_tiles_need_before_its_first_task():
    with connect("local", 1) as workers:
        assert workers.client.submit(is_warm).result()


def test_warming_up_solves_pixels_or_says_that_the_device_is_not_there():
    warm_up.warm_up("cpu")
    import torch

    if torch.cuda.is_available():
        warm_up.warm_up("cuda")
        assert torch.cuda.is_initialized()
    else:
        with pytest.raises(DeviceError):
            warm_up.warm_up("cuda")


def test_a_worker_that_cannot_warm_up_starts_all_the_same(monkeypatch):
    """What is wrong is said when it is asked for its device, or by its first tile."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    options = {"preload": ["import fringefleet.execution.warm_up as w; w.FIRST_USED = ('no_such_module',)"]}
    with connect("local", 1, options=options) as workers:
        assert workers.client.submit(sum, [1, 2]).result() == 3
        assert not workers.client.submit(is_warm).result()


def test_a_worker_that_was_closed_ends_at_once_and_one_that_fails_says_so():
    with connect("local", 1) as workers:
        (pid,) = workers.client.run(os.getpid).values()
        process = psutil.Process(pid)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 5)


def test_a_worker_that_comes_in_the_place_of_another_is_warm_too():
    with connect("local", 1) as workers:
        (pid,) = workers.client.run(os.getpid).values()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pids_of(workers.client) - {pid}, 60)
        assert workers.client.submit(is_warm, pure=False).result()


def pids_of(client):
    return {answer for answer in client.run(os.getpid, on_error="return").values() if isinstance(answer, int)}


def test_threads_that_are_workers_do_not_end_their_program():
    with connect("local", 1, options={"processes": False}) as workers:
        assert workers.client.submit(is_warm).result()
    assert fringefleet.Options().device == "cpu"  # still here
