"""Runs on workers that Slurm starts: equal to a local run, whatever becomes of the jobs and of the client."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import zarr

import fringefleet
from fringefleet.errors import InputError, OptionError, WorkersLostError
from fringefleet.processes.worker_info import worker_record
from fringefleet.simulate import Scene, simulate_stack
from integration.slurm.conftest import CHUNKS, SLOW, contents
from polling import wait_until
from strangers import listeners, ways_in

pytestmark = [pytest.mark.slurm, pytest.mark.cluster]
GPU = ["--gres=gpu:1"]
SECONDS = 60  # that anything may take
N_TILE = 48
HOW = ("--norm", SLOW.norm, "--max-iterations", SLOW.max_iterations, "--chunks", *CHUNKS)


def connect(n_worker, **options):
    """Connect as a user would, but look at the queue every second."""
    fields = {name: options.pop(name) for name in ("tls", "wait_seconds") if name in options}
    options = {"poll_seconds": 1} | options
    return fringefleet.connect("slurm", n_worker, interface="lo", options=options, **fields)


def invert(stack, output, on_progress=None, existing="refuse"):
    job = fringefleet.Run(stack, output, SLOW, chunks=CHUNKS, existing=existing)
    return fringefleet.run(job, on_progress=on_progress)


def at_tile(number, act):
    """Do something once, when so many tiles are done."""

    def on_progress(done):
        if done.n_done == number:
            act()

    return on_progress


def ask(client):
    """Let each worker say where it is and what it sees."""

    def facts(dask_worker):  # a function of this module would not be found there
        names = ("CUDA_VISIBLE_DEVICES", "SLURMD_NODENAME", "SLURM_JOB_ID", "SLURM_JOB_GPUS")
        found = {name: os.environ.get(name) for name in names}
        found |= {"folder": dask_worker.local_directory, "pids": (os.getpid(), os.getppid())}
        return found | {"name": dask_worker.name, "lifetime": dask_worker.lifetime}

    return list(client.run(facts).values())


def running(slurm):
    return [job for job, state in slurm.jobs().items() if state == "RUNNING"]


def pending(slurm):
    return [job for job, state in slurm.jobs().items() if state == "PENDING"]


def listening(pids):
    """IP addresses that processes listen at."""
    connections = [item for pid in pids for item in psutil.Process(pid).net_connections(kind="inet")]
    return {item.laddr.ip for item in connections if item.status == psutil.CONN_LISTEN}


@pytest.mark.long
def test_two_jobs_with_two_gpus_each_give_the_bytes_of_a_local_run(slurm, stack, expected, tmp_path):
    with connect(4, job_extra_directives=["--gres=gpu:2"]) as workers:
        workers.client.wait_for_workers(4, timeout=SECONDS)
        found = ask(workers.client)
        assert set(slurm.jobs().values()) == {"RUNNING"}
        assert {(worker["SLURMD_NODENAME"], worker["CUDA_VISIBLE_DEVICES"]) for worker in found} == {
            (node, gpu) for node in ("n1", "n2") for gpu in ("0", "1")
        }
        assert {worker["name"] for worker in found} == {f"slurm-{job}-{i}" for job in (0, 1) for i in (0, 1)}
        assert {worker["SLURM_JOB_GPUS"] for worker in found} == {"0,1"}
        assert listening([pid for worker in found for pid in worker["pids"]]) == {"127.0.0.1"}
        folders = {Path(worker["folder"]).relative_to(tmp_path).parts[0] for worker in found}
        assert len(folders) == 2
        assert all((tmp_path / folder).stat().st_mode & 0o777 == 0o700 for folder in folders)
        assert all(0.75 * 1800 <= worker["lifetime"] <= 0.95 * 1800 for worker in found)  # [s]
        assert workers.client.scheduler.address.startswith("tls://127.0.0.1:")
        invert(stack, tmp_path / "result.zarr")
    assert contents(tmp_path / "result.zarr") == expected
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    assert len(report["tiles"]) == N_TILE
    logs = tmp_path / "fringefleet-slurm"
    assert logs.stat().st_mode & 0o777 == 0o700
    assert sorted(path.suffix for path in logs.iterdir()) == [".log", ".log"]  # no certificate is left


@pytest.mark.long
def test_daskcuda_gives_each_worker_of_a_job_a_gpu_of_its_own(slurm, monkeypatch):
    """The real dask-cuda, and a driver and a torch that pretend GPUs."""
    pytest.importorskip("dask_cuda", reason="needs dask-cuda and cuda-bindings", exc_type=ImportError)
    pretend = Path(__file__).resolve().parents[2] / "pretend_gpus"
    paths = os.pathsep.join(filter(None, [str(pretend), os.environ.get("PYTHONPATH")]))
    for name, value in {"PYTHONPATH": paths, "PRETEND_GPUS": "2", "DASK_CUDA_TEST_SINGLE_GPU": "1"}.items():
        monkeypatch.setenv(name, value)
    options = {"processes": 2, "worker_extra_args": ["--preload pretend_cuda"], "poll_seconds": 1}
    wanted = {"interface": "lo", "device": "cuda", "worker_memory": "1GB", "options": options}
    with fringefleet.connect("slurm", 2, **wanted) as workers:
        workers.client.wait_for_workers(2, timeout=SECONDS)
        records = workers.client.run(worker_record, "cuda").values()
        found = ask(workers.client)
        heard = listening([pid for worker in found for pid in worker["pids"]])
        limits = {worker.memory_limit for worker in workers.client.cluster.scheduler.workers.values()}
    assert {(record["worker"], record["cuda_visible_devices"], record["gpu"]) for record in records} == {
        ("slurm-0-0", "0,1", "GPU-pretend-0"),
        ("slurm-0-1", "1,0", "GPU-pretend-1"),
    }
    assert len({worker["SLURM_JOB_ID"] for worker in found}) == 1
    assert all(0.75 * 1800 <= worker["lifetime"] <= 0.95 * 1800 for worker in found)  # [s]
    assert all(0.95e9 < limit <= 1e9 for limit in limits)
    assert heard == {"127.0.0.1"}


@pytest.mark.long
def test_a_job_that_is_cancelled_in_mid_run_is_replaced_and_an_error_leaves_no_job(
    slurm, stack, expected, tmp_path
):
    output = tmp_path / "result.zarr"
    with pytest.raises(ZeroDivisionError):
        run_cancel_and_fail(slurm, stack, output)
    assert contents(output) == expected


def run_cancel_and_fail(slurm, stack, output):
    with connect(3, job_extra_directives=GPU) as workers:
        workers.client.wait_for_workers(3, timeout=SECONDS)
        found = ask(workers.client)
        gpus = {(worker["SLURMD_NODENAME"], worker["CUDA_VISIBLE_DEVICES"]) for worker in found}
        assert len(gpus) == len({worker["SLURM_JOB_ID"] for worker in found}) == 3
        victim = found[0]["SLURM_JOB_ID"]
        invert(stack, output, at_tile(5, lambda: slurm.cancel(victim)))
        assert slurm.finished(victim)["JobState"] == "CANCELLED"
        workers.client.wait_for_workers(3, timeout=SECONDS)
        assert len(running(slurm)) == 3
        assert victim not in running(slurm)
        raise ZeroDivisionError


@pytest.mark.long
def test_workers_that_leave_when_their_time_is_over_are_replaced_and_nothing_is_lost(
    slurm, stack, expected, tmp_path
):
    output, jobs = tmp_path / "result.zarr", set()
    lifetime = ["--lifetime", "15s", "--lifetime-stagger", "5s"]  # Slurm itself counts in minutes
    with connect(2, worker_extra_args=lifetime):
        while len(jobs) < 4:  # until both have left while a run was going on
            invert(stack, output, lambda _done: jobs.update(running(slurm)), existing="overwrite")
            assert contents(output) == expected
            report = json.loads((tmp_path / "result.zarr.report.json").read_text())
            assert len(report["tiles"]) == N_TILE
    assert "COMPLETED" in {slurm.finished(job).get("JobState") for job in jobs}


@pytest.mark.long
def test_without_workers_the_run_ends_and_says_why_and_another_goes_on(slurm, stack, expected, tmp_path):
    output = tmp_path / "result.zarr"

    def cancel_all():
        for job in slurm.jobs():
            slurm.cancel(job)

    message = r"1 jobs ended while there was work left for them\. The log of the last one(.|\n)*CANCELLED"
    with pytest.raises(WorkersLostError, match=message), connect(1, most_replacements=0):
        invert(stack, output, at_tile(5, cancel_all))
    done = []
    with connect(2):
        invert(stack, output, done.append, existing="resume")
    assert 5 <= N_TILE - len(done) < 30
    assert contents(output) == expected


def test_a_job_whose_worker_ends_at_once_is_an_error_with_the_end_of_its_log(slurm, tmp_path):
    message = (
        r"3 jobs in a row ended, .*fringefleet-slurm/fringefleet-.*\.log, ends with(.|\n)*No module named"
    )
    with pytest.raises(WorkersLostError, match=message), connect(1, worker_command="no_such_worker"):
        pass
    assert len(list((tmp_path / "fringefleet-slurm").iterdir())) == 3


def test_what_slurm_refuses_is_said_in_its_words(slurm):
    message = (
        r"3 jobs in a row .* were refused, .* Slurm says: invalid partition .*: nowhere; Batch .* name "
        r"specified\. Correct the options of the jobs: `fringefleet slurm --dry-run` .*"
    )
    with pytest.raises(WorkersLostError, match=message), connect(1, queue="nowhere"):
        pass


def test_a_queue_that_cannot_be_read_ends_the_run_and_not_the_watching_alone(
    slurm, stack, tmp_path, monkeypatch, caplog
):
    nonsense, program = tmp_path / "nonsense", tmp_path / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *%A*) [ -e {nonsense} ] && echo out of order && exit ;; esac\n'
        f'exec {shutil.which("squeue")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(program.parent), os.environ["PATH"]]))
    message = r"^the jobs cannot be looked after any more: ValueError: not enough values"
    with pytest.raises(WorkersLostError, match=message), connect(1):
        invert(stack, tmp_path / "result.zarr", at_tile(5, nonsense.touch))  # there is time for many looks
    assert "no more jobs are submitted" in caplog.text


def test_an_interface_that_this_machine_lacks_is_refused_before_anything_is_submitted(slurm, tmp_path, start):
    wanted = {"options": {"scheduler_options": {"interface": "lo"}, "most_failed_starts": 1}}
    with (
        pytest.raises(WorkersLostError, match=r"^1 job ended, .*(.|\n)*interface"),  # of the nodes
        fringefleet.connect("slurm", 1, interface="nowhere0", **wanted),
    ):
        pass
    message = r"found no network interface 'nowhere0' on this machine; give one .* reach it: \w+"
    with pytest.raises(OptionError, match=message), fringefleet.connect("slurm", 1, interface="nowhere0"):
        pass
    client = start("slurm", "--interface", "nowhere0")
    assert client.wait(SECONDS) == 2
    log = (tmp_path / "command-0.log").read_text()
    assert "found no network interface 'nowhere0'" in log
    assert "Traceback" not in log
    assert start("slurm", "--interface", "nowhere0", "--dry-run").wait(SECONDS) == 0  # it may be for another


def test_a_walltime_that_no_partition_allows_is_said_to_be_the_reason_once(slurm, caplog):
    with (
        pytest.raises(InputError, match=r"pending \(PartitionTimeLimit\)"),
        connect(2, walltime="1-00:00:00", wait_seconds=4),
    ):
        pass
    assert caplog.text.count("ask for more time than is allowed") == 1


def test_whoever_does_not_want_to_wait_for_the_queue_is_told_how_it_stands(slurm):
    later = ["--begin=now+1hour"]
    with (
        pytest.raises(InputError, match=r"found no worker after 3 s; the jobs are \d+ pending \(BeginTime\)"),
        connect(1, job_extra_directives=later, wait_seconds=3),
    ):
        pass


# --- the command line -------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", ["a blank;'\"$HOME`# 5%j hetjob", "été [a-z]* {x}"])
def test_a_folder_with_any_name_serves_and_a_stranger_gets_no_answer(slurm, tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    before = listeners()
    with connect(1) as workers:
        assert workers.client.submit(sum, [1, 2]).result() == 3
        (found,) = ask(workers.client)
        opened = listeners() - before
        opened |= {item for pid in found["pids"] for item in listeners(psutil.Process(pid))}
        assert len(opened) == 3  # the scheduler, a worker and its nanny; nothing for HTTP
        assert all(ways_in(ip, port) == [] for _, ip, port in opened)
        joined = {"cluster": workers.client.scheduler.address, "tls_credentials": workers.credentials}
        with fringefleet.connect(**joined, n_worker=1) as others:
            assert others.client.submit(sum, [1, 2]).result() == 3
    (log,) = (tmp_path / name / "fringefleet-slurm").iterdir()
    assert "Register" in log.read_text() or "Registered" in log.read_text()
    assert not list(tmp_path.glob("**/executed"))


@pytest.fixture
def start(tmp_path):
    """Start a command of the command line; kill it at last if it still runs."""
    started = []

    def start_command(*words):
        command = [sys.executable, "-m", "fringefleet", *map(str, words)]
        log = (tmp_path / f"command-{len(started)}.log").open("w")
        started.append(subprocess.Popen(command, stderr=log, stdout=subprocess.PIPE, text=True))
        log.close()
        return started[-1]

    yield start_command
    for process in started:
        process.kill()
        process.communicate(timeout=SECONDS)


def config(folder, n_worker, text=""):
    path = folder / f"cluster-{n_worker}.toml"
    path.write_text(
        f'[cluster]\ncluster = "slurm"\nn_worker = {n_worker}\ninterface = "lo"\n'
        f'[cluster.options]\npoll_seconds = 1\njob_extra_directives = ["--gres=gpu:1"]\n{text}'
    )
    return path


def tiles_done(output):
    """Tiles that are done, by their marks in the store."""
    if not (output / "progress").exists():
        return 0
    return int(zarr.open_array(output / "progress" / "done", mode="r")[:].sum())


@pytest.mark.long
def test_a_killed_client_leaves_no_job_not_even_one_that_waits_and_another_goes_on(
    slurm, stack, expected, tmp_path, start
):
    output = tmp_path / "result.zarr"
    words = ["invert", stack, output, *HOW, "--cluster", "slurm"]
    client = start(*words, "--cluster-config", config(tmp_path, 5))  # and there are four GPUs
    wait_until(lambda: len(running(slurm)) == 4 and pending(slurm), SECONDS, slurm.jobs)
    (waiting,) = pending(slurm)
    slurm.cancel(waiting)
    wait_until(lambda: pending(slurm) not in ([], [waiting]), SECONDS, slurm.jobs)  # noticed, and replaced
    wait_until(lambda: tiles_done(output) >= 5, SECONDS, lambda: tiles_done(output))
    assert pending(slurm)
    client.send_signal(signal.SIGKILL)
    client.wait(SECONDS)
    wait_until(lambda: not slurm.jobs(), SECONDS, slurm.jobs)

    keys = tmp_path / "fringefleet-slurm"
    wait_until(lambda: not list(keys.glob("tls-*")), SECONDS, lambda: list(keys.iterdir()))

    begun = tiles_done(output)
    assert 5 <= begun < N_TILE
    client = start(*words, "--cluster-config", config(tmp_path, 2), "--resume")
    shown, _ = client.communicate(timeout=SECONDS)
    log = (tmp_path / "command-1.log").read_text()
    assert (client.returncode, shown) == (0, f"{output}\n"), log
    assert f"{N_TILE - begun} of {N_TILE} tiles" in log
    assert "is running" in log
    assert contents(output) == expected


def test_after_ctrl_c_there_is_no_job_left(slurm, tmp_path, start):
    stack, output = tmp_path / "stack.zarr", tmp_path / "result.zarr"
    simulate_stack(Scene(n_date=30, shape=(256, 192)), stack)  # more work than a few seconds
    words = ["invert", stack, output, *HOW, "--cluster", "slurm"]
    client = start(*words, "--cluster-config", config(tmp_path, 5))
    wait_until(lambda: tiles_done(output) and pending(slurm), SECONDS, slurm.jobs)
    client.send_signal(signal.SIGINT)
    client.wait(SECONDS)
    log = (tmp_path / "command-0.log").read_text()
    assert client.returncode == 1, log
    assert re.search(
        r"error: interrupted\. Finished tiles are kept .* with --resume to continue\.\n$", log
    ), log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("directive", "job_script_prologue", "state"),
    [("--begin=now+1hour", "true", "PENDING"), ("-N 1", "sleep 300", "RUNNING")],
)
def test_ctrl_c_while_a_worker_is_waited_for_ends_at_once_and_leaves_nothing(
    slurm, stack, tmp_path, start, directive, job_script_prologue, state
):
    text = f'job_script_prologue = ["{job_script_prologue}"]\n'
    path = config(tmp_path, 1, text)
    path.write_text(path.read_text().replace("--gres=gpu:1", directive))
    client = start("invert", stack, tmp_path / "result.zarr", "--cluster", "slurm", "--cluster-config", path)
    wait_until(lambda: set(slurm.jobs().values()) == {state}, SECONDS, slurm.jobs)
    log = tmp_path / "command-0.log"
    wait_until(lambda: f"is {state.lower()}" in log.read_text(), SECONDS, log.read_text)
    client.send_signal(signal.SIGINT)
    assert client.wait(SECONDS) == 1
    assert log.read_text().splitlines()[-1] == "error: interrupted. No tile of it is kept."
    assert not re.search("Traceback|never retrieved", log.read_text())
    wait_until(lambda: not slurm.jobs(), SECONDS, slurm.jobs)
    assert not list((tmp_path / "result.zarr").glob("*"))


@pytest.mark.long
def test_a_job_that_runs_and_is_silent_ends_the_wait_and_one_in_the_queue_does_not(
    slurm, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("fringefleet.cluster.slurm.monitor.SECONDS_OF_SILENCE", 4.0)
    monkeypatch.setattr("fringefleet.cluster.waiting.SECONDS_BETWEEN_NOTICES", 1.0)
    options = {"job_script_prologue": ["echo so far; sleep 300"], "job_extra_directives": ["--begin=now+8"]}
    with (
        pytest.raises(
            InputError, match=r"found no worker after .* running.*wait_seconds.* ends with: so far"
        ) as found,
        connect(1, **options),
    ):
        pass
    assert float(re.search(r"after (\d+) s", str(found.value))[1]) >= 8  # in the queue, for longer than 4
    assert re.search(r"waiting for a worker of Slurm; the jobs are \d+ pending", caplog.text)


@pytest.mark.long
def test_workers_that_are_kept_serve_other_commands_until_ctrl_c(slurm, stack, expected, tmp_path, start):
    where, output = tmp_path / "new" / "scheduler.json", tmp_path / "result.zarr"
    keeper = start("slurm", "--cluster-config", config(tmp_path, 2), "--scheduler-file", where)
    assert keeper.stdout.readline().startswith("tls://127.0.0.1:")
    said = json.loads(where.read_text())
    credentials = Path(said["tls_credentials"])
    for path in (where, credentials):
        assert path.stat().st_mode & 0o777 == 0o600
    user = start("invert", stack, output, *HOW, "--cluster", where)
    assert user.wait(SECONDS) == 0, (tmp_path / "command-1.log").read_text()
    keeper.send_signal(signal.SIGINT)
    assert keeper.wait(SECONDS) == 0, (tmp_path / "command-0.log").read_text()
    assert list(where.parent.iterdir()) == []
    assert not credentials.parent.exists()
    assert contents(output) == expected


def test_the_script_of_a_job_is_shown_and_slurm_takes_it(slurm, tmp_path, start):
    options = config(tmp_path, 2, 'walltime = "00:05:00"\n')
    shown = start("slurm", "--dry-run", "--cluster-config", options)
    script, _ = shown.communicate(timeout=SECONDS)
    assert (
        "2 jobs of 1 worker(s) would be submitted, for --device cpu."
        in (tmp_path / "command-0.log").read_text()
    )
    assert not slurm.jobs()
    assert not (tmp_path / "fringefleet-slurm").exists()
    subprocess.run(["sbatch", "--test-only"], input=script, text=True, check=True, timeout=SECONDS)
    refused = script.replace("--gres=gpu:1", "--gres=gpu:9")
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["sbatch", "--test-only"], input=refused, text=True, check=True, timeout=SECONDS)
