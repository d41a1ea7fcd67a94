"""MintPy's step on workers that Slurm starts, as a template and a section of Dask's configuration say."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.cluster]
SECONDS = 120
TEMPLATE = """
mintpy.compute.cluster = slurm
mintpy.compute.numWorker = 1
mintpy.compute.config = tiny
"""
SECTION = """
jobqueue:
  tiny:
    walltime: "00:07:00"
    job-extra-directives: ["--gres=gpu:1"]
"""
FILE = """
[cluster]
interface = "lo"
[cluster.options]
poll_seconds = 1
"""


@pytest.mark.long
def test_the_template_names_slurm_and_a_section_of_dasks_configuration(
    slurm, shared_data, tmp_path, monkeypatch
):
    scene, folder = shared_data / "nasty_24", tmp_path / "project"
    (folder / "inputs").mkdir(parents=True)
    for name in ("inputs/ifgramStack.h5", "waterMask.h5"):
        shutil.copyfile(scene / name, folder / name)
    (folder / "smallbaselineApp.cfg").write_text(TEMPLATE)
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "jobqueue.yaml").write_text(SECTION)
    (tmp_path / "jobs.toml").write_text(FILE)
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask"))
    words = [sys.executable, "-m", "fringefleet", "mintpy", folder, "--cluster-config", "jobs.toml"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / "fringefleet-slurm").glob("*.log")
    job = slurm.finished(log.stem.rpartition("-")[2])
    assert (job["TimeLimit"], job["NodeCnt"]) == ("7", "1"), job
    expected = scene / "expected" / "var_vel_none" / "timeseries.h5"
    with h5py.File(folder / "timeseries.h5") as ours, h5py.File(expected) as theirs:
        assert np.abs(ours["timeseries"][:] - theirs["timeseries"][:]).max() < 5e-6  # [m]
