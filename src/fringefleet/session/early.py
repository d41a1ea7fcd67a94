"""Workers begun before the stack is opened, where it is plain that they are of use. Light to import."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import Early, begin_early, expect_workers, expected_memory, resolve
from fringefleet.errors import FringefleetError

LARGE_ON_DISK = 2**28  # [byte] of a stack whose inversion needs workers, whatever is read of it
MOST_FILES = 500  # that are looked at


@contextmanager
def early_workers(
    wanted: ClusterOptions, stack: Path, *, resumes: bool = False, is_asked_for: bool = False
) -> Iterator[Early | None]:
    """Begin to start workers if they will be needed, and stop at the end those that were started.

    Parameters
    ----------
    wanted
        Which workers. What is wrong with them is left to be found when the run is fitted to them.
    stack
        Path of the stack, of which only the sizes of files are looked at.
    resumes
        Whether the run is resumed, and may need no workers: none are begun.
    is_asked_for
        Whether something is wanted that only workers have.

    Yields
    ------
    Early or None
        The workers on their way; None if none are.
    """
    early = None
    with ExitStack() as opened:
        if begins_early(wanted, stack, resumes=resumes, is_asked_for=is_asked_for):
            with suppress(FringefleetError):
                resolved = resolve(wanted)
                n_worker = expect_workers(resolved).n_worker
                share = replace(resolved, worker_memory=expected_memory(resolved, n_worker))
                early = opened.enter_context(begin_early(share, n_worker=n_worker))
        yield early


def begins_early(
    wanted: ClusterOptions, stack: Path, *, resumes: bool = False, is_asked_for: bool = False
) -> bool:
    """Tell whether workers are evidently needed before the stack is opened; see :func:`early_workers`.

    A small run needs none (:mod:`fringefleet.execution.effort`).
    """
    if wanted.n_worker == 0 or resumes:
        return False
    return wanted.is_asked_for or is_asked_for or wanted.device != "cpu" or is_evidently_large(stack)


def is_evidently_large(stack: Path) -> bool:
    """Whether the sizes of a stack's files, of which a few are looked at, tell that it needs workers.

    Where they do not, it may still be large: some files are packed well.
    """
    total = 0
    for size in islice(_sizes(stack), MOST_FILES):
        total += size
        if total > LARGE_ON_DISK:
            return True
    return False


def _sizes(path: Path) -> Iterator[int]:
    """Give the sizes of a file, or of those in a folder [byte], as far as they can be had."""
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    for file in files if path.is_dir() else (path,):
        with suppress(OSError, ValueError):  # which is said when the stack is opened
            yield file.stat().st_size
