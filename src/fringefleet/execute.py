"""Hand tiles to the current Dask scheduler, a bounded number at a time, and watch them come back.

A big graph is produced ahead of its consumers (distributed issue 6360), so tiles are handed in one by one
as others finish. When one fails no more are handed in; those under way are let finish, and are kept.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

from dask.base import compute
from dask.delayed import Delayed
from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, as_completed, default_client

from fringefleet.errors import RunError
from fringefleet.tile import Tile, TileReport

logger = logging.getLogger(__name__)

IN_FLIGHT_PER_THREAD = 2
RETRIES = 2


class Failure(NamedTuple):
    """A tile that failed for good."""

    tile: Tile
    error: str
    attempts: int = 1


class Done(NamedTuple):
    """How far a run is."""

    report: TileReport | None  # of the tile that has just finished; None if it failed
    n_done: int  # tiles, of this run
    n_tile: int  # tiles that this run does
    n_pixel: int  # pixels done, of this run
    seconds: float  # since the first tile was handed in
    n_byte: int = 0  # read and written, of this run
    n_failed: int = 0  # tiles, of this run
    failure: Failure | None = None  # of the tile that has just failed
    attempts: int = 1  # how often the tile that has just finished was tried


OnProgress = Callable[[Done], None]


def execute(tasks: Sequence[tuple[Tile, Delayed]], on_progress: OnProgress | None = None) -> list[TileReport]:
    """Compute the tasks on the current scheduler: a distributed client's if there is one, else threads.

    Parameters
    ----------
    tasks
        One for each tile; its result is an array with a :class:`~fringefleet.tile.TileReport`.
    on_progress
        Told of every finished tile, in the order in which they finish.

    Raises
    ------
    RunError
        A tile failed, or the scheduler was lost. What was under way has been let finish.
    """
    client = current_client()
    finished = _in_this_process(tasks) if client is None else _on_workers(client, tasks)
    start = monotonic()
    reports: list[TileReport] = []
    n_pixel = n_byte = 0
    for report in finished:
        reports.append(report)
        n_pixel += report.n_pixel
        n_byte += report.bytes_read + report.bytes_written
        if on_progress:
            on_progress(Done(report, len(reports), len(tasks), n_pixel, monotonic() - start, n_byte))
    return reports


def current_client() -> Client | None:
    """Return the distributed client that is current, if there is one."""
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def _in_this_process(tasks: Sequence[tuple[Tile, Delayed]]) -> Iterator[TileReport]:
    waiting = iter(tasks)
    while batch := list(islice(waiting, CPU_COUNT)):
        try:
            results = compute(*(task for _, task in batch), optimize_graph=False)
        except Exception as error:
            names = ", ".join(str(tile) for tile, _ in batch)
            raise _failure(f"one of {names}", error) from error
        for result in results:
            yield result.item()


def _on_workers(client: Client, tasks: Sequence[tuple[Tile, Delayed]]) -> Iterator[TileReport]:
    """Keep a bounded number of tiles with the scheduler; yield the reports as they come."""
    waiting = iter(tasks)
    tiles: dict[Any, Tile] = {}  # by key
    failed: tuple[Tile, BaseException] | None = None

    def submit(n_tile: int) -> Iterator[Future[Any]]:
        for tile, task in islice(waiting, n_tile):
            future = client.compute(task, optimize_graph=False, retries=RETRIES)
            tiles[future.key] = tile
            yield future

    n_thread = sum(client.nthreads().values())
    under_way = as_completed(submit(IN_FLIGHT_PER_THREAD * max(1, n_thread)))
    for future in under_way:
        tile = tiles.pop(future.key)
        if future.status == "finished":
            yield future.result().item()
        elif failed is None:
            failed = tile, _reason(future)
            logger.error("%s failed: %r", tile, failed[1])
        future.release()
        if failed is None:
            under_way.update(submit(1))
    if failed is not None:
        raise _failure(str(failed[0]), failed[1]) from failed[1]


def _reason(future: Future[Any]) -> BaseException:
    if future.status == "cancelled":
        return ConnectionError("the scheduler, or the connection to it, was lost")
    error: BaseException = future.exception()
    return error


def _failure(tile: str, error: BaseException) -> RunError:
    advice = ""
    if isinstance(error, KilledWorker):
        advice = (
            " Workers died while computing it, most often for lack of memory: give smaller --chunks or fewer "
            "--workers."
        )
    return RunError(
        f"{tile} failed: {type(error).__name__}: {error}.{advice} Finished tiles are kept; remove the cause "
        "and repeat the command with --resume."
    )
