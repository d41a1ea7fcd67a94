"""The command doctor as a user gives it: a real worker is started, and nothing is left behind."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from fringefleet.doctor.worker import examine_worker

pytestmark = pytest.mark.cluster
SUBJECTS = ["Software", "GPUs", "Machine", "Disks", "Network", "Slurm", "Workers"]
# Worker processes that end as soon as they start.
DEADLY = """
import sys

if any("spawn_main" in word for word in sys.orig_argv):
    sys.exit("no licence for this host")
"""


def doctor(*words, folder, **variables):
    return subprocess.run(
        [sys.executable, "-m", "fringefleet", "doctor", *words],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_doctor_examines_everything_and_starts_a_worker_that_is_stopped(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    secrets = {"AWS_SECRET_ACCESS_KEY": "hunter2", "SLURM_JWT": "hunter2"}
    done = doctor("--json", folder=tmp_path, TMPDIR=str(temporary), **secrets)
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert list(dict.fromkeys(item["subject"] for item in found["findings"])) == SUBJECTS
    assert done.returncode == (found["counts"]["problem"] > 0)
    assert all(item["advice"] for item in found["findings"] if item["level"] == "problem")
    assert not any("not known" in item["text"] for item in found["findings"])
    by_name = {item["name"]: item for item in found["findings"]}
    worker = by_name["worker"]
    assert worker["level"] in ("ok", "note"), worker
    assert by_name["solver"]["level"] == "ok"
    assert not psutil.pid_exists(worker["facts"]["pid"])
    assert by_name["temporary folder"]["facts"]["folder"] == str(temporary)
    assert {"python", "torch", "dask", "zarr", "numba"} <= set(by_name["versions"]["facts"])
    assert "hunter2" not in done.stdout + done.stderr
    assert [path.name for path in temporary.iterdir()] == ["dask-scratch-space"]  # of Dask
    assert {path.suffix for path in temporary.rglob("*") if path.is_file()} <= {".lock"}
    assert list(tmp_path.iterdir()) == [temporary]


def test_what_is_read_only_is_a_problem_with_advice_and_exit_code_1():
    done = doctor("-q", folder="/proc", DASK_TEMPORARY_DIRECTORY="/proc")
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (1, False)
    said = " ".join(done.stdout.split())
    assert "note current folder /proc (proc) cannot be written to" in said
    assert "problem temporary folder /proc (proc) cannot be written to" in said
    assert "Set TMPDIR to another folder" in said
    assert "problem worker none could be started: no folder for the workers' files can be made" in said
    assert said.endswith("2 problems")


def test_workers_that_die_when_they_start_are_a_problem_with_the_reason(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    done = doctor("--json", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (worker,) = [item for item in json.loads(done.stdout)["findings"] if item["name"] == "worker"]
    assert worker["level"] == "problem"
    assert "none could be started" in worker["text"]
    assert "--workers 0" in worker["advice"]


def test_a_worker_without_a_compiler_is_slow_and_that_is_noted(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    worker, solver = examine_worker()
    assert worker.level in ("ok", "note")
    assert solver.level == "note"
    assert "NUMBA_DISABLE_JIT" in solver.text
