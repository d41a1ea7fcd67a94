"""Unpacking of a stack, once for a run, where its chunks are larger than a tile.

The values go to a folder on the output's disk (:mod:`fringefleet.io.unpacked`), which is logged, checked for
free space, and removed at the end; if the process is killed, by the next one that writes there.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.delayed import Delayed, delayed
from distributed import Client
from numpy.typing import NDArray

from fringefleet.arguments.paths import make_folder, real_path
from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.execution.prepare import Prepared
from fringefleet.execution.scheduler import HealthCheck, RunProgress, execute
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import LazyVariable, Tile, TileReport
from fringefleet.io.files.threads import use_threads
from fringefleet.io.files.version import accepting_touched
from fringefleet.io.store.owned import owned_folder
from fringefleet.io.store.staging import check_free_space
from fringefleet.io.unpacked import groups, unpacked_variable, write_group
from fringefleet.processes.cores import share_of_cores
from fringefleet.processes.worker_info import this_worker
from fringefleet.processes.worker_logging import working_on

logger = logging.getLogger(__name__)


class _Group(Tile):
    """Some pairs of a variable, all pixels; ``number``: index of the variable, and of the first pair."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the name of the pairs for a message."""
        return f"pairs from {self.number[1]} on of variable {self.number[0]}"


def bytes_unpacked(stack: xr.Dataset, names: Iterable[str]) -> int:
    """Return the size of the unpacked values of variables [byte]."""
    return sum(stack[name].nbytes for name in names)


@dataclass(frozen=True)
class Unpacking:
    """Specification of the unpacking for a run.

    ``names``: of the variables. ``output``: the folder is on its disk. ``accept_touched`` and ``n_on_cores``:
    as for :func:`fringefleet.execution.graph.tile_tasks`.
    """

    names: tuple[str, ...]
    output: Path
    accept_touched: bool = False
    n_on_cores: Mapping[str, int] = field(default_factory=dict)


@contextmanager
def unpacked(
    prepared: Prepared, what: Unpacking, watch: HealthCheck, client: Client | None
) -> Iterator[Prepared]:
    """Unpack variables of a stack for the time that it is read.

    Parameters
    ----------
    prepared
        The stack.
    what
        Specification; nothing is done if it names no variables.
    watch
        Actions of the caller meanwhile.
    client
        Client whose workers do it; None: threads of this process.

    Yields
    ------
    Prepared
        The same stack, with variables that are read from the folder.

    Raises
    ------
    InputError
        The disk does not have enough space.
    RunError
        It failed.
    """
    if not what.names:
        yield prepared
        return
    stack, place = prepared.stack, real_path(what.output).parent
    n_byte = bytes_unpacked(stack, what.names)
    make_folder(place)
    check_free_space(place, n_byte)
    logger.info(
        "%s: a packed chunk is larger than a tile, so all chunks are unpacked once, to %s bytes in %s, "
        "which are removed at the end",
        ", ".join(what.names),
        f"{n_byte:,}",
        place,
    )
    with owned_folder(place) as folder:
        for name in what.names:
            (folder / name).mkdir()
        tasks = [task for i in range(len(what.names)) for task in _tasks(prepared, what, i, folder)]
        execute(tasks, _log_progress, None, watch, client=client)
        read = {name: unpacked_variable(stack[name].variable, folder / name) for name in what.names}
        yield replace(prepared, stack=stack.assign(read))


def _log_progress(done: RunProgress) -> None:
    """Log the progress after each quarter."""
    if 4 * done.n_done // done.n_tile > 4 * (done.n_done - 1) // done.n_tile:
        logger.info("%d of %d files unpacked", done.n_done, done.n_tile)


def _tasks(prepared: Prepared, what: Unpacking, number: int, folder: Path) -> Iterator[tuple[Tile, Delayed]]:
    """Make a task for each file of a variable."""
    name = what.names[number]
    stored = prepared.stack[name].variable
    whole = LazyVariable(stored, f"{name} of {prepared.source}")
    y, x = slice(0, stored.shape[1]), slice(0, stored.shape[2])
    for first, last in groups(stored):
        group, path = _Group((number, first), y, x), folder / name / str(first)
        key = f"unpack-{folder.name}-{name}", first
        yield (
            group,
            delayed(_unpack_group, pure=False)(whole[first:last], path, group, what, dask_key_name=key),
        )


def _unpack_group(piece: LazyVariable, path: Path, group: Tile, what: Unpacking) -> NDArray[Any]:
    """Read some pairs and write them unchanged."""
    use_threads(share_of_cores(what.n_on_cores, this_worker()))
    with working_on(str(group)), accepting_touched(what.accept_touched):
        numbers = piece.read()
        check_not_stopped()
        write_group(numbers, path)
    report = np.empty((), dtype=object)
    report[()] = TileReport(group.number, TileStatistics(n_tile=1))
    return report
