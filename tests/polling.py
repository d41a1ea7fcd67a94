"""Wait for something, not for a number of seconds."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep


def wait_until(happened: Callable[[], object], seconds: float, describe: Callable[[], object] = str) -> None:
    """Return as soon as ``happened`` says so; fail after ``seconds``, with a description of how it stands."""
    deadline = monotonic() + seconds
    while not happened():
        if monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {describe()}")
        sleep(0.05)


def marks_of(output: Path) -> list[Path]:
    """Find the marks of tiles that are done; one that is being written has no name yet."""
    return [mark for mark in output.glob("progress/done/c/*/*") if mark.suffix != ".partial"]
