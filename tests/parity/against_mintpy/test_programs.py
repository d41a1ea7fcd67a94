"""How MintPy is found, and what is known of a run afterwards; no MintPy is needed for these."""

import sys

import pytest

from parity.against_mintpy.programs import VARIABLE, Job, mintpy_python, run_ours

TOOL = """
import sys

def main(arguments):
    print("got", *arguments)
    if arguments == ["code"]:
        raise SystemExit(3)
    if arguments == ["words"]:
        raise SystemExit("no such file")
    if arguments == ["error"]:
        raise ValueError("bad shape")
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a tool with each of some arguments, in one process."""
    (tmp_path / "some_tool.py").write_text(TOOL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda *words: run_ours(
        [Job(tmp_path, "some_tool:main", (word,)) for word in words], tmp_path / "jobs"
    )


def test_a_place_without_an_interpreter_is_refused_with_how_to_get_one(tmp_path):
    with pytest.raises(ValueError, match=rf"{VARIABLE}=.* is no interpreter.*pip install mintpy==1.6.4"):
        mintpy_python(str(tmp_path))


def test_an_interpreter_without_mintpy_is_refused():
    with pytest.raises(ValueError, match=r"has MintPy \(none\), needed is 1.6.4"):
        mintpy_python(sys.executable)


def test_every_job_has_the_exit_code_that_its_script_would_have(run):
    outcomes = run("well", "code", "words", "error", "well")
    assert [outcome.code for outcome in outcomes] == [0, 3, 1, 1, 0]


def test_a_failure_shows_what_was_printed(run):
    well, failed = run("well", "error")
    well.assert_success()
    with pytest.raises(AssertionError, match=r"some_tool:main error\ngot error(.|\n)*ValueError: bad shape"):
        failed.assert_success()
