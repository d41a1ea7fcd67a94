"""What is asked of Slurm, as text; no Slurm is needed."""

import shlex
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import dask
import pytest

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.slurm.gpu_worker import check_gpus, dask_setup
from fringefleet.cluster.slurm.request import JobRequest
from fringefleet.cluster.slurm.script import job_script, plan_jobs
from fringefleet.errors import OptionError

dask_jobqueue = pytest.importorskip("dask_jobqueue")

NO_HTTP = {"dashboard": False, "preload": ["fringefleet.processes.http_off"]}


@pytest.fixture(autouse=True)
def no_configuration_of_the_user():
    """Start from dask-jobqueue's own defaults."""
    with dask.config.set({"jobqueue.slurm.queue": None, "jobqueue.slurm.account": None}):
        yield


def plan(n_worker=None, *, options=(), **fields):
    return plan_jobs(ClusterOptions("slurm", n_worker, interface="lo", options=dict(options), **fields))


def directives(script):
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]


def worker_line(script):
    return shlex.split(script.splitlines()[-1])


def value_of(option, words):
    return words[words.index(option) + 1]


def test_a_section_of_dasks_configuration_is_used_and_lacks_nothing():
    section = {"walltime": "00:20:00", "job-extra-directives": ["--gres=gpu:2"]}
    with dask.config.set({"jobqueue.tiny": section, "jobqueue.slurm.queue": "gpu"}):
        planned = plan(4, options={"config_name": "tiny"})
        assert planned.n_job == 2
        script = directives(job_script(planned))
    assert {"-t 00:20:00", "--gres=gpu:2", "-p gpu"} <= set(script)
    with pytest.raises(OptionError, match=r"no section 'tiny' .*there are .*slurm.*Correct the name"):
        plan(4, options={"config_name": "tiny"})


def test_a_gpu_job_asks_for_one_gpu_and_starts_one_worker_on_the_interface_only(tmp_path):
    options = {"queue": "gpu", "account": "insar", "walltime": "02:00:00", "log_directory": tmp_path / "log"}
    planned = plan(4, device="cuda", worker_memory="8GB", options=options)
    script = job_script(planned)
    assert planned.n_job == 4
    assert not (tmp_path / "log").exists()  # nothing is made
    assert directives(script) == [
        "-J fringefleet",
        "-p gpu",
        "-A insar",
        "-n 1",
        "--cpus-per-task=1",
        "--mem=8G",
        "-t 02:00:00",
        "-N 1",
        "--gres=gpu:1",
        "--no-requeue",
        f'-o "{tmp_path}/log/%x-%j.log"',
        "--open-mode=append",
    ]
    words = worker_line(script)
    assert words[:4] == [sys.executable, "-m", "distributed.cli.dask_worker", "tls://SCHEDULER:PORT"]
    assert value_of("--interface", words) == "lo"
    assert value_of("--dashboard-address", words) == "127.0.0.1:0"
    assert value_of("--death-timeout", words) == "60"
    assert value_of("--nthreads", words) == "1"
    assert planned.cluster["scheduler_options"] == {"dashboard_address": "127.0.0.1:0"} | NO_HTTP
    preloads = [after for word, after in pairwise(words) if word == "--preload"]
    assert preloads == ["fringefleet.processes.http_off", "fringefleet.execution.warm_up"]
    assert "export DASK_FRINGEFLEET__DEVICE=cuda" in script
    assert "--no-dashboard" in words
    assert "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'" in script.splitlines()
    assert "export CUDA_DEVICE_ORDER=PCI_BUS_ID" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_workers_leave_in_good_order_before_the_time_of_their_job_is_over():
    lifetime = {"DURATION": "6120s", "STAGGER": "720s"}  # 85 % of two hours, give or take 10 %
    lines = {f"export DASK_DISTRIBUTED__WORKER__LIFETIME__{name}={value}" for name, value in lifetime.items()}
    assert lines <= set(job_script(plan(options={"walltime": "02:00:00"})).splitlines())
    assert "LIFETIME" not in job_script(plan(options={"walltime": "UNLIMITED"}))
    mine = job_script(plan(options={"worker_extra_args": ["--lifetime 50m"]}))
    assert "LIFETIME" not in mine
    assert value_of("--lifetime", worker_line(mine)) == "50m"


