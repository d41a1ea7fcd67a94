"""The files in deploy/slurm/ do what they say, on the test Slurm."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import dask
import pytest
import xarray as xr
import yaml

import fringefleet
from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.config import read_cluster_config
from fringefleet.cluster.local import LOCAL_SETTINGS, SETTINGS
from fringefleet.cluster.options import cluster_options
from fringefleet.cluster.slurm.script import job_script, plan_jobs
from fringefleet.simulate import Scene, simulate_stack
from integration.slurm.conftest import contents
from polling import wait_until

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "slurm"
SECTIONS = yaml.safe_load((DEPLOY / "jobqueue.yaml").read_text())["jobqueue"]
SECONDS = 150
CHUNKS = (16, 24)
SMALL = ("--cpus-per-task=1", "--time=5")  # jobs that fit on the test Slurm
SITE = {"INTERFACE": "lo", "DEVICE": "cpu", "WORKER_MEMORY": "2GB"}


def submit(script, *arguments, options=(), **changes):
    """Submit a script as a user would, with this environment's programs in PATH; give the job's number."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["sbatch", "--parsable", *SMALL, *options, str(DEPLOY / script), *map(str, arguments)]
    environment = {**os.environ, "PATH": path} | SITE | changes
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def workers_of(output):
    """Workers that took part in a run: names, and the GPUs that they saw."""
    report = json.loads(Path(f"{output}.report.json").read_text())
    return {(str(worker["worker"]), worker["cuda_visible_devices"]) for worker in report["workers"]}


@pytest.mark.long
@pytest.mark.slurm
@pytest.mark.cluster
def test_each_script_gives_what_a_local_run_gives_and_leaves_nothing_behind(slurm, tmp_path):
    simulate_stack(Scene(n_date=8, shape=(96, 48)), tmp_path / "stack.zarr")
    fringefleet.run(fringefleet.Run(tmp_path / "stack.zarr", tmp_path / "expected.zarr", chunks=CHUNKS))
    lines = ("stack.zarr first.zarr", "'stack.zarr' \"second one.zarr\"", "stack.zarr")
    (tmp_path / "my scenes.txt").write_text("\n".join(lines) + "\n")
    how = ("--chunks", *CHUNKS)

    node = ("--nodes=1", "--gres=gpu:2", "--mem-per-cpu=2000")  # a node for each of the first two
    one = submit(
        "one_allocation.sbatch",
        *("stack.zarr", "one.zarr", *how),
        options=[*node, "--ntasks-per-node=2"],
    )
    script = DEPLOY / "runner.py"
    runner = submit(
        "runner.sbatch", script, "stack.zarr", "runner.zarr", options=[*node, "--ntasks-per-node=4"]
    )
    array = submit("array.sbatch", "my scenes.txt", *how, options=["--array=1-3", "--mem=2000"])
    wait_until(lambda: not slurm.jobs(), SECONDS, slurm.jobs)
    logs = {path.name: path.read_text() for path in tmp_path.glob("*.log")}

    for job in (one, runner):
        assert slurm.finished(job)["ExitCode"] == "0:0", logs
    expected = contents(tmp_path / "expected.zarr")
    scenes = ("first", "second one")
    for name in ("one", *scenes):
        assert contents(tmp_path / f"{name}.zarr") == expected, name
    assert "one.zarr" in logs[f"fringefleet-{one}.log"]
    assert "Traceback" not in logs[f"fringefleet-{one}.log"]
    assert workers_of(tmp_path / "one.zarr") in [{(f"n{i}-0", "0"), (f"n{i}-1", "1")} for i in (1, 2)]

    with xr.open_zarr(tmp_path / "runner.zarr") as ours, xr.open_zarr(tmp_path / "expected.zarr") as theirs:
        xr.testing.assert_identical(ours["displacement"].load(), theirs["displacement"].load())
    assert_took_part(tmp_path, runner, {("2", "0"), ("3", "1")})
    assert "0 of them done before" in logs[f"fringefleet-{runner}.log"]

    for name in scenes:
        assert [gpu for _, gpu in workers_of(tmp_path / f"{name}.zarr")] in (["0"], ["1"])
    assert "line 3 of my scenes.txt is not STACK OUT.zarr" in logs[f"fringefleet-{array}-3.log"]


