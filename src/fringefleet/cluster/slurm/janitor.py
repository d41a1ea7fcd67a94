"""Small process that outlives the submitting one, cancels the jobs that are left, and removes their TLS keys.

It waits for the end of a pipe, which the system closes however its owner ends, SIGKILL included. Waiting jobs
would otherwise stay in the queue. It is run by its path and imports the standard library only (10 MB).
"""

import getpass
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

_DONE = b"done"  # what the owner says when it has submitted everything that it will
_SECONDS_TO_SETTLE = 5.0  # a job may come just after its owner was killed: sbatch goes on without it
_SECONDS_AT_MOST = 600.0
SECONDS_FOR_COMMAND = 60
_SECONDS_BETWEEN = (1.0, 30.0)  # between two attempts; doubled each time
_SECONDS_TO_WAIT = 60.0  # for the guard, at last
_SECONDS_IN_A_HURRY = 1.0
ENDING = "COMPLETING"
_left: list[subprocess.Popen[bytes]] = []  # guards that still cancel


@contextmanager
def cancel_on_exit(job_name: str, keys: Path | None = None) -> Iterator[None]:
    """Cancel all jobs of a name when this context or this process ends, and remove their keys."""
    command = [sys.executable, "-I", str(Path(__file__).resolve()), job_name, *([str(keys)] if keys else [])]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    guard = subprocess.Popen(command, stdin=pipe, stdout=quiet, stderr=quiet, start_new_session=True)
    seconds = _SECONDS_TO_WAIT
    try:
        yield
    except KeyboardInterrupt:
        seconds = _SECONDS_IN_A_HURRY  # it goes on by itself
        _left.append(guard)  # which Python would warn of
        raise
    finally:
        with suppress(OSError, subprocess.TimeoutExpired):
            guard.communicate(_DONE, timeout=seconds)


def _main(job_name: str, keys: str | None = None) -> None:
    """Wait for the owner's end, cancel until nothing is left, and remove the keys."""
    is_done = sys.stdin.buffer.read() == _DONE
    _cancel(job_name, 0.0 if is_done else _SECONDS_TO_SETTLE)
    if keys is not None and not is_done:
        shutil.rmtree(keys, ignore_errors=True)


def _cancel(job_name: str, seconds_to_settle: float) -> None:
    start, (pause, longest) = monotonic(), _SECONDS_BETWEEN
    while monotonic() < start + _SECONDS_AT_MOST:
        states = ask_queue(job_name, "%T")
        if states is None or any(state != ENDING for state in states):
            _run("scancel", f"--user={getpass.getuser()}", f"--name={job_name}")
            sleep(pause)
            pause = min(2 * pause, longest)
        elif monotonic() < start + seconds_to_settle:
            sleep(_SECONDS_BETWEEN[0])
        else:
            return


def ask_queue(job_name: str, fields: str) -> list[str] | None:
    """Query fields of each job of this user by name; None if Slurm does not answer."""
    said = _run("squeue", "-h", f"--user={getpass.getuser()}", f"--name={job_name}", "-o", fields)
    return None if said is None else said.splitlines()


def _run(*command: str) -> str | None:
    try:
        return subprocess.check_output(
            command, stderr=subprocess.DEVNULL, text=True, timeout=SECONDS_FOR_COMMAND
        )
    except (OSError, subprocess.SubprocessError):
        return None


if __name__ == "__main__":
    _main(*sys.argv[1:])
