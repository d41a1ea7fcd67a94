"""Workers that start while the command imports what it needs, opens the stack and checks it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import dask

from fringefleet.cli.options.cluster import choose_cluster
from fringefleet.cluster import (
    ClusterOptions,
    Early,
    begin_early,
    expected_memory,
    expected_workers,
    resolve,
)
from fringefleet.errors import FringefleetError
from fringefleet.execution.warm_up import OF_CODE, OPTIONS
from fringefleet.mintpy.template import read_template

LARGE_ON_DISK = 2**28  # [byte] of a stack whose inversion needs workers, whatever is read of it
MOST_FILES = 500  # that are looked at


def wanted_of_workers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the options of a command say of workers, by the names of a :class:`ClusterOptions`.

    Raises
    ------
    InputError
        The template, which may name the device, cannot be read.
    """
    names = {field.name for field in fields(ClusterOptions)}
    said = {name: value for name, value in given.items() if name in names}
    return said | {"device": _device(given["device"], given["template"])}


class Begun(NamedTuple):
    """What is known of the workers of a command before all else is."""

    wanted: ClusterOptions | None = None  # None: what is wrong with them is said with what else is
    early: Early | None = None  # None: none are on their way


@contextmanager
def early_workers(given: Mapping[str, Any]) -> Iterator[Begun]:
    """Begin to start the workers of ``invert``, if their options are good; stop at last those that are there.

    A small run needs none (:mod:`fringefleet.execution.effort`): where nobody has asked for any, none are
    begun before the stack is checked, unless it is evidently large.

    Parameters
    ----------
    given
        All options of the command, by the names that they have there. What is wrong with them is said later,
        all at once. A run that is resumed may need no workers: none are begun for it. Workers that are
        started meanwhile, early or not, warm up for the options.
    """
    begun = Begun()
    said = {name: given[name] for name in OF_CODE if given[name]}
    with ExitStack() as opened, dask.config.set({OPTIONS: said}):
        with suppress(FringefleetError):
            wanted = choose_cluster(wanted_of_workers(given), given["cluster_config"])
            begun = Begun(wanted)
            if begins_early(given, wanted):
                begun = Begun(wanted, opened.enter_context(_begin(wanted)))
        yield begun


def begins_early(given: Mapping[str, Any], wanted: ClusterOptions) -> bool:
    """Whether it is plain before the stack is opened that workers are started.

    Parameters
    ----------
    given
        As for :func:`early_workers`.
    wanted
        What is said of workers.
    """
    if wanted.n_worker == 0 or given["resume"]:
        return False
    is_asked_for = wanted.is_asked_for or given["performance_report"] is not None
    return is_asked_for or wanted.device != "cpu" or is_evidently_large(given["stack"])


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


def _begin(wanted: ClusterOptions) -> AbstractContextManager[Early]:
    wanted = resolve(wanted)
    n_worker = expected_workers(wanted)
    share = replace(wanted, memory_limit=expected_memory(wanted, n_worker))
    return begin_early(share, n_worker=n_worker)


def _device(given: str | None, template: Path | None) -> str:
    """Find the device that workers need, whatever else is wrong with the options."""
    of_template = read_template(template).device if template is not None and given is None else None
    return given or of_template or "cpu"