@pytest.mark.long
@pytest.mark.slurm
@pytest.mark.cluster
def test_on_two_nodes_every_gpu_has_a_worker(slurm, tmp_path):
    simulate_stack(Scene(n_date=8, shape=(96, 48)), tmp_path / "stack.zarr")
    fringefleet.run(fringefleet.Run(tmp_path / "stack.zarr", tmp_path / "expected.zarr", chunks=CHUNKS))
    nodes = ("--nodes=2", "--gres=gpu:2", "--mem-per-cpu=2000")
    how = ("stack.zarr", "one.zarr", "--chunks", *CHUNKS)
    one = submit("one_allocation.sbatch", *how, options=[*nodes, "--ntasks-per-node=2"])
    runner, short = (
        submit(
            "runner.sbatch",
            *(DEPLOY / "runner.py", "stack.zarr", "runner.zarr"),
            options=[*nodes, f"--ntasks-per-node={n_task}"],
        )
        for n_task in (3, 2)
    )
    wait_until(lambda: not slurm.jobs(), SECONDS, slurm.jobs)
    logs = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    for job in (one, runner):
        assert slurm.finished(job)["ExitCode"] == "0:0", logs
    assert contents(tmp_path / "one.zarr") == contents(tmp_path / "expected.zarr")
    assert workers_of(tmp_path / "one.zarr") == {(f"n{i}-{j}", str(j)) for i in (1, 2) for j in (0, 1)}
    with xr.open_zarr(tmp_path / "runner.zarr") as ours, xr.open_zarr(tmp_path / "expected.zarr") as theirs:
        xr.testing.assert_identical(ours["displacement"].load(), theirs["displacement"].load())
    # Tasks 0, 2 and 4 are on the first node, 0 being the scheduler; 1, 3 and 5 on the second.
    assert_took_part(tmp_path, runner, {("2", "0"), ("3", "0"), ("4", "1"), ("5", "1")})
    assert slurm.finished(short)["ExitCode"] == "2:0"
    assert "found 4 tasks on 2 node(s) with 2 GPUs; 6 are needed: give --ntasks-per-node=3" in log_of(
        tmp_path, short
    )


@pytest.mark.slurm
@pytest.mark.cluster
def test_an_allocation_whose_workers_or_run_fail_ends_with_an_error_and_without_its_key(slurm, tmp_path):
    (tmp_path / "bin").mkdir()
    dask_without_workers = tmp_path / "bin" / "dask"
    program = Path(sys.executable).parent / "dask"
    dask_without_workers.write_text(f'#!/bin/sh\n[ "$1" = worker ] && exit 3\nexec {program} "$@"\n')
    dask_without_workers.chmod(0o755)
    simulate_stack(Scene(n_date=4, shape=(8, 8)), tmp_path / "stack.zarr")
    options = ("--nodes=1", "--ntasks-per-node=1", "--gres=gpu:1", "--mem-per-cpu=2000")
    path = os.pathsep.join(map(str, (tmp_path / "bin", program.parent, os.environ["PATH"])))
    lost = submit("one_allocation.sbatch", "stack.zarr", "out.zarr", options=options, PATH=path)
    wrong = submit("one_allocation.sbatch", "nowhere.zarr", "out.zarr", options=options)
    wait_until(lambda: not slurm.jobs(), SECONDS, slurm.jobs)
    assert slurm.finished(lost)["ExitCode"] == "1:0"
    assert slurm.finished(wrong)["ExitCode"] == "2:0"
    assert "or all workers, ended before the run did; fringefleet-" in log_of(tmp_path, lost)
    assert "error: " in log_of(tmp_path, wrong)
    assert "nowhere.zarr" in log_of(tmp_path, wrong)


@pytest.mark.slurm
def test_what_the_readme_says_of_slurm_is_taken_by_it(slurm, tmp_path):
    """Commands are run in a copy of the folder; what is submitted is tried by Slurm, and not kept."""
    text = (DEPLOY.parent / "README.md").read_text().split("\n## Slurm\n")[1].split("\n## ")[0]
    ours, scripts = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for path in DEPLOY.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "scenes.txt").write_text("stack.zarr first.zarr\n")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def tried(command):
        return subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    shown = tried(ours.splitlines()[0])
    assert shown.returncode == 0, shown.stderr
    assert "8 jobs of 1 worker(s) would be submitted" in shown.stderr
    small = "--test-only --nodes=1 --ntasks=2 --ntasks-per-node=2 --gres=gpu:2 --time=5 --cpus-per-task=1"
    lines = scripts.splitlines()
    assert len(lines) == 3
    for line in lines:
        memory = "--mem" if "array" in line else "--mem-per-cpu"  # as the script says it
        done = tried(line.replace("sbatch", f"sbatch {small} {memory}=500", 1))
        assert done.returncode == 0, (line, done.stderr)
        assert "to start at" in done.stderr


def assert_took_part(folder, job, workers):
    """All workers came, and those that had tiles, of which there are fewer, saw the GPUs that they should."""
    came = re.findall(r"Register worker addr: \S+ name: (\S+)", log_of(folder, job))
    assert sorted(came) == sorted(name for name, _ in workers)
    had_tiles = workers_of(folder / "runner.zarr")
    assert had_tiles
    assert had_tiles <= workers


