"""Paths in the script of a job: what arrives is what was meant, whatever folders are called."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest
from distributed import Security
from hypothesis import given, settings
from hypothesis import strategies as st

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.slurm.script import plan_jobs, script_of_job
from fringefleet.cluster.slurm.validation import sbatch_log
from fringefleet.errors import OptionError

pytest.importorskip("dask_jobqueue")

NASTY = [
    "a blank",
    " ",
    "; touch executed; ",
    "$(touch executed)",
    "`touch executed`",
    "$HOME ${HOME}",
    "'single' \"double\"",
    "# no comment",
    "100%j %% %x%",
    "*?[a-z]{1,2}!",
    "~",
    "-rf",
    "& | < > ( )",
    "hetjob packJob",
    "été 数据",
]
REFUSED = ["a\nrm -rf x", "a\r", "a\tb", "\x1b[2J", "\x7f", "\x85", os.fsdecode(b"\xff"), "back\\slash"]
# Whatever a folder can be called: bytes, and text of all the world.
NAMES = st.one_of(
    st.binary(min_size=1, max_size=30).map(os.fsdecode),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.text("'\"`$\\%#;&|(){}[]*?!~ aj\n", min_size=1, max_size=12),
).filter(lambda name: not set(name) & {"/", "\0"} and name not in (".", ".."))
PROGRAM = '#!/bin/sh\nprintf "%s\\0" "$0" "$@"\n'
GIVEN = ("log_directory", "local_directory", "python", "shebang")
PARTS = {"ca-file": "tls_ca_file", "cert": "tls_worker_cert", "key": "tls_worker_key"}


def certificates(folder):
    return {name: str(folder / "fringefleet-slurm" / "tls-x" / f"{name}.pem") for name in PARTS.values()}


def script_in(folder):
    """The script of a job that is submitted in a folder, by the Python in it."""
    security = Security(require_encryption=True, **certificates(folder))
    with chdir(folder), patch.object(sys, "executable", str(folder / "python")):
        plan = plan_jobs(ClusterOptions("slurm", interface="lo", options={"walltime": "01:00:00"}))
        return script_of_job(plan, "tls://[::1]:1", security)


def read_by_slurm(word):
    """Take off a word's quotation as sbatch does, then replace the patterns of a name as Slurm does."""
    assert not re.search("hetjob|packjob", word, re.IGNORECASE)  # which sbatch blanks out
    (text,) = shlex.split(re.sub(r'\\([^"\\])', r"\1", word))  # in double quotes both read alike but for this
    assert "\\" not in text
    return re.sub("%(.)", lambda found: {"%": "%", "x": "NAME", "j": "7"}[found[1]], text)


def refused(name):
    return "\\" in name or any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def check(name, base):
    """Let bash run the script of a job in a folder of this name."""
    folder, elsewhere = base / name, base / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "python").write_text(PROGRAM)
    (folder / "python").chmod(0o755)
    if refused(name):
        with pytest.raises(OptionError, match=r"(folder for logs|Python).*; give .*\.$"):
            script_in(folder)
        return
    script = script_in(folder)
    (log,) = re.findall("^#SBATCH -o (.*)$", script, re.MULTILINE)
    assert read_by_slurm(log) == f"{folder}/fringefleet-slurm/NAME-7.log"
    environment = {"HOME": "/nowhere", "PATH": os.environ["PATH"], "TMPDIR": str(elsewhere)}
    done = subprocess.run(
        ["bash"], input=script.encode(), cwd=elsewhere, env=environment, capture_output=True, check=True
    )
    assert done.stderr == b""
    words = done.stdout.decode().split("\0")
    assert words[:4] == [f"{folder}/python", "-m", "distributed.cli.dask_worker", "tls://[::1]:1"]
    given = {part: words[words.index(f"--tls-{part}") + 1] for part in PARTS}
    assert given == {part: certificates(folder)[name] for part, name in PARTS.items()}
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", NASTY)
def test_a_folder_with_any_name_arrives_as_it_is(name, tmp_path):
    assert not refused(name)
    check(name, tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_quotation_saves_is_refused(name, tmp_path):
    assert refused(name)
    check(name, tmp_path)


@settings(max_examples=60, deadline=None)
@given(name=NAMES)
def test_any_name_arrives_or_is_refused(name, tmp_path_factory):
    base = tmp_path_factory.mktemp("any")
    check(name, base)
    shutil.rmtree(base)


@pytest.mark.parametrize(
    ("option", "kind"),
    [*((name, str) for name in GIVEN), ("log_directory", Path), ("local_directory", Path)],
)
@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\x7f"])
def test_no_path_that_is_given_brings_a_line_or_a_control_character(option, kind, character):
    value = kind(f"/tmp/a{character}touch executed")
    with pytest.raises(OptionError, match=rf"found {option} = .*give one line"):
        plan_jobs(ClusterOptions("slurm", interface="lo", options={option: value}))


def test_a_log_has_the_patterns_of_slurm_in_its_own_name_only():
    assert sbatch_log(Path('/a "b" 5%'), "%x-%j.log") == r'"/a \"b\" 5%%/%x-%j.log"'
    assert sbatch_log(Path("/hetjob"), "%j.log") == r'"/het\job/%j.log"'
