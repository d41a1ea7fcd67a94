"""Workers that are there: started on this machine, or running already; who can reach them; what is left."""

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import dask
import psutil
import pytest
import torch
import xarray as xr
from distributed import Client, Security
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.errors import DeviceError, InputError, RunError
from fringefleet.processes.dashboard import dashboard_link, describe_dashboard
from fringefleet.processes.worker_info import worker_record
from fringefleet.simulate import Scene, simulate_stack
from polling import wait_until
from thread_workers import thread_cluster

PRETEND = Path(__file__).resolve().parents[1] / "pretend_gpus"
pytestmark = pytest.mark.cluster


def listeners():
    """Addresses that this process and its children listen at."""
    here = psutil.Process()
    return {
        (process.pid, connection.laddr.ip, connection.laddr.port)
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def children():
    return {
        process for process in psutil.Process().children(recursive=True) if "spawn_main" in command(process)
    }


def command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


# --- started here -----------------------------------------------------------------------------------------


def test_local_workers_talk_to_nobody_else_and_leave_nothing(tmp_path):
    before = listeners()
    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),
        fringefleet.connect("local", 2, worker_memory="1GB") as workers,
    ):
        assert (workers.n_worker, workers.worker_memory) == (2, 10**9)
        assert workers.client.submit(sum, [1, 2]).result() == 3
        address = workers.client.scheduler.address
        infos = workers.client.scheduler_info(n_workers=-1)["workers"]
        assert address.startswith("tls://127.0.0.1:")
        assert all(info.startswith("tls://127.0.0.1:") for info in infos)
        assert all(info["nanny"].startswith("tls://127.0.0.1:") for info in infos.values())

        opened = listeners() - before
        assert len(opened) == 1 + 2 * 2  # a scheduler, and of each worker itself and its nanny
        assert {ip for _, ip, _ in opened} == {"127.0.0.1"}

        (folder,) = set(tmp_path.glob("fringefleet-*")) - {workers.credentials.parent}
        assert folder.stat().st_mode & 0o777 == 0o700
        scratches = workers.client.run(lambda dask_worker: dask_worker.local_directory).values()
        assert all(Path(name).is_relative_to(folder) for name in scratches)

        with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
            for security in (None, Security.temporary()):
                with pytest.raises((OSError, TypeError)):
                    Client(address.replace("tls", "tls" if security else "tcp"), timeout=2, security=security)
            with (
                pytest.raises(
                    InputError, match=r"found no Dask scheduler at tcp://.*see whether it wants TLS"
                ),
                fringefleet.connect(address.replace("tls", "tcp"), wait_seconds=2),
            ):
                pass
        processes = children()
        assert len(processes) == 2
        running_with_certificates(address, workers.client.security, tmp_path)
    psutil.wait_procs(processes, timeout=10)
    assert not any(process.is_running() for process in processes)
    assert listeners() <= before
    assert not list(tmp_path.glob("fringefleet-*"))


def running_with_certificates(address, security, folder):
    """The same cluster, as one that somebody else started; its certificates are in files."""
    files = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    paths = {f"tls_{name}": folder / f"{name}.pem" for name in files}
    for name, text in files.items():
        (folder / f"{name}.pem").write_text(text)
    scheduler_file = folder / "scheduler.json"
    scheduler_file.write_text(json.dumps({"address": address}))
    with fringefleet.connect(str(scheduler_file), 2, **paths) as workers:
        assert workers.client.submit(sum, [1, 2]).result() == 3
    with (
        pytest.raises(InputError, match=r"found 2 of 3 workers .* after 0\.5 s"),
        fringefleet.connect(address, 3, wait_seconds=0.5, **paths),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"interface": "nowhere0"},
            r"^found no network interface 'nowhere0' on this machine; give one of lo",
        ),
        (
            {"options": {"threads": 2}},
            r"unknown keyword for LocalCluster 'threads'\. Did you mean nthreads\?",
        ),
        ({"options": {"thread_per_worker": 2}}, r"Did you mean threads_per_worker\?"),
    ],
)
def test_a_cluster_that_cannot_be_started_says_why_and_leaves_nothing(options, message):
    before, processes = listeners(), children()
    with pytest.raises(InputError, match=message), fringefleet.connect("local", 1, **options):
        pass
    wait_until(lambda: listeners() <= before and children() <= processes, 20)


def other_interface():
    """An interface of this machine beside the loopback, with its address."""
    for name, addresses in psutil.net_if_addrs().items():
        for found in addresses:
            if found.family == socket.AF_INET and not found.address.startswith("127."):
                return name, found.address
    return pytest.skip("this machine has the loopback only")


