"""The doctor's view of a real Slurm: its partitions, whether it takes jobs, and one that is down."""

import pytest

from fringefleet.doctor import machine
from fringefleet.doctor.slurm import examine_slurm

pytestmark = pytest.mark.slurm


def test_partitions_are_listed_and_a_job_would_be_taken_without_one_being_submitted(slurm):
    found = {finding.name: finding for finding in examine_slurm()}
    assert {finding.level for finding in found.values()} == {"ok"}
    (partition,) = found["Slurm"].facts["partitions"]
    assert (partition["name"], partition["state"], partition["nodes"]) == ("gpu", "up", "2")
    assert "gpu:2" in partition["gres"]
    assert found["Slurm"].facts["version"].startswith("slurm")
    assert "to start at" in found["sbatch"].text
    assert slurm.jobs() == {}


def test_a_machine_from_which_jobs_are_submitted_may_be_a_login_node(slurm):
    (found,) = machine.examine_login_node()
    assert found.level == "note"
    assert "Slurm answers, and this is not inside a job" in found.text
    assert "--cluster slurm" in found.advice


def test_what_sbatch_demands_is_said_in_its_words(slurm, monkeypatch):
    monkeypatch.setenv("SBATCH_PARTITION", "none")
    found = {finding.name: finding for finding in examine_slurm()}["sbatch"]
    assert found.level == "note"
    assert "nvalid partition" in found.text
    assert "[cluster.options]" in found.advice


def test_a_slurm_that_does_not_answer_is_a_problem_and_one_that_is_not_set_up_is_not(
    slurm, monkeypatch, tmp_path
):
    text = slurm.configuration.read_text()
    port = next(line for line in text.splitlines() if line.startswith("SlurmctldPort="))
    (tmp_path / "slurm.conf").write_text(text.replace(port, "SlurmctldPort=1") + "MessageTimeout=2\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    (found,) = examine_slurm()
    assert (found.level, "does not answer" in found.text) == ("problem", True)
    monkeypatch.delenv("SLURM_CONF")
    (found,) = examine_slurm()
    assert (found.level, "belongs to no cluster" in found.text) == ("note", True)
