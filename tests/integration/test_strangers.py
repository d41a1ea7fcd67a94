"""Other users of the machine: they get no answer from anything that is started here, whoever starts it."""

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest
from distributed import Client, LocalCluster

import fringefleet
from fringefleet.cluster.security import write_private
from fringefleet.processes import clients
from fringefleet.processes.dashboard import dashboard_link
from fringefleet.simulate import Scene, simulate_stack
from polling import wait_until
from strangers import is_answered, knows_dask, listeners, ways_in

pytestmark = pytest.mark.cluster
PRETEND = Path(__file__).resolve().parents[1] / "pretend_gpus"


def mode(path):
    return path.stat().st_mode & 0o777


def test_scheduler_workers_and_nannies_answer_their_own_client_and_nobody_else():
    before = listeners()
    with fringefleet.connect("local", 2, worker_memory="1GB") as workers:
        opened = listeners() - before
        assert len(opened) == 1 + 2 * 2  # a scheduler, two workers and their nannies; nothing for HTTP
        assert {ip for _, ip, _ in opened} == {"127.0.0.1"}
        ours = workers.client.security.get_connection_args("client")
        for _, ip, port in opened:
            assert ways_in(ip, port) == []
            assert knows_dask(f"tls://{ip}:{port}", **ours)
        assert dashboard_link(workers.client) == ""
        assert workers.client.submit(sum, [1, 2]).result() == 3
    assert listeners() <= before


# Prints whether the workers work, and the ways in of a stranger, of everything that listens.
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import pretend_cuda
import fringefleet
from strangers import listeners, ways_in

if __name__ == "__main__":
    preload = {"preload": ["pretend_cuda"]}
    with fringefleet.connect("local-cuda", worker_memory="1GB", options=preload) as workers:
        assert workers.client.submit(sum, [1, 2]).result() == 3
        print(json.dumps([ways_in(ip, port) for _, ip, port in listeners()]))