def test_a_job_on_the_cpu_asks_for_no_gpu():
    script = job_script(plan(2, options={"processes": 2, "job_cpu": 8}))
    assert "gpu" not in script
    assert "CUDA" not in script
    assert "--cpus-per-task=8" in directives(script)
    assert value_of("--nworkers", worker_line(script)) == "2"
    assert "-m distributed.cli.dask_worker" in script


@pytest.mark.parametrize("options", [{"processes": 4}, {"job_extra_directives": ["--gres=gpu:a100:4"]}])
def test_a_job_with_a_whole_node_has_a_worker_for_each_gpu(options):
    planned = plan(8, device="cuda", worker_memory="8GB", options=options)
    script = job_script(planned)
    assert planned.n_job == 2
    assert [line for line in directives(script) if "gpu" in line] == [
        options.get("job_extra_directives", ["--gres=gpu:4"])[0]
    ]
    assert "--mem=30G" in directives(script)  # 4 x 8e9 bytes
    words = worker_line(script)
    assert words[:4] == [sys.executable, "-m", "dask_cuda.cli", "tls://SCHEDULER:PORT"]
    assert value_of("--device-memory-limit", words) == "0"
    assert value_of("--nthreads", words) == "1"
    assert "--nworkers" not in words  # one for each GPU that it sees
    given = {word for word in words if word.startswith("--")}
    cli = pytest.importorskip("dask_cuda.cli", exc_type=ImportError)
    assert given <= {
        option for parameter in cli.worker.params for option in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"device": "cpu"}, {"job_extra_directives": ["--gres=gpu:4"]}),
        ({"device": "cuda"}, {"processes": 4, "worker_command": "fringefleet.cluster.slurm.gpu_worker"}),
    ],
)
def test_our_own_worker_deals_gpus_out_where_nothing_needs_dask_cuda(fields, options):
    words = worker_line(job_script(plan(8, options=options, **fields)))
    assert words[2] == "fringefleet.cluster.slurm.gpu_worker"
    values = [value_of(f"--{name}", words) for name in ("nworkers", "nthreads", "interface", "name")]
    assert values == ["4", "1", "lo", "slurm-0"]


def test_what_is_said_comes_before_daskjobqueues_configuration_and_that_before_our_defaults():
    configured = {
        "walltime": "1-00:00:00",
        "memory": "64GB",
        "job-extra-directives": ["-C a100", "--requeue"],
    }
    configured |= {"job-script-prologue": ["source site.sh"], "interface": "ib0", "cores": 6, "processes": 2}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in configured.items()}):
        script = job_script(plan_jobs(ClusterOptions("slurm", options={"walltime": "00:10:00"})))
    found = directives(script)
    assert {"-t 00:10:00", "--mem=60G", "-C a100", "--requeue", "--cpus-per-task=6"} <= set(found)
    assert "--no-requeue" not in found
    assert value_of("--interface", worker_line(script)) == "ib0"
    assert value_of("--nthreads", worker_line(script)) == "3"
    assert "source site.sh" in script


def test_a_section_of_the_configuration_can_be_named():
    section = {**dask.config.get("jobqueue.slurm"), "queue": "h100", "memory": "100GB"}
    with dask.config.set({"jobqueue.fast": section}):
        script = job_script(plan(options={"config_name": "fast"}))
    assert {"-p h100", "--mem=94G"} <= set(directives(script))


def test_workers_are_told_where_their_certificates_are():
    words = worker_line(job_script(plan()))
    assert words[3].startswith("tls://")
    assert [value_of(f"--tls-{name}", words) for name in ("ca-file", "cert", "key")] == [
        "CA",
        "CERTIFICATE",
        "KEY",
    ]


