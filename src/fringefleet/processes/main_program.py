"""Checks that this process may start others, each of which imports its main program again."""

import multiprocessing
import sys
from pathlib import Path

from fringefleet.errors import OptionError

REIMPORTED = 78  # exit code of a worker process that would have started workers itself
_OF_A_WORKER = "Dask Worker process"  # name that Dask gives to processes that it starts
GUARD = (
    "the program starts workers while a worker imports it: each worker process imports the main program "
    'again. Put its work below the line `if __name__ == "__main__":`, as in '
    "deploy/local/invert_scene.py."
)


def end_if_reimported() -> None:
    """End this process if it is a new one that is still importing the main program of its parent.

    Raises
    ------
    SystemExit
        It is, because the program has no ``if __name__ == "__main__"``. The parent of a worker reports
        it; any other process does so itself.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        if not process.name.startswith(_OF_A_WORKER):
            sys.stderr.write(f"error: {GUARD}\n")
        raise SystemExit(REIMPORTED)


def check_may_start_processes() -> None:
    """Reject starting processes that could not begin.

    Raises
    ------
    OptionError
        The main program cannot be imported by another process, or this process may not start any.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is not None and getattr(main, "__spec__", None) is None and not Path(file).is_file():
        raise OptionError(
            f"found no file of the main program, {file}, which each worker process imports; write the "
            "program to a file (`python - < FILE` is read from standard input), or use a cluster that is "
            "running."
        )
    if multiprocessing.current_process().daemon:
        raise OptionError(
            f"this process ({multiprocessing.current_process().name}) may not start others: it belongs to a "
            "pool of processes or is a worker itself. Start the workers outside it, or use a running cluster."
        )
