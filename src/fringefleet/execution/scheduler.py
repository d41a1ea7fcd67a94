"""Submit tiles to the current Dask scheduler, a bounded number at a time, and follow their progress.

A big graph is produced ahead of its consumers (distributed issue 6360), so tiles are handed in one by one
as others finish. A tile that fails does not stop the others (:mod:`fringefleet.execution.retry`); what
concerns the whole run does: a lost scheduler, and whatever a tile says with a
:class:`~fringefleet.errors.RunError`. Then no more are handed in; those under way are let finish, and are
kept.
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

_SECONDS_BETWEEN_LOOKS = 2.0  # at the run, when nothing comes back
MOST_NAMED, MOST_REASONS = 5, 3  # failed tiles, and why they failed, in one message
_CONCERNS_ALL = (RunError, DeviceError, MissingExtraError)


class RunProgress(NamedTuple):
    """How far a run is."""

    report: TileReport | None  # of the tile that has just finished; None if it failed
    numbers: TileStatistics  # of the tiles that are done, of this run
    n_tile: int  # tiles that this run does
    seconds: float  # since the first tile was handed in
    n_failed: int = 0  # tiles, of this run
    failure: Failure | None = None  # of the tile that has just failed
    attempts: int = 1  # how often the tile that has just finished was tried

    @property
    def n_done(self) -> int:
        """Tiles that are done, of this run."""
        return self.numbers.n_tile

    @property
    def n_pixel(self) -> int:
        """Their pixels."""
        return self.numbers.n_pixel

    @property
    def n_byte(self) -> int:
        """What was read and written of them [byte]."""
        return self.numbers.bytes_read + self.numbers.bytes_written


OnProgress = Callable[[RunProgress], None]


class ExecutionResult(NamedTuple):
    """What became of the tiles; what each of them said is told while they come, and not kept here."""

    numbers: TileStatistics  # of the tiles that are done
    odd: OddityCounts
    failures: list[Failure]


@dataclass(frozen=True)
class HealthCheck:
    """What the caller wants to look at or to do meanwhile."""

    look: Callable[[], None] = lambda: None  # raises if the run cannot go on; called often
    mark_failed: Callable[[Tile], None] = lambda _: None  # told of a tile that is skipped


def execute(
    tasks: Sequence[tuple[Tile, Delayed]],
    on_progress: OnProgress | None = None,
    policy: FailurePolicy | None = None,
    watch: HealthCheck | None = None,
    *,
    client: Client | Literal["current"] | None = "current",
) -> ExecutionResult:
    """Compute the tasks on the current scheduler: a distributed client's if there is one, else threads.

    Parameters
    ----------
    tasks
        One for each tile; its result is an array with a :class:`~fringefleet.execution.tile.TileReport`.
    on_progress
        Told of every tile that finished or failed for good, in the order in which they do.
    policy
        What becomes of tiles that fail; if None they are tried three times, and then the run fails.
    watch
        What else is looked at meanwhile.
    client
        Whose workers compute, where the caller has asked for it already; None: threads of this process.

    Raises
    ------
    RunError
        Tiles failed, and everything else is finished; or the run could not go on, and what was under way has
        been let finish.
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
    """Name tiles for a message; many are counted."""
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
    """Keeps a bounded number of tiles with a backend, and judges what comes back."""

    def __init__(self, queue: RetryQueue, backend: ExecutionBackend, watch: HealthCheck) -> None:
        self._queue, self._backend, self._watch = queue, backend, watch
        self._came: SimpleQueue[Any] = SimpleQueue()
        self._under_way: dict[Any, Attempt] = {}  # by future
        self._end: BaseException | None = None  # why the run cannot go on

    def results(self) -> Iterator[tuple[Attempt, TileReport | Failure]]:
        """Yield what becomes of each tile, as it does.

        When the run cannot go on, what is under way is yielded as far as it finishes; then the reason is
        raised.
        """
        while self._under_way or (self._end is None and self._queue.has_work):
            self._end = self._end or self._abort_reason()
            if self._end is None:
                self._submit()
            elif self._backend.loss() is not None:
                break  # what is under way is lost as well
            for future in self._wait():
                attempt = self._under_way.pop(future)
                result = self._handle_result(attempt, self._backend.result(future))
                if result is not None:
                    yield attempt, result
        if self._end is not None:
            raise _ended(self._end)

    def _abort_reason(self) -> BaseException | None:
        if (loss := self._backend.loss()) is not None:
            return loss
        try:
            self._watch.look()
        except RunError as error:
            return error
        return None

    def _submit(self) -> None:
        n_under_way = len(self._under_way)
        for attempt in self._queue.take(self._backend.capacity() - n_under_way, n_under_way, monotonic()):
            future = self._backend.submit(attempt.task)
            self._under_way[future] = attempt
            future.add_done_callback(self._came.put)

    def _wait(self) -> Iterator[Any]:
        """Wait for a while; yield the future that came, if one did."""
        pause = min(_SECONDS_BETWEEN_LOOKS, self._queue.seconds_to_wait(monotonic()))
        with suppress(Empty):
            yield self._came.get(timeout=max(pause, 0.01))

    def _handle_result(
        self, attempt: Attempt, result: TileReport | BaseException
    ) -> TileReport | Failure | None:
        """Say what a tile has come to; None if it is tried again, or if the run cannot go on."""
        if isinstance(result, TileReport):
            self._queue.succeeded()
            return result
        if isinstance(result, _CONCERNS_ALL):
            self._end = self._end or result
        if self._end is not None or self._backend.loss() is not None:
            return None
        return self._failed(attempt, result)

    def _failed(self, attempt: Attempt, error: BaseException) -> Failure | None:
        """Plan to try a tile again; if it was tried often enough, say that it failed for good."""
        killed = isinstance(error, KilledWorker)
        why = self._backend.explain(error)
        pause = self._queue.failed(attempt, monotonic(), killed=killed)
        if pause is None:
            failure = Failure(attempt.tile, why, attempt.number)
            self._queue.mark_failed(failure)
            logger.error("%s failed for good, tried %d times: %s", attempt.tile, attempt.number, why)
            return failure
        when = "alone, when the others are done" if killed else f"in {pause:g} s"
        logger.warning("%s failed and is tried again %s: %s", attempt.tile, when, why)
        return None


def _ended(reason: BaseException) -> BaseException:
    """Say what to do about something that ended the run."""
    kind = type(reason) if isinstance(reason, RunError) else RunError
    text = str(reason).rstrip(".")
    error = kind(f"{text}. {kind.to_go_on}")
    error.__cause__ = reason.__cause__ or reason
    return error


def _raise_if_failed(queue: RetryQueue) -> None:
    """Name the tiles that failed, each reason once."""
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
        left = f" As none succeeded meanwhile, {queue.n_left} tiles were not tried, or not to the end."
    error = RunError(f"{' '.join(parts[:MOST_REASONS])}{more}{left} {RunError.to_go_on}")
    error.failed = tuple(failure.tile.number for failure in failures)
    raise error
