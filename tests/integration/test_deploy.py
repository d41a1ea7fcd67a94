"""The files in deploy/ do what they say."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import xarray as xr

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.config import read_cluster_config
from fringefleet.cluster.options import cluster_options
from fringefleet.simulate import Scene, simulate_stack

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.cluster
def test_the_local_script_inverts_a_scene_and_goes_on_where_it_stopped(tmp_path):
    simulate_stack(Scene(n_date=5, shape=(24, 24)), tmp_path / "stack.zarr")
    command = [
        sys.executable,
        str(DEPLOY / "local" / "invert_scene.py"),
        str(tmp_path / "stack.zarr"),
        str(tmp_path / "result.zarr"),
        "1",
    ]
    first = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "1 tiles, 0 of them done before" in first.stdout
    assert float(xr.open_zarr(tmp_path / "result.zarr")["temporal_coherence"].min()) > 0.5
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "1 tiles, 1 of them done before" in again.stdout


# Prints where processes listen whose numbers it is given, and their children, and how a stranger comes in.
LISTENERS = f"""
import psutil, sys
sys.path.insert(0, {str(DEPLOY.parent / "tests")!r})
from strangers import listeners, ways_in
heard = set().union(*(listeners(psutil.Process(int(number))) for number in sys.argv[1:]))
print(*(ip for _, ip, _ in heard))
print(*(name for _, ip, port in heard for name in ways_in(ip, port)))
"""


def readme_blocks(heading, language="bash"):
    """Blocks of code under a heading of deploy/README.md."""
    text = (DEPLOY / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.long
@pytest.mark.cluster
def test_the_commands_for_a_running_cluster_work_and_answer_no_stranger(tmp_path):
    (block,) = readme_blocks("A cluster that is running")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    simulate_stack(Scene(n_date=4, shape=(12, 12)), tmp_path / "stack.zarr")
    (tmp_path / "listeners.py").write_text(LISTENERS)
    listeners = f"{sys.executable} listeners.py $(jobs -p)"
    script = f"trap 'kill $(jobs -p); wait' EXIT\nset -e\n{block}\n{listeners}"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script.replace("8786", str(free_port()))],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output, heard, ways = done.stdout.split("\n")[:3]
    assert output.endswith("result.zarr")
    assert heard.split() == ["127.0.0.1"] * (1 + 2 * 2)  # a scheduler, two workers and their nannies
    assert ways == ""
    assert float(xr.open_zarr(tmp_path / "result.zarr")["temporal_coherence"].min()) > 0.5
    for name in ("key.pem", "credentials.pem"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_the_options_in_files_are_options_of_a_cluster(tmp_path):
    assert cluster_options(**read_cluster_config(DEPLOY / "local" / "gpus.toml")) == ClusterOptions(
        "local-cuda",
        worker_memory="32GB",
        options={"CUDA_VISIBLE_DEVICES": [0, 1], "local_directory": "/tmp"},
    )
    (block,) = readme_blocks("Where workers come from", "toml")
    (tmp_path / "readme.toml").write_text(block)
    read = cluster_options(**read_cluster_config(tmp_path / "readme.toml"))
    assert (read.kind, read.n_worker, read.interface, read.wait_seconds) == ("local-cuda", 2, "ib0", 60)


@pytest.mark.cluster
def test_the_script_for_gpus_uses_them_all_or_says_what_it_lacks(tmp_path):
    simulate_stack(Scene(n_date=5, shape=(24, 24)), tmp_path / "stack.zarr")
    command = [sys.executable, str(DEPLOY / "local" / "invert_on_gpus.py"), "stack.zarr", "result.zarr"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    if torch.cuda.is_available():
        pytest.importorskip("dask_cuda", exc_type=ImportError)
        assert "1 tiles, 0 of them done before" in done.stdout
        assert float(xr.open_zarr(tmp_path / "result.zarr")["temporal_coherence"].min()) > 0.5
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert re.match(r"error: .*(build without CUDA|finds no CUDA device).* NVIDIA", done.stderr)
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "result.zarr").exists()