def test_no_worker_looks_at_the_frames_of_threads_where_that_may_lock_it_up():
    with fringefleet.connect("local", 1) as workers:
        profiled = workers.client.run(lambda dask_worker: "profile" in dask_worker.periodic_callbacks)
    assert set(profiled.values()) == {sys.version_info[:2] != (3, 11)}


def test_the_dashboards_address_is_where_it_listens_whatever_interface_the_workers_have():
    name, ip = other_interface()
    with fringefleet.connect("local", 1, interface=name, dashboard=True) as workers:
        client = workers.client
        assert client.scheduler.address.startswith(f"tls://{ip}:")
        link, port = dashboard_link(client), urlsplit(dashboard_link(client)).port
        assert link == f"http://127.0.0.1:{port}/status"
        with urlopen(link.replace("status", "health"), timeout=10) as answer:
            assert answer.read() == b"ok"
        here = socket.gethostname()
        forward = f"ssh -L {port}:127.0.0.1:{port} {here}"
        assert describe_dashboard(client) == f"{link} (on {here}; from elsewhere: {forward})"


def test_a_dashboard_that_everybody_sees_is_at_the_schedulers_host(running):
    with Client(running) as client:
        link = dashboard_link(client)
        assert link.startswith("http://127.0.0.1:")
        assert describe_dashboard(client) == link
    open_to_all = {"dashboard_address": "0.0.0.0:0"}
    with fringefleet.connect("local", 1, dashboard=True, options=open_to_all) as workers:
        assert describe_dashboard(workers.client) == dashboard_link(workers.client)
        assert urlsplit(dashboard_link(workers.client)).hostname == "127.0.0.1"


def test_a_failure_in_mid_work_stops_the_workers():
    before = children()
    started, heard = set(), set()

    def fail():
        with fringefleet.connect("local", 1, interface="lo") as workers:
            started.update(children() - before)
            heard.update(ip for _, ip, _ in listeners())
            workers.client.submit(lambda: 1 / 0).result()

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(started) == 1
    assert heard == {"127.0.0.1"}
    psutil.wait_procs(started, timeout=10)
    assert children() <= before


# --- running already --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running():
    """A cluster of somebody else: one worker in this process."""
    with thread_cluster() as cluster:
        yield cluster


def test_the_client_of_a_notebook_is_used_and_left_as_it_is(running):
    with Client(running) as client:
        for asked in (None, "current"):
            with fringefleet.connect(asked) as workers:
                assert workers.client is client
                assert workers.n_worker == 1
            assert client.status == "running"
    with pytest.raises(InputError, match="found no Dask client"), fringefleet.connect("current"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a worker without a GPU")
def test_a_client_of_ones_own_is_asked_for_the_device_before_any_work(running, tmp_path):
    stack, output = tmp_path / "stack.zarr", tmp_path / "result.zarr"
    simulate_stack(Scene(n_date=5, shape=(24, 20)), stack)
    job = fringefleet.Run(stack, output, fringefleet.Options(device="cuda"))
    with Client(running), pytest.raises(DeviceError, match="1 of 1 workers cannot compute on cuda: tcp://"):
        fringefleet.run(job)
    assert list(tmp_path.glob("*result*")) == []


def test_a_running_cluster_goes_on_when_we_are_done(running):
    for _ in range(2):
        with fringefleet.connect(running.scheduler_address) as workers:
            (record,) = workers.client.run(worker_record, "cpu").values()
    (info,) = running.scheduler_info["workers"].values()
    assert (record["worker"], record["pid"]) == (str(info["name"]), os.getpid())
    assert record["address"].startswith("tcp://127.0.0.1:")
    assert (record["gpu"], record["gpu_peak_bytes"]) == (None, None)
    with running.get_client() as client:
        inside = client.submit(worker_record, "cpu").result()
    assert inside == record
    assert worker_record("cpu")["worker"] is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://127.0.0.1:99999", "found no port in .* out of range"),
        ("tcp://127.0.0.1:http", "found no port in tcp://127.0.0.1:http"),
        ("tcp://127.0.0.1", "found no port in tcp://127.0.0.1; give one as in tcp://host:8786"),
        ("tcp://nowhere.invalid:8786", r"found no host nowhere\.invalid, of tcp://.*correct the address"),
        ("tcp://127.0.0.1:1", r"within 3 s \(ConnectionRefused.*\); start one .* see whether it wants TLS"),
    ],
)
def test_a_scheduler_that_is_not_there_is_said_with_a_reason(address, message):
    with pytest.raises(InputError, match=message), fringefleet.connect(address, wait_seconds=3):
        pass


