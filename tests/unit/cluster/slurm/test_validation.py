"""Values that go to Slurm: what they may be, whoever says them."""

import pytest

from fringefleet.cluster.slurm.validation import (
    check_directives,
    check_values,
    n_gpu,
    read_directives,
    walltime_seconds,
)
from fringefleet.errors import OptionError


@pytest.mark.parametrize("name", ["a,b", "a b", "a\tb", "", "é;x", "a --array=1-3"])
def test_jobs_are_called_something_that_slurm_finds_them_by(name):
    with pytest.raises(OptionError, match=r"found job_name = .*; give a name of letters, digits and _\.\+-"):
        check_values({"job_name": name})


@pytest.mark.parametrize("keyword", ["queue", "account", "job_mem"])
@pytest.mark.parametrize(
    "value", ["x --array=1-3", "x\t-a1", "--array=1-3", "x#y", "'x", 'x"', "x\\", "", ["x"]]
)
def test_what_goes_into_a_line_of_sbatch_is_one_word_and_no_option(keyword, value):
    with pytest.raises(OptionError, match=rf"found {keyword} = .*; give one word"):
        check_values({keyword: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll_seconds": "x"}, r"found poll_seconds = 'x' of the type str; give a number"),
        ({"poll_seconds": 0}, r"found poll_seconds = 0; give 1 to 86400"),
        ({"poll_seconds": -1}, "give 1 to 86400"),
        ({"poll_seconds": float("nan")}, "found poll_seconds = nan; give 1 to 86400"),
        ({"poll_seconds": float("inf")}, "give 1 to 86400"),
        ({"most_failed_starts": 0}, "found most_failed_starts = 0; give 1 or more"),
        (
            {"most_failed_starts": 2.5},
            "found most_failed_starts = 2.5 of the type float; give a whole number",
        ),
        ({"most_replacements": -1}, "found most_replacements = -1; give 0 or more"),
        ({"most_replacements": True}, "found most_replacements = True of the type bool; give a whole number"),
        ({"processes": 0}, "found processes = 0; give 1 or more"),
        ({"processes": "4"}, "found processes = '4' of the type str; give a whole number"),
        ({"cores": 0}, "found cores = 0; give 1 or more"),
        ({"job_cpu": "8"}, "found job_cpu = '8' of the type str; give a whole number"),
        ({"memory": "lots"}, "found memory = 'lots'; give bytes, or text such as 8GB"),
        ({"death_timeout": "60; touch x"}, "found death_timeout = '60; touch x'; give seconds"),
        ({"interface": "lo; touch x"}, "give the name of a network interface"),
        ({"local_directory": "~other/x"}, "found local_directory = '~other/x'; give a folder"),
        ({"log_directory": "~other/x"}, "found log_directory = '~other/x'; give a folder"),
        ({"modules": 5}, "found modules = 5; give a list of texts"),
        ({"scheduler_options": "x"}, "found scheduler_options = 'x' of the type str; give a dictionary"),
        ({"project": "x"}, "found project = 'x'; it is called account now: give that"),
        ({"job_extra": ["-a 1-3"]}, "it is called job_extra_directives now"),
    ],
)
def test_values_of_another_type_or_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        check_values(options)


def test_what_sites_want_is_taken():
    check_values(
        {
            "job_name": "my.site_1+x-2",
            "queue": "gpu,gpu-long",
            "account": "abc@v100",
            "job_mem": "60GB",
            "walltime": 90,
            "poll_seconds": 2.5,
            "most_failed_starts": 1,
            "most_replacements": 0,
            "nanny": False,
            "memory": 10**9,
            "death_timeout": "90s",
            "interface": "bond0:1",
            "local_directory": "~/my files/$USER",
            "log_directory": "~/my logs",
            "shebang": "#!/bin/bash -l",
            "job_extra": [],
            "modules": ["cuda/12.4"],
            "job_script_prologue": ["source 'a b'\n"],
        }
    )


# --- lines of #SBATCH: those after which a job would not be what we take it for are refused -----------------


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
        ("--wrap=true", r"found --wrap true .*; leave it out: jobs are submitted one by one"),
        ("--parsable", "found --parsable in"),
        ("-Q", "found --quiet in"),
        ("--wait", "found --wait in"),
        ("--test-only", "found --test-only in"),
        ("--uid=0", r"found --uid 0 .*; leave it out: jobs are looked for among yours"),
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


def test_directives_are_read_by_their_long_names():
    given = ["-N 2 --exclusive", "-a1-3", "--gres gpu:2", "-C 'a100&nvlink'"]
    assert read_directives(given) == {"array": ["1-3"], "nodes": ["2"], "gres": ["gpu:2"]}


@pytest.mark.parametrize(
    ("directives", "number"),
    [
        (["-C gpu", "--gres=gpu:a100:4"], 4),
        (["--gpus-per-node=2"], 2),
        (["-C gpu"], None),
        (["--gres=gpu"], 1),
        (["-G 1", "--constraint=a100"], 1),
        (["--gpus=a100:2"], 2),
        (["--gres=gpu:a100:2,gpu:v100:1"], 3),
        (["--gres=gpumem:4"], None),
        (["--exclusive -G2"], 2),
    ],
)
def test_gpus_of_a_job_are_counted_however_they_are_asked_for(directives, number):
    assert n_gpu(directives) == number


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("00:30:00", 1800),
        (90, 5400),
        ("1:30", 90),
        ("2-12", 216000),
        ("1-00:00:30", 86430),
        ("UNLIMITED", None),
        (None, None),
    ],
)
def test_a_walltime_is_read_as_slurm_writes_it(walltime, seconds):
    assert walltime_seconds(walltime) == seconds
