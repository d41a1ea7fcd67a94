"""Lines of #SBATCH: those after which a job would not be what we take it for are refused."""

import pytest

from fringefleet.cluster.slurm.directives import check_directives
from fringefleet.errors import OptionError


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("--array=1-3", r"found --array 1-3 in job_extra_directives; .* as many jobs .* as n_worker needs"),
        ("-a1-3", "found --array 1-3"),
        ("-Ha1-3", "found --array 1-3"),
        ("--arr 1-3", "found --array 1-3"),
        ("--exclusive -a 1-3", "found --array 1-3"),
        ("-N 2", r"found --nodes 2 .*; give more n_worker"),
        ("--nodes=1-4", "found --nodes 1-4"),
        ("-n4", r"found --ntasks 4 .*; give processes, and job_cpu"),
        ("--ntasks=2", "found --ntasks 2"),
        ("-J x", r"found --job-name x .*; give job_name"),
        ("--job-name='x y'", "found --job-name x y"),
        ("-o x", r"found --output x .*; give log_directory"),
        ("-e x", r"found --error x .*; give log_directory"),
        ("-t 5", r"found --time 5 .*; give walltime"),
        ("-M other", r"found --clusters other .*; leave it out"),
        ("--gpus-per-socket=2", r"found --gpus-per-socket 2 .*; give --gres=gpu:N: how many"),
        ("--tres-per-task=cpu=2,gres/gpu=1", r"found --tres-per-task .*; give --gres=gpu:N"),
        ("hetjob", "found the directive 'hetjob'; give options of sbatch"),
        ("", "found the directive ''; give options"),
        ("-C 'a", "found the directive .*: No closing quotation; end the quotation"),
    ],
)
def test_directives_that_contradict_what_is_submitted_are_refused(directive, message):
    with pytest.raises(OptionError, match=message):
        check_directives([directive])


def test_other_directives_are_none_of_our_business():
    check_directives(
        [
            "-N 1",
            "--nodes=1-1",
            "-n 1",
            "--ntasks-per-node=1",
            "-C 'a100&nvlink'",
            "--exclusive",
            "--nodelist=n1",
            "--time-min=10",
            "--wait-all-nodes=1",
            "--begin=now+1hour",
            "--gres=gpu:a100:2,gpu:v100:1",
            "--gres-flags=enforce-binding",
            "--tres-per-task=cpu:2",
            "--requeue",
        ]
    )
