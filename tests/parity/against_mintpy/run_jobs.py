"""Run command lines one after the other in one process, so that a program starts once and not once for each.

Usage: ``PYTHON run_jobs.py JOBS.json``. The file has a list of jobs: ``folder`` to run in, ``entry`` as
``module:function`` of a command line that takes a list of arguments, ``arguments``, and ``log`` for all
that it prints. The exit codes are written into ``codes.json`` beside it.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path


def main(path: Path) -> None:
    """Run the jobs of a file, whatever becomes of each."""
    jobs = json.loads(path.read_text())
    path.with_name("codes.json").write_text(json.dumps([run(job) for job in jobs]))


def run(job: dict) -> int:
    """Run one job with its output, that of its child processes included, in its log; return its exit code."""
    with Path(job["log"]).open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        os.chdir(job["folder"])
        code = call(job["entry"], job["arguments"])
        close_figures()
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def call(entry: str, arguments: list) -> int:
    """Call a command line as its script would, and say with which exit code the script would end."""
    module, function = entry.split(":")
    try:
        getattr(importlib.import_module(module), function)(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
        return int(end.code or 0) if not isinstance(end.code, str) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def close_figures() -> None:
    """Close the figures of a program that relies on the end of its process."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
