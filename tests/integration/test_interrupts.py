"""How a run is stopped: Ctrl-C, which goes to all processes of a terminal, and signals to one of them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

import fringefleet
from fringefleet.cluster import connect, local
from fringefleet.errors import WorkersLostError
from fringefleet.io.store.lock import lock_path
from fringefleet.simulate import Scene, simulate_stack
from long_cases import mostly_long
from polling import marks_of, wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=12, neighbours=3, shape=(96, 96), seed=3), path)
    return path


@pytest.fixture
def run(stack, tmp_path):
    """A command that has a thousand tiles to do, in a group of processes of its own."""
    folder, log = tmp_path / "temporary", (tmp_path / "log").open("w+")
    folder.mkdir()
    words = ["invert", stack, tmp_path / "result.zarr", "--chunks", 3, 3, "--workers", 2]
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it would inherit nohup's, where the tests have it
    process = subprocess.Popen(
        [sys.executable, "-m", "fringefleet", *map(str, words)],
        stderr=log,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(folder)},
        start_new_session=True,
    )
    signal.signal(signal.SIGHUP, ours)
    yield process
    process.kill()
    process.wait(30)
    log.close()


def said(tmp_path):
    return (tmp_path / "log").read_text()


def ended(run, tmp_path):
    """Wait for its end; it has said once that it was interrupted, and left nothing."""
    run.wait(60)
    log = said(tmp_path)
    assert run.returncode == 1, log
    assert "Traceback" not in log
    assert log.count("error:") == 1
    assert "error: interrupted" in log.splitlines()[-1]
    assert list((tmp_path / "temporary").glob("fringefleet*")) == []
    assert not lock_path(tmp_path / "result.zarr").exists()
    return log


def workers(pid):
    return [child for child in psutil.Process(pid).children(recursive=True) if is_worker(child)]


def is_worker(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_while_workers_start_is_not_forgotten(run, tmp_path):
    wait_until(lambda: "starting 2 workers" in said(tmp_path), 60)
    wait_until(lambda: workers(run.pid), 60)
    os.killpg(run.pid, signal.SIGINT)
    assert "tiles of 3 x 3 pixels to do" not in ended(run, tmp_path)


def test_ctrl_c_after_a_worker_was_replaced_shows_nothing_of_its_insides(run, tmp_path):
    output = tmp_path / "result.zarr"
    wait_until(lambda: marks_of(output), 60, lambda: said(tmp_path))
    victim = workers(run.pid)[0]
    victim.kill()
    wait_until(lambda: victim not in workers(run.pid) and len(workers(run.pid)) == 2, 60)
    os.killpg(run.pid, signal.SIGINT)
    assert "repeat the command with --resume" in ended(run, tmp_path)


@pytest.mark.parametrize("number", mostly_long([signal.SIGTERM, signal.SIGHUP], 1))
def test_a_signal_to_end_is_an_interrupt(run, tmp_path, number):
    output = tmp_path / "result.zarr"
    wait_until(lambda: marks_of(output), 60, lambda: said(tmp_path))
    run.send_signal(number)
    ended(run, tmp_path)
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    assert report["state"] == "interrupted"


def test_workers_that_cannot_be_started_again_end_the_run(stack, tmp_path, monkeypatch):
    monkeypatch.setitem(local.SETTINGS, "distributed.deploy.lost-worker-timeout", "1s")
    over = threading.Event()

    def kill_all():
        while not over.is_set():
            for child in workers(os.getpid()):
                child.kill()
            time.sleep(0.2)

    def run():
        with connect("local", 1):
            killer.start()
            fringefleet.run(fringefleet.Run(stack, tmp_path / "result.zarr", chunks=(3, 3)))

    killer = threading.Thread(target=kill_all)
    try:
        with pytest.raises(
            WorkersLostError, match=r"^no worker is left: .* The cause is not known here: check"
        ):
            run()
    finally:
        over.set()
        killer.join()
