"""Checks that this process may start others: each of them imports its main program again."""

import multiprocessing
import sys
from pathlib import Path

from fringefleet.errors import OptionError

REIMPORTED = 78  # exit code of a worker process that would have started workers of its own
_OF_A_WORKER = "Dask Worker process"  # so Dask calls processes that it starts
GUARD = (
    "the program starts workers while a worker imports it: each worker process imports the main program "
    'again. Put what it does below the line `if __name__ == "__main__":`, as in '
    "deploy/local/invert_scene.py."
)


def end_if_reimported() -> None:
    """End this process if it is a new one that still imports the main program of its parent.

    Raises
    ------
    SystemExit
        It is, as the program has no ``if __name__ == "__main__"``. The parent of a worker says so; of any
        other process this one does.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        if not process.name.startswith(_OF_A_WORKER):
            sys.stderr.write(f"error: {GUARD}\n")
        raise SystemExit(REIMPORTED)


def check_may_start_processes() -> None:
    """Refuse to start processes that could not begin.

    Raises
    ------
    OptionError
        The main program cannot be imported by another process, or this process may have none.
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
            f"this process ({multiprocessing.current_process().name}) may start no others: it belongs to a "
            "pool of processes or is a worker itself. Start the workers outside of it, or use a cluster that "
            "is running."
        )
