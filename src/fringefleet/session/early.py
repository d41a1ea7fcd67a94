"""Start of workers before the stack is opened, where they are clearly needed. Light to import."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from fringefleet.cluster import (
    ClusterOptions,
    Early,
    begin_early,
    expected_memory,
    expected_workers,
    resolve,
)
from fringefleet.errors import FringefleetError

LARGE_ON_DISK = 2**28  # [byte] of a stack whose inversion needs workers, whatever part of it is read
MOST_FILES = 500  # that are examined


@contextmanager
def early_workers(
    wanted: ClusterOptions, stack: Path, *, resumes: bool = False, is_asked_for: bool = False
) -> Iterator[Early | None]:
    """Start workers early if they will be needed, and stop those that were started at the end.

    Parameters
    ----------
    wanted
        Worker request. Errors in it are reported later, when the run is fitted to the workers.
    stack
        Path of the stack, of which only the sizes of files are examined.
    resumes
        Whether the run is resumed, and may need no workers: none are started.
    is_asked_for
        Whether something was requested that needs workers.

    Yields
    ------
    Early or None
        The workers being started; None if there are none.
    """
    early = None
    with ExitStack() as opened:
        if begins_early(wanted, stack, resumes=resumes, is_asked_for=is_asked_for):
            with suppress(FringefleetError):
                resolved = resolve(wanted)
                n_worker = expected_workers(resolved)
                share = replace(resolved, worker_memory=expected_memory(resolved, n_worker))
                early = opened.enter_context(begin_early(share, n_worker=n_worker))
        yield early


def begins_early(
    wanted: ClusterOptions, stack: Path, *, resumes: bool = False, is_asked_for: bool = False
) -> bool:
    """Return whether workers are evidently needed before the stack is opened; see :func:`early_workers`.

    A small run needs none (:mod:`fringefleet.execution.effort`).
    """
    if wanted.n_worker == 0 or resumes:
        return False
    return wanted.is_asked_for or is_asked_for or wanted.device != "cpu" or is_evidently_large(stack)


def is_evidently_large(stack: Path) -> bool:
    """Return whether the sizes of a stack's files, of which a few are examined, show that it needs workers.

    Otherwise it may still be large, because some files compress well.
    """
    total = 0
    for size in islice(_sizes(stack), MOST_FILES):
        total += size
        if total > LARGE_ON_DISK:
            return True
    return False


def _sizes(path: Path) -> Iterator[int]:
    """Yield the sizes of a file, or of those in a folder [byte], as far as they are accessible."""
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    for file in files if path.is_dir() else (path,):
        with suppress(OSError, ValueError):  # reported when the stack is opened
            yield file.stat().st_size
