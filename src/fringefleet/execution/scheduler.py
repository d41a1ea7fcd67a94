"""Submission of tiles to the current Dask scheduler, a bounded number at a time, and their progress.

A large graph is produced ahead of its consumers (distributed issue 6360), so tiles are submitted one by one
as others finish. A failed tile does not stop the others (:mod:`fringefleet.execution.retry`); errors that
concern the whole run do: a lost scheduler, and any :class:`~fringefleet.errors.RunError` of a tile. No more
tiles are then submitted; running ones may finish, and are kept.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Literal, NamedTuple

from dask.delayed import Delayed
from distributed import Client, KilledWorker

from fringefleet.errors import DeviceError, MissingExtraError, RunError
from fringefleet.execution.backends import DistributedBackend, ExecutionBackend, ThreadBackend
from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.retry import Attempt, Failure, RetryQueue
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile, TileReport
from fringefleet.observation.oddities import OddityCounts
from fringefleet.processes.clients import client_to_compute_with

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 2.0  # between checks of the run, when no result arrives
MOST_NAMED, MOST_REASONS = 5, 3  # failed tiles, and reasons, in one message
_CONCERNS_ALL = (RunError, DeviceError, MissingExtraError)


class RunProgress(NamedTuple):
    """Progress of a run."""

    report: TileReport | None  # of the tile that just finished; None if it failed
    numbers: TileStatistics  # of the tiles done in this run
    n_tile: int  # tiles to do in this run
    seconds: float  # since the first tile was submitted
    n_failed: int = 0  # tiles that failed in this run
    failure: Failure | None = None  # of the tile that just failed
    attempts: int = 1  # number of attempts of the tile that just finished

    @property
    def n_done(self) -> int:
        """Number of tiles done in this run."""
        return self.numbers.n_tile

    @property
    def n_pixel(self) -> int:
        """Number of pixels of these tiles."""
        return self.numbers.n_pixel

    @property
    def n_byte(self) -> int:
        """Bytes read and written for these tiles."""
        return self.numbers.bytes_read + self.numbers.bytes_written


OnProgress = Callable[[RunProgress], None]


class ExecutionResult(NamedTuple):
    """Totals of a finished execution; reports of single tiles go to ``on_progress``."""

    numbers: TileStatistics  # of the tiles that are done
    odd: OddityCounts
    failures: list[Failure]


@dataclass(frozen=True)
class HealthCheck:
    """Actions of the caller during an execution."""

    look: Callable[[], None] = lambda: None  # raises if the run cannot continue; called often
    mark_failed: Callable[[Tile], None] = lambda _: None  # called with each tile that is skipped


def execute(
    tasks: Sequence[tuple[Tile, Delayed]],
    on_progress: OnProgress | None = None,
    policy: FailurePolicy | None = None,
    watch: HealthCheck | None = None,
    *,
    client: Client | Literal["current"] | None = "current",
) -> ExecutionResult:
    """Compute the tasks on the current scheduler: that of a distributed client if there is one, else threads.

    Parameters
    ----------
    tasks
        Tiles and tasks; the result of a task is an array with a
        :class:`~fringefleet.execution.tile.TileReport`.
    on_progress
        Called with every tile that finished or failed for good, in that order.
    policy
        Treatment of tiles that fail; if None they are tried three times, and then the run fails.
    watch
        Actions of the caller meanwhile.
    client
        Client whose workers compute, where the caller has it already; None: threads of this process.

    Raises
    ------
    RunError
        Tiles failed, and everything else is finished; or the run could not continue, and running tiles have
        finished.
    """
    queue = RetryQueue(tasks, policy or FailurePolicy())
    watch = watch or HealthCheck()
    client = client_to_compute_with() if client == "current" else client
    start = monotonic()
    numbers, odd = TileStatistics(), OddityCounts()
    with _backend(client) as backend:
        for attempt, result in _TileLoop(queue, backend, watch).results():
            if isinstance(result, TileReport):
                numbers += result.numbers
                odd.add(result.odd, result.numbers.n_pixel)
            elif queue.policy.on_error == "skip":
                watch.mark_failed(attempt.tile)
            if on_progress:
                finished, failed = (result, None) if isinstance(result, TileReport) else (None, result)
                seconds, n_failed = monotonic() - start, len(queue.failed_tiles)
                on_progress(
                    RunProgress(finished, numbers, len(tasks), seconds, n_failed, failed, attempt.number)
                )
    _raise_if_failed(queue)
    return ExecutionResult(numbers, odd, queue.failed_tiles)


def name_tiles(tiles: Sequence[Tile]) -> str:
    """Format tiles for a message; many are only counted."""
    named = ", ".join(str(tile) for tile in tiles[:MOST_NAMED])
    return f"{named} and {len(tiles) - MOST_NAMED} more" if len(tiles) > MOST_NAMED else named


@contextmanager
def _backend(client: Client | None) -> Iterator[ExecutionBackend]:
    backend = ThreadBackend() if client is None else DistributedBackend(client)
    try:
        yield backend
    finally:
        backend.dismiss()


class _TileLoop:
    """Loop that keeps a bounded number of tiles running on a backend, and handles their results."""

    def __init__(self, queue: RetryQueue, backend: ExecutionBackend, watch: HealthCheck) -> None:
        self._queue, self._backend, self._watch = queue, backend, watch
        self._came: SimpleQueue[Any] = SimpleQueue()
        self._running: dict[Any, Attempt] = {}  # by future
        self._end: BaseException | None = None  # why the run cannot continue

    def results(self) -> Iterator[tuple[Attempt, TileReport | Failure]]:
        """Yield the outcome of each tile, in order of completion.

        When the run cannot continue, running tiles are yielded as far as they finish; then the reason is
        raised.
        """
        while self._running or (self._end is None and self._queue.has_work):
            self._end = self._end or self._abort_reason()
            if self._end is None:
                self._submit()
            elif self._backend.loss() is not None:
                break  # running tiles are lost as well
            for future in self._wait():
                attempt = self._running.pop(future)
                result = self._handle_result(attempt, self._backend.result(future))
                if result is not None:
                    yield attempt, result
        if self._end is not None:
            raise _with_advice(self._end)

    def _abort_reason(self) -> BaseException | None:
        if (loss := self._backend.loss()) is not None:
            return loss
        try:
            self._watch.look()
        except RunError as error:
            return error
        return None

    def _submit(self) -> None:
        n_running = len(self._running)
        for attempt in self._queue.take(self._backend.capacity() - n_running, n_running, monotonic()):
            future = self._backend.submit(attempt.task)
            self._running[future] = attempt
            future.add_done_callback(self._came.put)

    def _wait(self) -> Iterator[Any]:
        """Wait for a while; yield the future that is ready, if any."""
        pause = min(_SECONDS_BETWEEN_LOOKS, self._queue.seconds_to_wait(monotonic()))
        with suppress(Empty):
            yield self._came.get(timeout=max(pause, 0.01))

    def _handle_result(
        self, attempt: Attempt, result: TileReport | BaseException
    ) -> TileReport | Failure | None:
        """Return the outcome of a tile; None if it is retried, or if the run cannot continue."""
        if isinstance(result, TileReport):
            self._queue.succeeded()
            return result
        if isinstance(result, _CONCERNS_ALL):
            self._end = self._end or result
        if self._end is not None or self._backend.loss() is not None:
            return None
        return self._failed(attempt, result)

    def _failed(self, attempt: Attempt, error: BaseException) -> Failure | None:
        """Schedule another attempt of a tile; after the last one return its failure."""
        killed = isinstance(error, KilledWorker)
        why = self._backend.explain(error)
        pause = self._queue.failed(attempt, monotonic(), killed=killed)
        if pause is None:
            failure = Failure(attempt.tile, why, attempt.number)
            self._queue.mark_failed(failure)
            logger.error("%s failed for good after %d attempts: %s", attempt.tile, attempt.number, why)
            return failure
        when = "alone, when the others are done" if killed else f"in {pause:g} s"
        logger.warning("%s failed and is retried %s: %s", attempt.tile, when, why)
        return None


def _with_advice(reason: BaseException) -> BaseException:
    """Add advice to an error that ended the run."""
    kind = type(reason) if isinstance(reason, RunError) else RunError
    text = str(reason).rstrip(".")
    error = kind(f"{text}. {kind.to_go_on}")
    error.__cause__ = reason.__cause__ or reason
    return error


def _raise_if_failed(queue: RetryQueue) -> None:
    """Raise an error that names the failed tiles, with each reason once."""
    failures = queue.failed_tiles
    if not failures or (queue.policy.on_error == "skip" and not queue.is_aborted):
        return
    tiles_of: dict[str, list[Tile]] = {}
    for failure in failures:
        tiles_of.setdefault(failure.error, []).append(failure.tile)
    parts = [f"{name_tiles(tiles)} failed: {reason.rstrip('.')}." for reason, tiles in tiles_of.items()]
    n_more = sum(len(tiles) for tiles in list(tiles_of.values())[MOST_REASONS:])
    more = f" {n_more} more tiles failed for other reasons." if n_more else ""
    left = ""
    if queue.is_aborted:
        left = f" As none succeeded in between, {queue.n_left} tiles were not tried, or not finished."
    error = RunError(f"{' '.join(parts[:MOST_REASONS])}{more}{left} {RunError.to_go_on}")
    error.failed = tuple(failure.tile.number for failure in failures)
    raise error