@pytest.mark.parametrize("folder", ["$HOME/x", "~/x"])
def test_local_files_of_a_worker_are_private_and_removed(tmp_path, folder):
    """Only what a job does around its worker; the worker itself is replaced by a look at its folder."""
    script = job_script(plan(options={"local_directory": folder, "log_directory": tmp_path}))
    lines = script.splitlines()
    assert value_of("--local-directory", worker_line(script)) == "$FRINGEFLEET_LOCAL"
    (tmp_path / "x").mkdir()
    lines[-1] = 'stat -c %a "$FRINGEFLEET_LOCAL"; echo "$FRINGEFLEET_LOCAL"'
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash"], input="\n".join(lines), env=environment, text=True, capture_output=True, check=True
    )
    mode, folder = done.stdout.split()
    assert mode == "700"
    assert folder.startswith(f"{tmp_path}/x/fringefleet-")
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": "gpu\nrm -rf ~"}, r"found queue = 'gpu\\nrm -rf ~'; give one line"),
        ({"job_extra_directives": ["-C a\nrm x"]}, "give one line"),
        ({"local_directory": "/tmp/$(rm x)"}, "give a folder"),
        ({"local_directory": "/tmp/`rm x`"}, "give a folder"),
        ({"local_directory": '/tmp/"; rm x; "'}, "give a folder"),
        ({"log_directory": '/tmp/"; rm x'}, "give a folder"),
        ({"worker_command": "x; rm y"}, "give the name of a Python module"),
        ({"modules": ["cuda; rm x"]}, "give a name such as"),
        ({"modules": "cuda"}, "give a list"),
        ({"job_extra_directives": "-C a100"}, "give a list"),
        ({"cores": 1, "processes": 4}, r"found cores = 1 for processes = 4; .* give cores = 4"),
        ({"job_extra_directives": ["--array=1-3"]}, "found --array 1-3 in job_extra_directives"),
        ({"config_name": 5}, "found config_name = 5 of the type int; give text"),
        ({"processes": 2, "job_extra_directives": ["--gres=gpu:4"]}, "found 4 GPUs .* for processes = 2"),
        ({"walltime": "soon"}, "found walltime = 'soon'; give it as Slurm does"),
        ({"memory": "3GB"}, "found memory and worker_memory"),
        ({"wall_time": "1:00"}, r"unknown keyword for SLURMCluster 'wall_time'. Did you mean walltime\?"),
        ({"job_cls": "x"}, "unknown keyword"),
    ],
)
def test_what_cannot_be_meant_or_would_run_something_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        plan(worker_memory="1GB", options=options)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("queue", "gpu -a 1-3", "found queue = 'gpu -a 1-3'; give one word"),
        ("job-extra-directives", ["-a 1-3"], "found --array 1-3"),
        ("job-extra-directives", ["-C a\n#SBATCH -a 1-3"], "give one line"),
        ("local-directory", "/tmp/$(rm x)", "give a folder"),
        ("worker-command", "x; rm y", "give the name of a Python module"),
        ("memory", "lots", "found memory = 'lots'"),
        ("cores", "x", "found cores = 'x' of the type str; give a whole number"),
        ("interface", "lo; rm x", "give the name of a network interface"),
        ("job-extra", ["-a 1-3"], "it is called job_extra_directives now"),
    ],
)
def test_dasks_configuration_is_checked_like_options(keyword, value, message):
    with (
        dask.config.set({f"jobqueue.slurm.{keyword}": value}),
        pytest.raises(OptionError, match=message),
    ):
        plan_jobs(ClusterOptions("slurm", options={}))


def test_what_the_configuration_says_is_left_alone_where_the_options_say_otherwise():
    with dask.config.set({"jobqueue.slurm.queue": "a b", "jobqueue.slurm.cores": "many"}):
        script = job_script(plan(options={"queue": "gpu", "cores": 2}))
    assert {"-p gpu", "--cpus-per-task=2"} <= set(directives(script))