def log_of(folder, job):
    return (folder / f"fringefleet-{job}.log").read_text()


# --- what needs no Slurm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["one_allocation.sbatch", "runner.sbatch"])
def test_the_scripts_set_what_fringefleet_sets_for_its_own_workers(script):
    words = shlex.split((DEPLOY / script).read_text(), comments=True)
    found = dict(word.split("=", 1) for word in words if re.match(r"^(DASK|MALLOC)_\w+=", word))
    found = {name: value for name, value in found.items() if "COMM" not in name}
    wanted = {
        f"DASK_{key.upper().replace('.', '__').replace('-', '_')}": str(v) for key, v in SETTINGS.items()
    }
    wanted |= {key.rpartition(".")[2]: str(value) for key, value in LOCAL_SETTINGS.items()}
    assert found == wanted


@pytest.mark.parametrize(("n_node", "n_gpu"), [(1, 2), (2, 1), (2, 4), (3, 2), (5, 8)])
def test_tasks_that_are_dealt_out_one_by_one_give_every_gpu_a_worker(monkeypatch, n_node, n_gpu):
    pytest.importorskip("dask_jobqueue")
    for name, value in (SITE | {"FOLDER": "/nowhere"}).items():
        monkeypatch.setenv(name, value)
    own_gpu = runpy.run_path(str(DEPLOY / "runner.py"), run_name="runner")["own_gpu"]
    visible = ",".join(map(str, range(n_gpu)))
    taken = []
    for task in range(n_node * n_gpu + 2):
        places = {"NODEID": task % n_node, "NNODES": n_node, "LOCALID": task // n_node, "PROCID": task}
        here = {f"SLURM_{name}": str(value) for name, value in places.items()}
        taken.append((task % n_node, own_gpu(here | {"CUDA_VISIBLE_DEVICES": visible})))
    assert [gpu for _, gpu in taken[:2]] == [None, None]
    assert sorted(taken[2:]) == [(node, str(gpu)) for node in range(n_node) for gpu in range(n_gpu)]


@pytest.mark.parametrize(
    ("section", "n_job", "wanted", "worker"),
    [
        (
            "a100",
            8,
            {"-p a100", "--gres=gpu:a100:1", "--cpus-per-task=8", "--mem=56G"},
            "distributed.cli.dask_worker",
        ),
        (
            "a100-node",
            2,
            {"-p a100", "--gres=gpu:a100:4", "--cpus-per-task=32", "--mem=224G"},
            "dask_cuda.cli",
        ),
        (
            "h100",
            8,
            {"-p h100", "--gres=gpu:h100:1", "--cpus-per-task=12", "--mem=112G"},
            "distributed.cli.dask_worker",
        ),
        (
            "h100-node",
            1,
            {"-p h100", "--gres=gpu:h100:8", "--cpus-per-task=96", "--mem=895G"},
            "dask_cuda.cli",
        ),
    ],
)
def test_a_section_of_jobqueue_yaml_is_a_job_for_its_nodes(section, n_job, wanted, worker):
    pytest.importorskip("dask_jobqueue")
    assert set(SECTIONS[section]) >= set(dask.config.get("jobqueue.slurm"))  # which are all looked up
    with dask.config.set({"jobqueue": dask.config.get("jobqueue") | SECTIONS}):
        plan = plan_jobs(ClusterOptions("slurm", 8, device="cuda", options={"config_name": section}))
        script = job_script(plan)
    assert plan.n_job == n_job
    directives = {line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")}
    assert wanted | {"-t 04:00:00", "-N 1"} <= directives
    assert ("--exclusive" in directives) == section.endswith("-node")
    words = shlex.split(script.splitlines()[-1])
    assert words[words.index("-m") + 1] == worker
    assert words[words.index("--nthreads") + 1] == "1"
    assert words[words.index("--interface") + 1] == "ib0"
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_options_in_gpu_toml_are_a_job_with_one_gpu():
    pytest.importorskip("dask_jobqueue")
    options = cluster_options(**read_cluster_config(DEPLOY / "gpu.toml"), device="cuda")
    plan = plan_jobs(options)
    script = job_script(plan, tls=options.is_encrypted)
    assert (plan.n_job, options.n_worker, options.is_encrypted) == (4, 4, True)
    for line in ("-p gpu", "-A insar", "-t 04:00:00", "--cpus-per-task=8", "--mem=28G", "--gres=gpu:1"):
        assert f"#SBATCH {line}" in script.splitlines()
    assert "module load cuda" in script
