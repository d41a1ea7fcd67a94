"""Limits, disks and interfaces of this machine, and of control groups that are written for the test."""

import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from fringefleet.doctor import disk, examination, machine, network, slurm, software
from fringefleet.doctor.finding import ask_program


@contextmanager
def limited(kind, soft):
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def by_name(findings):
    return {finding.name: finding for finding in findings}


# --- memory, cores and limits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/job_7/step_0\n", {"job_7/memory.max": "4096", "job_7/step_0/memory.max": "max"}, 4096),
        ("0::/job_7\n", {"memory.max": "100", "job_7/memory.high": "200"}, 100),
        ("3:cpu,cpuacct:/a\n4:memory:/a/b\n", {"memory/a/memory.limit_in_bytes": "77"}, 77),
        ("0::/\n", {}, None),
    ],
)
def test_the_memory_limit_of_a_job_is_found_wherever_it_is_above_its_process(own, files, limit, tmp_path):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert machine.cgroup_memory_limit(tmp_path / "own", tmp_path / "root") == limit


def test_a_control_group_that_dask_does_not_see_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "cgroup_memory_limit", lambda: 10**9)
    (found,) = machine.examine_memory()
    assert found.level == "problem"
    assert "--worker-memory" in found.advice
    assert found.facts["cgroup"] == 10**9


def test_too_few_open_files_are_a_problem_with_the_number_to_set():
    with limited(resource.RLIMIT_NOFILE, 120):
        found = by_name(machine.examine_limits())["open files"]
    assert found.level == "problem"
    assert f"ulimit -n {found.facts['needed']}" in found.advice
    with limited(resource.RLIMIT_NOFILE, found.facts["needed"]):
        assert by_name(machine.examine_limits())["open files"].level == "ok"


def test_too_few_processes_are_a_problem():
    with limited(resource.RLIMIT_NPROC, 10):
        found = by_name(machine.examine_limits())["processes"]
    assert (found.level, "ulimit -u" in found.advice) == ("problem", True)


def test_a_job_is_no_login_node(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    (found,) = machine.examine_login_node()
    assert (found.level, found.text) == ("ok", "no: this is inside a job of Slurm")


# --- disks ------------------------------------------------------------------------------------------------


def test_the_speed_of_a_disk_is_measured_with_a_bounded_file_that_is_gone(tmp_path):
    found = disk.measure_disk(tmp_path, seconds=0.1, most=3 * 2**22)
    assert 0 < found.n_byte <= 3 * 2**22
    assert min(found.write, found.read) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_measurement_that_is_killed_leaves_no_file(tmp_path):
    code = "from pathlib import Path; from fringefleet.doctor.disk import measure_disk; print(1, flush=True)"
    code += f"; measure_disk(Path({str(tmp_path)!r}), 60, 2**30)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_is_a_problem_for_workers_and_a_note_for_outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with limited(resource.RLIMIT_FSIZE, 2**20):
        (current,), (temporary,) = disk.examine_current_folder(), disk.examine_temporary_folder()
    assert (current.level, temporary.level) == ("note", "problem")
    assert "TMPDIR" in temporary.advice
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_and_one_that_is_read_only_are_findings(tmp_path, monkeypatch):
    monkeypatch.chdir("/proc")
    (found,) = disk.examine_current_folder()
    assert (found.level, found.facts["is_writable"]) == ("note", False)
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    (found,) = disk.examine_current_folder()
    assert (found.level, "it is gone" in found.text) == ("problem", True)


# --- network ----------------------------------------------------------------------------------------------


def test_the_interfaces_of_this_machine_are_listed_with_their_addresses():
    found = by_name(network.examine_interfaces())
    assert set(psutil.net_if_addrs()) <= set(found)
    (loopback,) = [item for item in found.values() if "127.0.0.1" in item.facts.get("addresses", ())]
    assert "this machine only" in loopback.text
    assert [finding.level for finding in network.examine_loopback()] == ["ok"]


def test_a_loopback_that_is_down_is_a_problem():
    code = (
        "from fringefleet.doctor.network import examine_loopback as examine; "
        "print([(found.level, found.text) for found in examine()])"
    )
    alone = ["unshare", "--net"]  # without a network
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this user may not unshare the network")
    done = subprocess.run([*alone, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[('problem', 'no connection to 127.0.0.1: ")


# --- Slurm that is not there, software --------------------------------------------------------------------


def test_a_machine_without_slurm_is_as_it_should_be(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = slurm.examine_slurm()
    assert (found.level, found.facts) == ("ok", {"is_installed": False})
    (tmp_path / "sinfo").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sinfo").chmod(0o755)
    (found,) = slurm.examine_slurm()
    assert (found.level, found.facts["missing"]) == ("problem", ["sbatch", "squeue", "scancel"])


def test_a_program_that_is_missing_or_fails_is_no_exception():
    assert ask_program("no-such-program") == (None, "no-such-program: No such file or directory")
    assert ask_program(sys.executable, "-c", "import sys; sys.exit('a\\nwhy')") == (None, "why")
    assert ask_program(sys.executable, "-c", "print('yes')")[0] == "yes"


def test_what_is_missing_or_too_old_is_a_problem(monkeypatch):
    needs = ["numpy>=1000", "no-such-package>=2", "dask>=2020", "torch; extra == 'none'"]
    monkeypatch.setattr(software, "requires", lambda _name: needs)
    found = by_name(software.examine_versions())["requirements"]
    assert found.level == "problem"
    assert [line.split(",")[0].split()[0] for line in found.facts["unmet"]] == ["numpy", "no"]
    monkeypatch.undo()
    assert by_name(software.examine_versions())["requirements"].level == "ok"


def test_the_folder_of_compiled_code_is_named_and_a_bad_one_is_noted(monkeypatch, tmp_path):
    monkeypatch.setenv("FRINGEFLEET_CACHE_DIR", str(tmp_path / "code"))
    (found,) = software.examine_code_folder()
    assert (found.level, found.facts["folder"]) == ("ok", str(tmp_path / "code" / "compiled"))
    assert list((tmp_path / "code" / "compiled").iterdir()) == []
    monkeypatch.setenv("FRINGEFLEET_CACHE_DIR", "/proc/none")
    (found,) = software.examine_code_folder()
    assert (found.level, "FRINGEFLEET_CACHE_DIR" in found.advice) == ("note", True)


def test_a_numba_that_may_not_compile_is_noted():
    code = "from fringefleet.doctor.software import examine_compiler as e; print(*[f.level for f in e()])"
    done = subprocess.run(
        ["/usr/bin/env", "NUMBA_DISABLE_JIT=1", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "note\n", done.stderr


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def check_nothing():
        raise RuntimeError("the system has none")
        yield

    monkeypatch.setattr(examination, "CHECKS", {"System": (check_nothing, network.examine_loopback)})
    first, second = examination.examine()
    assert (first.subject, first.level) == ("System", "note")
    assert first.text == "not known: RuntimeError: the system has none"
    assert second.level == "ok"
