"""Output of commands into streams that are closed, full, read no further, or without a degree sign."""

import os
import re
import subprocess
import sys

import pytest

from fringefleet.simulate import Scene, simulate_stack

PROGRAM = f"{sys.executable} -m fringefleet.cli"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "stack.zarr"
    simulate_stack(Scene(n_date=3, neighbours=1, shape=(8, 8)), path)
    return path


def bash(line, **variables):
    return subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {line}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("rest", ["--help", "--version", "info {stack}"])
@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-", "2>&1 | head -c 1"], ids=lambda text: text)
def test_who_does_not_read_breaks_nothing(rest, redirection, stack):
    done = bash(f"{PROGRAM} {rest.format(stack=stack)} {redirection}")
    assert done.returncode == 0, done
    assert "rror" not in done.stderr


@pytest.mark.parametrize("rest", ["--help", "--version", "info {stack}"])
def test_a_full_disk_behind_standard_output_is_one_message(rest, stack):
    done = bash(f"{PROGRAM} {rest.format(stack=stack)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        "error: what this command prints could not be written: No space left on device. Send it elsewhere.\n"
    )


def test_a_file_written_with_standard_output_closed_is_whole(stack, tmp_path):
    """Else the file would have the number of standard output, and what is printed would end up in it."""
    output = tmp_path / "copy.zarr"
    done = bash(f"{PROGRAM} convert {stack} {output} <&- >&- 2>&-")
    assert done.returncode == 0
    assert (output / "zarr.json").read_bytes()[:1] == b"{"
    assert bash(f"{PROGRAM} info {output}").returncode == 0


def test_an_encoding_without_a_degree_sign_gets_question_marks(shared_data):
    stack = shared_data / "mexico_city" / "ifgramStack.h5"  # has degrees in its description
    done = bash(f"{PROGRAM} info {stack}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout
    assert "\xb0" in bash(f"{PROGRAM} info {stack}", PYTHONIOENCODING="utf-8").stdout


@pytest.mark.parametrize(
    "rest",
    [
        "info s3://bucket/stack.zarr",
        "invert {stack} gs://bucket/out.zarr",
        "plan {stack} --water-mask=https://x/w.h5",
    ],
)
def test_an_address_of_a_bucket_is_no_path(rest, stack, tmp_path):
    done = bash(f"cd {tmp_path} && {PROGRAM} {rest.format(stack=stack)}")
    assert done.returncode == 2
    assert re.fullmatch(r"error: found \w+://\S+; paths are local: copy .*\n", done.stderr)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["-O", "-OO"])
def test_python_without_assertions_is_refused_as_zarr_needs_them(how, stack, tmp_path):
    done = bash(f"{sys.executable} {how} -m fringefleet.cli plan {stack}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: found Python started with -O, -OO or PYTHONOPTIMIZE")
    assert bash(f"{sys.executable} {how} -m fringefleet.cli invert --help").returncode == 0
