"""GPUs that a pretend driver has, next to a real torch without CUDA or one that pretends to have it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRETEND = Path(__file__).resolve().parents[2] / "pretend_gpus"
ASK = """
import json, os, sys
from dataclasses import asdict
if os.environ.get("PRETEND_TORCH"):
    import pretend_cuda
from fringefleet.doctor import gpus
checks = gpus.examine_gpus, gpus.examine_torch, gpus.examine_dask_cuda
print(json.dumps([asdict(finding) for check in checks for finding in check()]))
"""
# As much of CUDA's driver as is asked for the number of GPUs.
DRIVER = "int cuInit(unsigned flags) {return 0;} int cuDeviceGetCount(int *count) {*count = N_GPU; return 0;}"


def libcuda(folder, n_gpu):
    source = folder / "driver.c"
    source.write_text(DRIVER.replace("N_GPU", str(n_gpu)))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source], check=True)
    return {"LD_LIBRARY_PATH": str(folder)}


def findings(**variables):
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={name: os.environ[name] for name in ("PATH", "HOME")} | {"PYTHONPATH": str(PRETEND)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return {finding["name"]: finding for finding in json.loads(done.stdout)}


def test_a_machine_without_a_driver_has_a_note_and_no_problem():
    found = findings(PRETEND_GPUS="0")
    assert found["driver"]["level"] == "note"
    assert "no NVIDIA driver" in found["driver"]["text"]
    assert {item["level"] for item in found.values()} <= {"ok", "note"}


def test_gpus_are_listed_by_uuid_with_their_memory_and_other_users():
    found = findings(PRETEND_GPUS="2", PRETEND_USERS=f"{os.getpid()} 999999999")
    first, second = found["GPU 0"], found["GPU 1"]
    assert (first["facts"]["uuid"], second["facts"]["uuid"]) == ("GPU-pretend-0", "GPU-pretend-1")
    assert first["facts"]["memory"] == 16 << 30
    assert "16.00 GiB" in first["text"]
    assert (first["level"], second["level"]) == ("note", "ok")
    assert f"(pid {os.getpid()}, 123.00 MiB), a process (pid 999999999, 123.00 MiB)" in first["text"]
    assert "CUDA_VISIBLE_DEVICES" in first["advice"]


def test_a_torch_without_cuda_beside_gpus_is_a_problem():
    found = findings(PRETEND_GPUS="1")["torch"]
    if found["facts"]["cuda"] is not None:
        pytest.skip("torch is a build for CUDA")
    assert found["level"] == "problem"
    assert "without CUDA, and there are GPUs" in found["text"]
    assert "Install a CUDA build of torch" in found["advice"]


@pytest.mark.parametrize(("driver", "level"), [("12040", "problem"), ("13000", "ok"), ("13010", "ok")])
def test_the_cuda_of_torch_is_compared_with_that_of_the_driver(driver, level):
    found = findings(PRETEND_GPUS="1", PRETEND_CUDA=driver, PRETEND_TORCH="yes")["torch"]
    assert found["level"] == level
    if level == "problem":
        assert "for CUDA 13.0; the driver supports CUDA up to 12.4" in found["text"]
        assert "Update the driver, or install torch for CUDA 12" in found["advice"]


def test_gpus_that_are_hidden_from_this_process_are_a_problem(tmp_path):
    hidden = findings(PRETEND_GPUS="2", CUDA_VISIBLE_DEVICES="", **libcuda(tmp_path, 0))["visible"]
    assert hidden["level"] == "problem"
    assert "sees 0 of 2 GPUs; CUDA_VISIBLE_DEVICES is ''" in hidden["text"]
    seen = findings(PRETEND_GPUS="2", CUDA_VISIBLE_DEVICES="1", **libcuda(tmp_path, 1))["visible"]
    assert (seen["level"], seen["facts"]["n_visible"]) == ("ok", 1)


def test_several_gpus_need_dask_cuda(tmp_path):
    variables = {"PRETEND_GPUS": "2", "PRETEND_TORCH": "yes"} | libcuda(tmp_path, 2)
    assert findings(**variables)["dask-cuda"]["level"] == "ok"
    broken = tmp_path / "broken" / "dask_cuda"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libnvrtc.so.12')")
    path = os.pathsep.join([str(broken.parent), str(PRETEND)])
    found = findings(**variables | {"PYTHONPATH": path})["dask-cuda"]
    assert found["level"] == "problem"
    assert "libnvrtc.so.12" in found["text"]


def test_a_driver_that_does_not_answer_is_a_problem(tmp_path):
    (tmp_path / "pynvml.py").write_text(
        (PRETEND / "pynvml.py")
        .read_text()
        .replace(
            'raise NVMLError_LibraryNotFound("NVML Shared Library Not Found")',
            'raise NVMLError_Unknown("Driver/library version mismatch")',
        )
    )
    found = findings(PYTHONPATH=str(tmp_path))["driver"]
    assert found["level"] == "problem"
    assert "Driver/library version mismatch" in found["text"]