"""


def test_workers_with_gpus_answer_no_stranger_either(tmp_path):
    pytest.importorskip("dask_cuda", reason="needs dask-cuda and cuda-bindings", exc_type=ImportError)
    (tmp_path / "script.py").write_text(SCRIPT)
    paths = os.pathsep.join(filter(None, [str(PRETEND), os.environ.get("PYTHONPATH")]))
    here = {"PRETEND_GPUS": "2", "PYTHONPATH": paths, "DASK_CUDA_TEST_SINGLE_GPU": "1"}
    command = [sys.executable, str(tmp_path / "script.py"), str(PRETEND.parent)]
    done = subprocess.run(
        command, env=os.environ | here, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[]] * 5


def commands(folder):
    """Commands that start workers by themselves, long enough to be tried."""
    stack = folder / "stack.zarr"
    simulate_stack(Scene(n_date=30, shape=(480, 480)), stack)  # minutes, on any machine: it is stopped
    slow = ("--norm", "l1", "--max-iterations", "50", "--chunks", "16", "16")
    yield ("invert", stack, folder / "result.zarr", *slow)
    yield ("demo", folder / "demo")


def test_commands_answer_no_stranger_from_their_first_moment_on(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for words in commands(tmp_path):
        command = [sys.executable, "-m", "fringefleet", *map(str, words), "--verbose"]
        with (
            (tmp_path / "log").open("w") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                tried = try_all(process, tmp_path / "log")
            finally:
                stop(process)
        said = (tmp_path / "log").read_text()
        # A scheduler, a worker and its nanny; the demo may be over before all are tried.
        assert len(tried) >= (1 if words[0] == "demo" else 3), said
        # In its first moment an HTTP server that is just being stopped says that it has nothing.
        assert {
            where: ways for where, ways in tried.items() if ways not in ([], ["HTTP that has nothing"])
        } == {}, said
        assert "credentials.pem" in said
        assert "dashboard: http" not in said


def stop(process):
    """End a command, by a second signal if the first goes by."""
    for _ in range(2):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
            return


def try_all(process, log):
    """Try whatever listens, from the first moment on until workers and all are there, and that is said."""
    tried = {}

    def try_new():
        for _, ip, port in listeners(psutil.Process(process.pid)):
            if (ip, port) not in tried:
                tried[ip, port] = ways_in(ip, port)
        return (len(tried) > 4 and "credentials.pem" in log.read_text()) or process.poll() is not None

    wait_until(try_new, 120)
    return tried


# --- where somebody wants otherwise -----------------------------------------------------------------------


def test_without_tls_a_warning_says_what_that_means_and_a_stranger_comes_in(caplog):
    before = listeners()
    with fringefleet.connect("local", 1, worker_memory="1GB", tls=False) as workers:
        assert workers.credentials is None
        assert workers.client.submit(sum, [1, 2]).result() == 3
        opened = listeners() - before
        assert len(opened) == 3
        assert all(knows_dask(f"tcp://{ip}:{port}") for _, ip, port in opened)
    (warning,) = [record.message for record in caplog.records if record.name.startswith("fringefleet")]
    assert warning == "no TLS: every user of this machine can connect to the workers and run code as you"


def test_the_dashboard_that_is_asked_for_is_there_with_a_warning_and_nothing_more(caplog):
    caplog.set_level(logging.WARNING, "fringefleet")
    before = listeners()
    with fringefleet.connect("local", 1, worker_memory="1GB", dashboard=True) as workers:
        served = [(ip, port) for _, ip, port in listeners() - before if is_answered(ip, port)]
        link = dashboard_link(workers.client)
        assert served == [("127.0.0.1", urlsplit(link).port)]
        with urlopen(link, timeout=10) as page:
            assert page.status == 200
        for path in ("/proxy/22/127.0.0.1/", "/api/v1/get_workers"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(link.replace("/status", path), timeout=10)
    (warning,) = [record.message for record in caplog.records if record.name.startswith("fringefleet")]
    assert warning.startswith("the dashboard knows no password: every user of ")


@pytest.fixture
def never_warned(caplog, monkeypatch):
    """Take what was warned of before for new."""
    caplog.set_level(logging.WARNING, "fringefleet")
    monkeypatch.setattr(clients, "_known_open", set())
    return lambda: len([1 for record in caplog.records if "has no TLS" in record.message])


@pytest.mark.parametrize("own", [{"security": True}, {}])
def test_a_run_straight_on_an_open_client_warns_once(own, never_warned, tmp_path):
    simulate_stack(Scene(n_date=5, shape=(8, 8)), tmp_path / "stack.zarr")
    with LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0", **own) as cluster, Client(cluster):
        for number in range(2):
            fringefleet.run(fringefleet.Run(tmp_path / "stack.zarr", tmp_path / f"{number}.zarr"))
    assert never_warned() == (not own)


def test_a_run_on_workers_without_tls_is_warned_of_by_who_starts_them(never_warned, caplog, tmp_path):
    simulate_stack(Scene(n_date=5, shape=(8, 8)), tmp_path / "stack.zarr")
    with fringefleet.connect("local", 1, tls=False):
        fringefleet.run(fringefleet.Run(tmp_path / "stack.zarr", tmp_path / "result.zarr"))
    assert never_warned() == 0
    assert caplog.text.count("no TLS") == 1


def test_clusters_of_ones_own_serve_as_they_come_and_an_open_one_is_warned_of_once(never_warned, caplog):
    kinds = ({"security": True}, {}, {"processes": False})  # TLS; as it comes; within this process
    for number, own in enumerate(kinds):
        keywords = {"n_workers": 1, "dashboard_address": "127.0.0.1:0"} | own
        with LocalCluster(**keywords) as cluster, Client(cluster):
            for _ in range(2):
                with fringefleet.connect() as workers:
                    assert workers.client.submit(sum, [1, 2]).result() == 3
                    assert workers.credentials is None
            assert never_warned() == (number == 1)
            if number == 1:
                with fringefleet.connect(cluster.scheduler_address):
                    assert never_warned() == 1
                with fringefleet.connect(cluster.scheduler_address, tls=False) as workers:
                    assert workers.n_worker == 1
        caplog.clear()


# --- a second process -------------------------------------------------------------------------------------


def test_a_second_process_joins_with_the_credentials_that_connect_names(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    simulate_stack(Scene(n_date=5, shape=(24, 20)), tmp_path / "stack.zarr")
    with fringefleet.connect(
        "local", 1, worker_memory="1GB", options={"local_directory": tmp_path}
    ) as workers:
        path, address = workers.credentials, workers.client.scheduler.address
        assert f"scheduler {address}, credentials {path}" in caplog.messages
        assert path.is_relative_to(tmp_path)
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        joined = ["--cluster", address, "--tls-credentials", str(path)]
        command = [sys.executable, "-m", "fringefleet", "invert", "stack.zarr", "result.zarr"]
        done = subprocess.run(
            [*command, *joined], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stderr
        assert "no TLS" not in done.stderr
        for refused in (["--cluster", address], [*joined, "--no-tls"], [*joined, "--tls-ca", str(path)]):
            done = subprocess.run(
                [*command, *refused], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180
            )
            assert done.returncode == 2, done.stderr
            assert done.stderr.count("error:") == 1
    assert not path.parent.exists()


@pytest.mark.parametrize("there", ["a file", "a link"])
def test_credentials_are_written_to_a_new_file_only(tmp_path, there):
    path, other = tmp_path / "credentials.pem", tmp_path / "other"
    other.write_text("mine")
    if there == "a file":
        path.write_text("mine")
    else:
        path.symlink_to(other)
    with pytest.raises(FileExistsError):
        write_private(path, "key")
    assert (path.read_text(), other.read_text()) == ("mine", "mine")


def test_credentials_are_private_whatever_the_umask_is(tmp_path):
    old = os.umask(0)
    try:
        assert mode(write_private(tmp_path / "credentials.pem", "key")) == 0o600
    finally:
        os.umask(old)
