"""Execution backends for tiles: workers of a Dask scheduler, or threads of this process.

To a scheduler a tile is one task whose graph is opaque bytes: as a graph, every variable of the stack would
be a task of its own, and client and scheduler would take half as long again per tile.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from dask.delayed import Delayed
from dask.system import CPU_COUNT
from dask.utils import format_bytes
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.protocol import pickle

from fringefleet.engine.cancellation import stoppable
from fringefleet.errors import RunError, WorkersLostError
from fringefleet.execution.tile import TileReport

logger = logging.getLogger(__name__)

# Per thread of a worker: a tile being read, those being solved and written meanwhile, and the next ones.
_IN_FLIGHT_PER_THREAD = 5
_SECONDS_BETWEEN_COUNTS = 5.0  # of workers, which may come and go
_SMALLER = "Give smaller --chunks, or fewer --workers so that each has more."


class ExecutionBackend(Protocol):
    """Executor of several tasks at a time."""

    def capacity(self) -> int:
        """Return the maximum number of tasks submitted at once."""

    def submit(self, task: Delayed) -> Any:
        """Submit a task; return its future."""

    def result(self, future: Any) -> TileReport | BaseException:
        """Return the report of a finished task, or the error that it failed with."""

    def loss(self) -> RunError | None:
        """Return the reason why no more results will arrive; None as long as some may."""

    def explain(self, error: BaseException) -> str:
        """Describe an error, with advice."""

    def dismiss(self) -> None:
        """Start no more tasks."""


class ThreadBackend:
    """Threads of this process, one per core."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(CPU_COUNT, thread_name_prefix="fringefleet")
        self._stop = threading.Event()

    def capacity(self) -> int:
        """Return the maximum number of tasks submitted at once."""
        return CPU_COUNT

    def submit(self, task: Delayed) -> ThreadFuture[TileReport]:
        """Submit a task; return its future."""
        return self._pool.submit(self._compute, task)

    def _compute(self, task: Delayed) -> TileReport:
        with stoppable(self._stop):
            return _compute(task)

    def result(self, future: ThreadFuture[TileReport]) -> TileReport | BaseException:
        """Return the report of a finished task, or the error that it failed with."""
        error = future.exception()
        return future.result() if error is None else error

    def loss(self) -> None:
        """Return None: threads are never lost."""

    def explain(self, error: BaseException) -> str:
        """Describe an error, with advice."""
        return explain(error)

    def dismiss(self) -> None:
        """Start no more tasks, and wait for running ones, which end at their next step."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


class DistributedBackend:
    """Workers of a Dask scheduler, as many as there are at any time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._n_thread = 1
        self._n_worker: int | None = None
        self._counted = -_SECONDS_BETWEEN_COUNTS
        self._is_lost = False
        self._numbers = count()
        self._n_memory_kill = count_memory_kills()

    def capacity(self) -> int:
        """Return the maximum number of tasks submitted at once: more than run, so that none waits."""
        if monotonic() - self._counted > _SECONDS_BETWEEN_COUNTS:
            try:
                self._count(self._client.nthreads())
            except OSError:
                self._is_lost = True
            self._counted = monotonic()
        return _IN_FLIGHT_PER_THREAD * self._n_thread

    def _count(self, n_thread: Mapping[str, int]) -> None:
        """Update the number of workers, and log a change."""
        self._n_thread = max(1, sum(n_thread.values()))
        before, self._n_worker = self._n_worker, len(n_thread)
        if before is not None and self._n_worker < before:
            logger.warning("%d workers are connected, %d before", self._n_worker, before)
        elif before is not None and self._n_worker > before:
            logger.info("%d workers are connected", self._n_worker)

    def submit(self, task: Delayed) -> ThreadFuture[TileReport]:
        """Submit a task; return the future of its report, which is fetched as soon as possible."""
        # A number makes each attempt a separate task, whatever the scheduler still holds of the one before.
        key = (*task.key, next(self._numbers))
        future: Future[TileReport] = self._client.submit(_unpack, pickle.dumps(task), key=key, pure=False)
        loop: asyncio.AbstractEventLoop = self._client.loop.asyncio_loop  # type: ignore[union-attr]
        return asyncio.run_coroutine_threadsafe(self._fetch(future), loop)

    async def _fetch(self, future: Future[TileReport]) -> TileReport:
        """Wait for a task and fetch its report; a worker that is slow to answer delays no other."""
        try:
            report: TileReport = await self._client.gather(future, asynchronous=True)
        finally:
            future.release()
        return report

    def result(self, future: ThreadFuture[TileReport]) -> TileReport | BaseException:
        """Return the report of a finished task, or the error that it failed with."""
        try:
            return future.result()
        except CancelledError as error:
            self._is_lost = True
            return error
        except Exception as error:
            return error

    def loss(self) -> RunError | None:
        """Return why no more results will arrive: the scheduler or all workers started here are lost."""
        if self._is_lost or self._client.status != "running":
            return RunError("the scheduler, or the connection to it, was lost.")
        cluster = self._client.cluster
        if isinstance(cluster, LocalCluster) and not cluster.workers:
            out_of_memory = self._client.get_events("worker-restart-memory")
            why = f"They ran out of memory. {_SMALLER}" if out_of_memory else self._why_died()
            return WorkersLostError(f"no worker is left: they died, and could not be restarted. {why}")
        return None

    def _why_died(self) -> str:
        """Explain why workers died, as far as known; memory is named only where it was the cause."""
        if isinstance(self._client.cluster, LocalCluster) and count_memory_kills() > self._n_memory_kill:
            return f"The system of this machine killed processes because memory ran out. {_SMALLER}"
        return "The cause is not known here: check the log of the system (dmesg), or of the job."

    def explain(self, error: BaseException) -> str:
        """Describe an error, with advice."""
        if not isinstance(error, KilledWorker):
            return explain(error)
        worker, n_died = error.last_worker, error.allowed_failures + 1
        died = f"{n_died} workers died while computing it, the last at {worker.address}"
        limit = format_bytes(worker.memory_limit) if worker.memory_limit else "no limit"
        for _, event in self._client.get_events("worker-restart-memory"):
            if event["worker"] == worker.address:
                used = format_bytes(event["rss"])
                return f"{died}: out of memory, it used {used} of its {limit}. {_SMALLER}"
        return f"{died}. Its memory: {limit}. {self._why_died()}"

    def dismiss(self) -> None:
        """Do nothing: the code that started the workers ends them."""


def _unpack(packed: bytes) -> TileReport:
    return _compute(pickle.loads(packed))


def _compute(task: Delayed) -> TileReport:
    """Compute a task in this thread."""
    report: TileReport = task.compute(scheduler="synchronous", optimize_graph=False).item()
    return report


def count_memory_kills() -> int:
    """Count the processes that the system of this machine has killed for lack of memory since its start."""
    with suppress(OSError, ValueError):  # other systems do not count them
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def explain(error: BaseException) -> str:
    """Describe an error, with advice."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"{text}. {_SMALLER}" if isinstance(error, MemoryError) else text
