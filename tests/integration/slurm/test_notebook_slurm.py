"""The notebook for Slurm runs from top to bottom, on the test Slurm."""

from pathlib import Path

import matplotlib as mpl
import pytest

from fringefleet.cluster.slurm.script import job_script
from notebook import FOLDER, run_notebook


@pytest.mark.slurm
@pytest.mark.cluster
def test_the_notebook_gets_workers_inverts_and_gives_them_back(slurm, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    here = {"interface": "lo", "n_worker": 2, "device": "cpu", "worker_memory": "2GB", "shared": tmp_path}
    here |= {"options": {"queue": "gpu", "walltime": "00:10:00", "job_extra_directives": ["--gres=gpu:1"]}}
    names = run_notebook(FOLDER / "03_slurm.ipynb", here)
    assert "#SBATCH -t 00:10:00" in job_script(names["plan"]).splitlines()
    assert names["plan"].n_job == 2
    assert names["port"] is None  # no dashboard unless it is asked for
    assert "12 of 12 tiles" in capsys.readouterr().out
    assert 0 < names["error"] < 0.01  # [m]
    assert {record["worker"] for record in names["report"]["workers"]} <= {"slurm-0", "slurm-1"}
    assert Path(names["summary"].output).parent.parent == tmp_path
    assert names["workers"].client.status == "closed"