def test_certificates_for_a_scheduler_without_tls_are_said_to_be_for_nothing(running, tmp_path, caplog):
    security = Security.temporary()
    files = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    given = {f"tls_{name}": tmp_path / name for name in files}
    caplog.set_level(logging.CRITICAL, "tornado.application")
    with (
        pytest.raises(InputError, match=r"within 4 s \(.+\); .* see whether it has TLS at all"),
        fringefleet.connect(running.scheduler_address.replace("tcp", "tls"), wait_seconds=4, **given),
    ):
        pass


@contextmanager
def worker_with_another_version(address, tmp_path):
    """A process that joins a cluster, and whose fringefleet says that it is 9.9.9."""
    metadata = tmp_path / "fringefleet-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: fringefleet\nVersion: 9.9.9\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    arguments = ["--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--name", "old", "--nthreads", "1"]
    arguments += ["--local-directory", str(tmp_path), "--dashboard-address", "127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    ) as worker:
        try:
            yield
        finally:
            worker.terminate()


def test_a_worker_with_another_version_of_the_package_is_refused_at_start(running, tmp_path):
    address = running.scheduler_address
    with (
        worker_with_another_version(address, tmp_path),
        pytest.raises(InputError) as caught,
        fringefleet.connect(address, 2),
    ):
        pass
    assert "other software on 1 of 3 processes of the cluster: worker tcp://127.0.0.1:" in str(caught.value)
    assert f"has fringefleet 9.9.9 instead of {fringefleet.__version__}" in str(caught.value)
    wait_until(lambda: len(running.scheduler_info["workers"]) == 1, 20)


def test_a_worker_with_another_version_that_comes_later_does_no_tile(running, tmp_path):
    stack, output = tmp_path / "stack.zarr", tmp_path / "result.zarr"
    simulate_stack(Scene(n_date=5, shape=(24, 20)), stack)
    with fringefleet.connect(running.scheduler_address) as workers:
        (first,) = workers.client.scheduler_info()["workers"]
        with worker_with_another_version(running.scheduler_address, tmp_path):
            workers.client.wait_for_workers(2, timeout=60)
            with pytest.raises(RunError, match=r"has fringefleet 9\.9\.9 instead of") as caught:
                fringefleet.run(fringefleet.Run(stack, output, chunks=(2, 2)))
        assert first not in str(caught.value)
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    assert {tile["address"] for tile in report["tiles"] if tile["state"] == "done"} <= {first}
    wait_until(lambda: len(running.scheduler_info["workers"]) == 1, 20)


# --- from the command line --------------------------------------------------------------------------------


def test_invert_takes_its_workers_from_a_file_and_encrypts(tmp_path):
    simulate_stack(Scene(n_date=5, shape=(24, 20)), tmp_path / "stack.zarr")
    (tmp_path / "workers.toml").write_text(
        f"""
        [cluster]
        cluster = "local"
        n_worker = 7
        worker_memory = "1GB"
        [cluster.options]
        local_directory = "{tmp_path}"
        """
    )
    options = ["--cluster-config", "workers.toml", "--workers", "1", "--chunks", "12", "20"]
    command = [sys.executable, "-m", "fringefleet.cli", "invert", "stack.zarr", "tls.zarr", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "starting 1 workers: local" in done.stderr
    fringefleet.run(fringefleet.Run(tmp_path / "stack.zarr", tmp_path / "threads.zarr", chunks=(12, 20)))
    with xr.open_zarr(tmp_path / "tls.zarr") as one, xr.open_zarr(tmp_path / "threads.zarr") as other:
        xr.testing.assert_identical(one["displacement"].load(), other["displacement"].load())
    assert not list(tmp_path.glob("fringefleet-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cluster", "lcal-cuda"], "Did you mean local-cuda?"),
        (["--cluster-config", "evil.toml"], "Others may load code"),
        (["--cluster-config", "nowhere.toml"], "found no cluster file nowhere.toml"),
        (["--cluster", "nowhere.json"], "found no scheduler file nowhere.json"),
        (["--tls-ca", "ca.pem", "--tls-cert", "c.pem"], "which has an effect only with --cluster tls://"),
        (["--worker-memory", "lots"], "--worker-memory 'lots'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_workers_that_cannot_be_had_are_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    simulate_stack(Scene(n_date=4, shape=(6, 6)), tmp_path / "stack.zarr")
    (tmp_path / "evil.toml").write_text("[cluster.options]\npreload = \"import os; os.mkdir('executed')\"")
    done = CliRunner().invoke(app, ["invert", "stack.zarr", "$(touch executed).zarr", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "executed").exists()


# --- GPUs that are not there ------------------------------------------------------------------------------

SCRIPT = """
import json
import sys
import pretend_cuda
import fringefleet
from fringefleet.processes.worker_info import worker_record

PRELOAD = {"preload": ["pretend_cuda"]}

def records(*args, **kwargs):
    options = PRELOAD | kwargs.pop("options", {})
    with fringefleet.connect(*args, options=options, **kwargs) as workers:
        found = workers.client.run(worker_record, "cuda").values()
        keys = ("worker", "cuda_visible_devices", "gpu", "gpu_name", "gpu_peak_bytes")
        return sorted([str(record[key]) for key in keys] for record in found)

def refusal(*args, **kwargs):
    try:
        return records(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def on_running():
    # Two workers of somebody else's cluster, which see the same GPU first.
    with fringefleet.connect("local", 2, options=PRELOAD) as workers:
        try:
            credentials = {"tls_credentials": workers.credentials}
            with fringefleet.connect(workers.client.scheduler.address, device="cuda", **credentials):
                pass
        except Exception as error:
            return f"{type(error).__name__}: {error}"

if __name__ == "__main__":
    sys.stdout.write(json.dumps(eval(sys.argv[1], globals())))
"""


def pretend(tmp_path, expression, *, path=PRETEND, n_gpu=3, **environment):
    """Evaluate an expression in a process that takes this machine for one with GPUs."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join(filter(None, [str(path), os.environ.get("PYTHONPATH")]))
    here = {"PRETEND_GPUS": str(n_gpu), "PYTHONPATH": paths, "DASK_CUDA_TEST_SINGLE_GPU": "1"}
    done = subprocess.run(
        [sys.executable, str(script), expression],
        env={**os.environ, **here, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def pretend_cuda_only(tmp_path):
    """Torch says that there are GPUs, and there is no driver: pynvml is the real one."""
    folder = tmp_path / "only"
    folder.mkdir()
    shutil.copy(PRETEND / "pretend_cuda.py", folder)
    return folder


def needs_dask_cuda():
    pytest.importorskip("dask_cuda", reason="needs dask-cuda and cuda-bindings", exc_type=ImportError)


def test_each_worker_of_local_cuda_has_a_gpu_of_its_own(tmp_path):
    needs_dask_cuda()
    by_default, named = pretend(
        tmp_path,
        '[records(device="cuda"), records(device="cuda", options={"CUDA_VISIBLE_DEVICES": [2, 0]})]',
    )
    assert by_default == [
        ["0", "0,1,2", "GPU-pretend-0", "Pretend GPU 0", "0"],
        ["1", "1,2,0", "GPU-pretend-1", "Pretend GPU 1", "0"],
        ["2", "2,0,1", "GPU-pretend-2", "Pretend GPU 2", "0"],
    ]
    assert [(visible, gpu) for _, visible, gpu, *_ in named] == [
        ("0,2", "GPU-pretend-0"),
        ("2,0", "GPU-pretend-2"),
    ]


@pytest.mark.long
def test_workers_that_would_share_a_gpu_are_refused_unless_they_may(tmp_path):
    started, running, shared = pretend(
        tmp_path,
        '[refusal("local", 2, device="cuda"), on_running(), '
        'records("local", 2, device="cuda", share_gpu=True)]',
    )
    assert started.startswith("OptionError: found 2 local workers with device = cuda, which would all have")
    assert "cluster = local-cuda" in started
    assert running.startswith(
        "DeviceError: found a GPU that several workers share: Pretend GPU 0 GPU-pretend-0 by workers "
    )
    assert re.search(r" by workers 0 on \S+ \(pid \d+, .*\), 1 on \S+ \(pid ", running)
    assert [gpu for _, _, gpu, *_ in shared] == ["GPU-pretend-0"] * 2


@pytest.mark.long
def test_share_gpu_alone_leaves_no_gpu_out(tmp_path):
    needs_dask_cuda()
    every, too_many = pretend(
        tmp_path, '[records(device="cuda", share_gpu=True), refusal(None, 4, device="cuda", share_gpu=True)]'
    )
    assert [gpu for _, _, gpu, *_ in every] == ["GPU-pretend-0", "GPU-pretend-1", "GPU-pretend-2"]
    assert "found 4 workers for 3 GPUs" in too_many
    assert "cluster = local share_gpu = True" in too_many


def test_share_gpu_puts_several_workers_on_the_only_gpu(tmp_path, pretend_cuda_only):
    shared = pretend(
        tmp_path, 'records(None, 2, device="cuda", share_gpu=True)', path=pretend_cuda_only, n_gpu=1
    )
    assert [gpu for _, _, gpu, *_ in shared] == ["GPU-pretend-0"] * 2


@pytest.mark.long
def test_more_workers_than_gpus_are_refused_and_a_single_gpu_needs_no_dask_cuda(tmp_path, pretend_cuda_only):
    too_many = pretend(tmp_path, 'refusal("local-cuda", 4)')
    assert too_many.startswith("OptionError: found 4 workers for 3 GPUs; give 3 or fewer.")
    ((worker, _, gpu, *_),) = pretend(tmp_path, 'records(device="cuda")', path=pretend_cuda_only, n_gpu=1)
    assert (worker, gpu) == ("0", "GPU-pretend-0")


def test_a_part_of_a_gpu_is_known_by_its_own_uuid(tmp_path):
    visible = "MIG-6b1e9b4a-0001,MIG-6b1e9b4a-0002"
    record = pretend(tmp_path, 'worker_record("cuda")', CUDA_VISIBLE_DEVICES=visible)
    assert (record["gpu"], record["worker"]) == ("MIG-6b1e9b4a-0001", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_what_a_gpu_needs_is_said_at_once(tmp_path, pretend_cuda_only):
    for asked in ("local", "local-cuda"):
        with (
            pytest.raises(DeviceError, match=r"build without CUDA|finds no CUDA device"),
            fringefleet.connect(asked, device="cuda"),
        ):
            pass
    without = pretend(
        tmp_path,
        "[sys.modules.update(dask_cuda=None), refusal('local-cuda')][1]",
        path=pretend_cuda_only,
    )
    assert without.startswith(
        "MissingExtraError: cluster = local-cuda needs dask-cuda for your version of CUDA"
    )
    assert "fringefleet[cuda13]" in without
    needs_dask_cuda()
    without = pretend(tmp_path, 'refusal("local-cuda")', path=pretend_cuda_only)
    assert without.startswith(
        "DeviceError: found no NVIDIA driver that dask-cuda can ask for its GPUs (NVMLError"
    )


# --- GPUs that are there ----------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_real_gpus_have_a_worker_each_and_two_may_share_one():
    needs_dask_cuda()
    with fringefleet.connect("local-cuda") as workers:
        records = list(workers.client.run(worker_record, "cuda").values())
        workers.client.submit(lambda: float(torch.ones(1 << 20, device="cuda").sum())).result()
        peaks = [record["gpu_peak_bytes"] for record in workers.client.run(worker_record, "cuda").values()]
    assert len({record["gpu"] for record in records}) == torch.cuda.device_count() == len(records)
    assert max(peaks) >= 4 << 20
    with fringefleet.connect("local", 2, device="cuda", share_gpu=True) as workers:
        gpus = [record["gpu"] for record in workers.client.run(worker_record, "cuda").values()]
    assert len(gpus) == 2
    assert len(set(gpus)) == 1


def shut(server):
    """Take a connection, and close it."""
    server.accept()[0].close()


@pytest.mark.parametrize("greets", [True, False])
def test_what_is_no_scheduler_is_refused_be_it_silent_or_not(greets):
    with socket.create_server(("127.0.0.1", 0)) as server:
        if greets:
            threading.Thread(target=shut, args=[server], daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"no Dask scheduler at {address} within 1 s"):
            fringefleet.connect(address, wait_seconds=1).__enter__()


def test_a_scheduler_that_does_not_answer_is_told_of_at_once_and_given_the_time_that_it_was_said(caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    logging.getLogger("fringefleet").propagate = True
    with (
        pytest.raises(InputError, match=rf"no Dask scheduler at {address} within 3 s \(.*refused.*wait_sec"),
        fringefleet.connect(address, wait_seconds=3),
    ):
        pass
    first = next(text for text in caplog.messages if "no answer" in text)
    assert re.fullmatch(rf"no answer from {address} yet \(.*refused.*\); trying for 3 s", first)


def test_a_scheduler_that_comes_later_is_waited_for(caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = []

    def look():
        with fringefleet.connect(f"tcp://127.0.0.1:{port}", wait_seconds=30) as workers:
            found.append(workers.n_worker)

    logging.getLogger("fringefleet").propagate = True
    looking = threading.Thread(target=look)
    looking.start()
    wait_until(lambda: any("no answer" in text for text in caplog.messages), 20)
    with thread_cluster(1, port):
        looking.join(30)
    assert found == [1]


def test_dask_computes_as_before_where_the_client_ended_first():
    with fringefleet.connect("local", 1) as workers:
        workers.client.close()
    assert dask.config.get("scheduler", None) is None
