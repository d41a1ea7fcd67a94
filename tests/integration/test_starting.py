"""Starts of local workers: what keeps them from it is said, nothing hangs, and Ctrl-C is felt at any time."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import dask
import psutil
import pytest
import yaml

import fringefleet
from fringefleet.cluster import connect, nannies, start
from fringefleet.cluster import waiting as patience
from fringefleet.errors import InputError, OptionError
from fringefleet.processes.dask_defaults import cluster_defaults
from fringefleet.processes.main_program import REIMPORTED
from fringefleet.simulate import Scene
from polling import wait_until

pytestmark = [
    pytest.mark.cluster,
    # Where a start goes wrong Dask leaves a socket to be collected.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
UNGUARDED = """
import fringefleet

with fringefleet.connect("local", 2) as workers:
    print("computed with", workers.n_worker)
"""
# A worker whose imports come from a slow disk; nothing else of this process is touched.
SLUGGISH = """
import sys
import time

if any("spawn_main" in word for word in sys.orig_argv):
    time.sleep(600)
"""


SCENE = Scene(n_date=5, shape=(24, 20))


@pytest.fixture
def sluggish(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(SLUGGISH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def ours(caplog):
    logging.getLogger("fringefleet").propagate = True
    caplog.set_level(logging.INFO, logger="fringefleet")
    return caplog


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path):
    """Neither processes nor folders."""
    before = worker_processes()
    with dask.config.set({"temporary-directory": str(tmp_path)}):
        yield
    wait_until(lambda: worker_processes() <= before, 20, worker_processes)
    assert list(tmp_path.glob("fringefleet-*")) == []


def worker_processes(pid=None):
    found = set()
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(process.cmdline()):
                found.add(process.pid)
    return found


def finished(words, **options):
    return subprocess.run(
        list(map(str, words)), check=False, capture_output=True, text=True, timeout=300, **options
    )


# --- what keeps workers from starting ---------------------------------------------------------------------


def test_a_script_without_a_guard_ends_and_says_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = finished([sys.executable, script])
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert 'below the line `if __name__ == "__main__":`' in last
    assert last.startswith("fringefleet.errors.InputError: LocalCluster could not be started: the program")
    assert done.stderr.count("Traceback") == 1


def test_a_process_that_is_no_worker_says_itself_that_a_guard_is_missing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\nimport fringefleet\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=print)\n"
        "    process.start()\n    process.join()\n    raise SystemExit(process.exitcode)\n"
        "fringefleet.connect('local', 1)\n"
    )
    done = finished([sys.executable, script])
    assert done.returncode == REIMPORTED
    assert done.stderr.startswith("error: the program starts workers while a worker imports it")


def test_a_program_that_is_no_file_is_refused_before_anything_is_started(tmp_path):
    done = finished([sys.executable, "-"], input=UNGUARDED)
    assert done.returncode == 1
    assert "OptionError: found no file of the main program, <stdin>" in done.stderr


def test_a_process_that_may_have_no_children_is_told_so(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(OptionError, match="may not start others"), connect("local", 1):
        pass


REASONS = {
    "module": ({"preload": ["no_such_module"]}, "ModuleNotFoundError: No module named 'no_such_module'"),
    "nanny's module": ({"preload_nanny": ["no_such_module"]}, "No module named 'no_such_module'"),
    "exit": ({"preload": ["import os; os._exit(5)"]}, "a worker process ended with exit code 5 before it"),
    "crash": ({"preload": ["import os; os.kill(os.getpid(), 4)"]}, "was ended by SIGILL before it was ready"),
    "kills": (
        {"preload": ["import os; os.kill(os.getpid(), 9)"]},
        "was ended by SIGKILL 2 times in a row before it was ready; the system's log",
    ),
    "error": ({"preload": ["raise ValueError('no such licence')"]}, "ValueError: no such licence. Look at"),
    "pickle": ({"preload_argv": [threading.Lock()]}, r"TypeError: cannot pickle '_thread\.lock' object"),
    "host": ({"host": "192.0.2.1"}, "Cannot assign requested address. Look at its options: host = '192"),
    "protocol": ({"protocol": "pigeon"}, "unknown address scheme 'pigeon'"),
    "death timeout": ({"death_timeout": "1ms"}, "Nanny start timed out after 0.001s"),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_first_cause_is_said(name, monkeypatch):
    monkeypatch.setattr(nannies, "MOST_KILLS", 1)
    options, message = REASONS[name]
    with (
        pytest.raises(InputError, match=f"^LocalCluster could not be started: .*{message}") as caught,
        connect("local", 1, options=options, tls=False if name == "protocol" else None),
    ):
        pass
    assert "memory" not in str(caught.value)
    assert "none were given" not in str(caught.value)


def test_a_system_that_gives_no_more_processes_is_the_cause(monkeypatch):
    def start(_process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", start)
    with (
        pytest.raises(InputError, match=r"BlockingIOError: \[Errno 11\] Resource temporarily unavailable"),
        connect("local", 1),
    ):
        pass


def test_workers_that_are_threads_are_workers_too():
    with connect("local", 1, options={"processes": False}) as workers:
        assert workers.client.submit(sum, [1, 2]).result() == 3


# --- silence, and Ctrl-C ----------------------------------------------------------------------------------


def test_silence_has_an_end_and_what_is_waited_for_is_said(sluggish, ours, monkeypatch):
    monkeypatch.setattr(patience, "SECONDS_BETWEEN_NOTICES", 0.5)
    message = r"waited \d+ s for 2 of 2 workers to start \(processes \d+, \d+\), .*wait_seconds"
    with pytest.raises(InputError, match=message), connect("local", 2, wait_seconds=2):
        pass
    assert any(text.startswith("waiting for 2 of 2 workers to start") for text in ours.messages)


def test_work_is_no_silence():
    clock = patience.Clock(0.2)
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        assert not clock.is_up(time.monotonic(), "")
        time.sleep(0.01)
    assert patience.Clock(None, 0).is_up(time.monotonic(), "")


@contextmanager
def command(tmp_path, *words, **environment):
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "fringefleet", *map(str, words)],
        stderr=log,
        env=os.environ | environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        log.close()


def test_ctrl_c_is_felt_while_workers_are_slow_to_start(sluggish, stack, tmp_path):
    with command(tmp_path, "invert", stack, tmp_path / "result.zarr", "--workers", 1) as process:
        wait_until(lambda: "starting 1 workers" in (tmp_path / "log").read_text(), 120)
        assert worker_processes(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    log = (tmp_path / "log").read_text()
    assert process.returncode == 1
    assert "error: interrupted. No tile of it is kept." in log.splitlines()[-1]
    assert "never retrieved" not in log
    assert "Traceback" not in log


def test_a_second_ctrl_c_always_ends_the_process_and_its_workers(stack, tmp_path):
    """The first one waits for a worker that is stopped, and so cannot end."""
    with command(tmp_path, "invert", stack, tmp_path / "result.zarr", "--workers", 1) as process:
        wait_until(lambda: " to do" in (tmp_path / "log").read_text(), 120)
        (worker,) = worker_processes(process.pid)
        os.kill(worker, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.7)  # a first one that comes twice at once is one
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
        process.wait(60)
    assert process.returncode == 1
    wait_until(lambda: not is_alive(worker), 10)  # killed, but the system may be slow to see to it
    for left in tmp_path.glob("fringefleet-*"):  # what the next run removes
        left.rename(tmp_path / "left")


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning")
@pytest.mark.parametrize("fault", ["late", "raises"])
def test_a_tear_down_that_goes_wrong_is_no_failure_of_a_run(fault, stack, tmp_path, monkeypatch):
    async def close(*_args, **_options):
        raise TimeoutError("not within 5 s")

    monkeypatch.setattr(start, "SECONDS_TO_STOP", 0.5)
    before = worker_processes()
    with connect("local", 1):
        summary = fringefleet.run(fringefleet.Run(stack, tmp_path / "result.zarr"))
        (worker,) = worker_processes() - before
        if fault == "late":
            os.kill(worker, signal.SIGSTOP)
        else:
            monkeypatch.setattr(nannies.PatientNanny, "close", close)
    assert summary.n_tile == 1


# --- kills ------------------------------------------------------------------------------------------------


class Killer(threading.Thread):
    """Kills each new worker process once, at another moment of its life; leaves the last ones alone."""

    def __init__(self, moments):
        super().__init__(daemon=True)
        self.moments, self.seen, self.over = list(moments), set(), threading.Event()
        self.before = worker_processes()

    def run(self):
        while self.moments and not self.over.is_set():
            for pid in worker_processes() - self.before - self.seen:
                if self.moments:
                    self.seen.add(pid)
                    threading.Timer(self.moments.pop(0), kill, [pid]).start()
            time.sleep(0.01)


def kill(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_workers_that_are_killed_at_any_moment_cost_at_most_their_tiles(stack, tmp_path):
    killer = Killer([0, 0.3, 2, 5])
    killer.start()
    try:
        with connect("local", 2) as workers:
            assert workers.n_worker == 2
            assert workers.worker_memory
            job = fringefleet.Run(stack, tmp_path / "result.zarr", chunks=(3, 5), n_worker=workers.n_worker)
            assert fringefleet.run(job).skipped == ()
    finally:
        killer.over.set()
    fringefleet.run(fringefleet.Run(stack, tmp_path / "threads.zarr", chunks=(3, 5)))
    assert contents(tmp_path / "result.zarr") == contents(tmp_path / "threads.zarr")


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


# --- the site's configuration of Dask ---------------------------------------------------------------------

NOT_HERE = "no_such_module_of_this_site"
SITE = {
    "distributed": {
        "scheduler": {
            "preload": [NOT_HERE],
            "contact-address": "tcp://192.0.2.1:8786",
            "idle-timeout": "1s",
            "no-workers-timeout": "1ms",
            "worker-ttl": "1s",
            "blocked-handlers": ["register-client"],
            "http": {"routes": [NOT_HERE]},
            "dashboard": {"tls": {"cert": "/nowhere.pem"}},
            "active-memory-manager": {"start": True, "policies": [{"class": f"{NOT_HERE}.Policy"}]},
            "default-task-durations": {"x": "1us"},
            "worker-saturation": "inf",
        },
        "worker": {
            "preload": [NOT_HERE],
            "multiprocessing-method": "forkserver",
            "daemon": False,
            "lifetime": {"duration": "2s", "stagger": "1s", "restart": False},
            "resources": {"GPU": 1},
            "memory": {"target": 0.01, "spill": 0.01, "pause": 0.01, "terminate": 0.01, "max-spill": "lots"},
            "http": {"routes": [NOT_HERE]},
            "connections": {"incoming": 0, "outgoing": 0},
        },
        "nanny": {"preload": [NOT_HERE], "environ": ["A=1"], "pre-spawn-environ": {"PYTHONHOME": "/nowhere"}},
        "client": {"preload": [NOT_HERE], "security-loader": f"{NOT_HERE}.load", "heartbeat": "soon"},
        "comm": {
            "default-scheme": "ucx",
            "require-encryption": True,
            "compression": NOT_HERE,
            "timeouts": {"connect": "1ms", "tcp": "1ms"},
            "retry": {"count": "often"},
            "tls": {
                "min-version": 9,
                "ca-file": "/nowhere.pem",
                "scheduler": {"cert": "/nowhere.pem"},
                "worker": {"cert": "/nowhere.pem"},
                "client": {"cert": "/nowhere.pem"},
            },
        },
        "dashboard": {"link": "{NOT_SET_HERE}/proxy/{port}/status"},
        "deploy": {"lost-worker-timeout": "1ms"},
        "admin": {"event-loop": "uvloop", "log-format": "%(nothing)s", "system-monitor": {"interval": "x"}},
        "diagnostics": {"nvml": False},
        "rmm": {"pool-size": "lots"},
    },
    "jobqueue": {"slurm": {"interface": "ib7", "cores": "all", "death-timeout": "never"}},
    "scheduler-address": "tcp://192.0.2.1:8786",
    "client-name": "of the site",
    "scheduler": "processes",
    "num_workers": 1,
    "array": {
        "backend": "cupy",
        "chunk-size": "1 B",
        "rechunk": {"method": "p2p"},
        "slicing": {"split-large-chunks": True},
    },
    "dataframe": {"backend": "cudf"},
    "optimization": {"fuse": {"active": False}},
    "tokenize": {"ensure-deterministic": True},
}


def test_the_configuration_of_a_site_keeps_no_local_run_from_its_work(stack, tmp_path):
    """In its file, as sites have it; all keys at once, each of which would be the end of a plain cluster."""
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(SITE))
    with command(
        tmp_path,
        "invert",
        stack,
        tmp_path / "result.zarr",
        "--workers",
        1,
        DASK_CONFIG=str(tmp_path / "site.yaml"),
    ) as process:
        process.wait(120)
    log = (tmp_path / "log").read_text()
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert "/status" in log or "dashboard" not in log
    assert NOT_HERE not in log


@pytest.mark.parametrize(
    "words", ["convert {0} {1}/out.zarr", "simulate {1}/out.zarr --shape 40 30 --dates 6"]
)
def test_the_configuration_of_a_site_keeps_no_command_from_its_work(stack, tmp_path, words):
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump(SITE))
    with command(tmp_path, *words.format(stack, tmp_path).split(), DASK_CONFIG=str(site)) as process:
        process.wait(120)
    assert process.returncode == 0, (tmp_path / "log").read_text()


def keys(part, name=""):
    for key, value in part.items():
        if isinstance(value, dict):
            yield from keys(value, f"{name}{key}.")
        else:
            yield f"{name}{key}", value


@pytest.mark.parametrize("key", [key for key, _ in keys(SITE["distributed"], "distributed.")])
def test_each_key_of_a_site_is_replaced_by_dasks_default(key):
    here = dict(keys(SITE))
    default = dask.config.get(key, None, config=dask.config.merge(*dask.config.defaults))
    with dask.config.set({key: here[key]}), dask.config.set(cluster_defaults()):
        if key != "distributed.dashboard.link":
            assert dask.config.get(key, None) == default


def test_a_temporary_directory_that_is_not_there_is_named_with_its_key(tmp_path):
    with (
        dask.config.set({"temporary-directory": "/nowhere"}),
        pytest.raises(InputError, match=r"in /nowhere .*temporary-directory of Dask's configuration"),
        connect("local", 1),
    ):
        pass