def test_more_workers_than_asked_for_are_said(caplog):
    caplog.set_level("INFO", "fringefleet")
    assert plan(5, options={"processes": 4}).n_job == 2
    assert caplog.messages == ["8 workers instead of 5: each job has 4"]
    caplog.clear()
    plan(8, options={"processes": 4})
    plan(options={"processes": 4})  # nobody asked for a number
    assert caplog.messages == []


def test_a_job_has_its_name_whatever_is_left_out():
    script = job_script(plan(options={"job_name": "mine", "job_directives_skip": ["-J", "-t"]}))
    assert [line for line in directives(script) if line.startswith(("-J", "-t"))] == ["-J mine"]
    for nobody_said in ({}, {"job_name": None}):
        assert "-J fringefleet" in directives(job_script(plan(options=nobody_said)))


def test_options_of_the_scheduler_are_for_it_alone():
    planned = plan(options={"scheduler_options": {"port": 8790}})
    wanted = {"dashboard_address": "127.0.0.1:0", "port": 8790} | NO_HTTP
    assert planned.cluster["scheduler_options"] == wanted
    assert "8790" not in job_script(planned)


def test_the_folder_for_logs_may_be_in_the_home_and_everything_is_in_one_log(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"jobqueue.slurm.log-directory": "~/configured"}):
        for options, name in (({}, "configured"), ({"log_directory": "~/given"}, "given")):
            planned = plan(options=options)
            found = directives(job_script(planned))
            assert planned.log_folder == tmp_path / name
            assert [line for line in found if line.startswith(("-o", "-e"))] == [
                f'-o "{tmp_path}/{name}/%x-%j.log"'
            ]
    assert list(tmp_path.iterdir()) == []  # by no library either


def test_arguments_of_the_worker_and_of_python_are_safe_from_the_shell():
    options = {"worker_extra_args": ["--resources", "'A=1;touch x'"], "python": "apptainer exec a.sif python"}
    line = job_script(plan(options=options)).splitlines()[-1]
    assert "'A=1;touch x'" in line
    assert line.startswith("apptainer exec a.sif python -m distributed.cli.dask_worker")


def test_an_interface_has_to_be_named():
    with pytest.raises(OptionError, match=r"found no .*interface; .* Give one of \w+.*; the fast one"):
        plan_jobs(ClusterOptions("slurm"))


def test_each_worker_of_a_job_has_one_of_its_gpus_or_there_is_an_error(monkeypatch):
    for visible, name, gpu in (
        ("0,1,GPU-ab", "slurm-7-2", "GPU-ab"),
        ("3, 1", "slurm-0-0", "3"),
        ("5", "slurm-3", "5"),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        nanny = SimpleNamespace(name=name, env={"A": "1"})
        dask_setup(nanny)
        assert nanny.env == {"A": "1", "CUDA_VISIBLE_DEVICES": gpu}
    check_gpus("0,1,GPU-ab", 3)
    for visible, n_worker in ((None, 1), ("", 2), ("0", 2), ("0,1,2", 2)):
        with pytest.raises(SystemExit, match=rf"for {n_worker} workers in this job; let it ask for"):
            check_gpus(visible, n_worker)


def test_ctrl_c_means_what_it_meant_before():
    """The import of dask-jobqueue alone makes an interrupt the end of the process, with exit code 0."""
    code = (
        "import signal\n"
        "from fringefleet.cluster import ClusterOptions\n"
        "from fringefleet.cluster.slurm.script import plan_jobs\n"
        "plan_jobs(ClusterOptions('slurm', interface='lo'))\n"
        "import dask_jobqueue.runner\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": "two"}, "found processes = 'two'"),
        ({"processes": 0}, "found processes = 0; give 1 or more"),
        ({"memory": "lots"}, "found memory = 'lots'; give bytes"),
        ({"config_name": "nowhere"}, "found no section 'nowhere'"),
    ],
)
@pytest.mark.parametrize("ask", [JobRequest, plan_jobs])
def test_what_cannot_be_is_refused_whoever_asks_first(ask, options, message):
    with pytest.raises(OptionError, match=message):
        ask(ClusterOptions("slurm", interface="lo", options=options))
