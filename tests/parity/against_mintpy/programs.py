"""The two programs, each in a process of an interpreter of its own; MintPy is never imported here."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "FRINGEFLEET_MINTPY"
VERSION = "1.6.4"
HOW = (
    f"python3 -m venv ENV && ENV/bin/pip install mintpy=={VERSION}, then {VARIABLE}=ENV/bin/python "
    "(see tests/parity/README.md)"
)
TIMEOUT = 400  # [s] for all jobs of one process
TAIL = 3000  # characters of a log that a failure shows

DRIVER = Path(__file__).with_name("run_jobs.py")


@dataclass(frozen=True)
class Job:
    """One command line: where, what (``module:function``), and its arguments."""

    folder: Path
    entry: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and the end of what it printed."""

    job: Job
    code: int
    log: str

    def assert_success(self) -> None:
        assert self.code == 0, f"{self.job.entry} {' '.join(self.job.arguments)}\n{self.log}"


def mintpy_python(value: str) -> Path:
    """Find the interpreter that a value of the variable means, and check the version of its MintPy.

    Raises
    ------
    ValueError
        If there is no interpreter, or it has no MintPy of the right version.
    """
    candidates = [Path(value), Path(value) / "python", Path(value) / "bin" / "python"]
    python = next((path for path in candidates if path.is_file()), None)
    if python is None:
        raise ValueError(f"{VARIABLE}={value} is no interpreter and has none. {HOW}")
    found = subprocess.run(
        [python, "-c", "import mintpy; print(mintpy.__version__)"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=environment(),
    )
    if found.returncode or found.stdout.split()[-1:] != [VERSION]:
        raise ValueError(
            f"{python} has MintPy {found.stdout.strip() or '(none)'}, needed is {VERSION}. {HOW}\n"
            f"{found.stderr[-TAIL:]}"
        )
    return python


def environment() -> dict[str, str]:
    """Environment of MintPy's process: no display, and nothing of our own on its path."""
    ours = {"PYTHONPATH", "VIRTUAL_ENV"}
    return {name: text for name, text in os.environ.items() if name not in ours} | {"MPLBACKEND": "Agg"}


def run_mintpy(python: Path, jobs: Sequence[Job], work: Path) -> list[Outcome]:
    """Run command lines of MintPy, in one process."""
    return run_jobs(python, jobs, work, environment())


def run_ours(jobs: Sequence[Job], work: Path) -> list[Outcome]:
    """Run command lines of this package, in one process."""
    return run_jobs(Path(sys.executable), jobs, work, dict(os.environ))


def run_jobs(python: Path, jobs: Sequence[Job], work: Path, env: dict[str, str]) -> list[Outcome]:
    """Run jobs one after the other in one process of an interpreter."""
    work.mkdir(parents=True)
    logs = [work / f"{index}.log" for index in range(len(jobs))]
    asked = [
        {"folder": str(job.folder), "entry": job.entry, "arguments": job.arguments, "log": str(log)}
        for job, log in zip(jobs, logs, strict=True)
    ]
    (work / "jobs.json").write_text(json.dumps(asked))
    ended = subprocess.run(
        [python, DRIVER, work / "jobs.json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=env,
    )
    assert ended.returncode == 0, ended.stderr[-TAIL:]
    codes = json.loads((work / "codes.json").read_text())
    return [
        Outcome(job, code, log.read_text(errors="replace")[-TAIL:])
        for job, code, log in zip(jobs, codes, logs, strict=True)
    ]
