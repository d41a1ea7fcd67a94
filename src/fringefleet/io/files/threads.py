"""Threads of this process that read and decode, compress and write chunks: as many as it may have cores."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dask.system import CPU_COUNT

_Job = TypeVar("_Job")


class _Threads:
    """As many threads as this process may use at once; they are started when they are first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.n_thread = CPU_COUNT
        self._pool: ThreadPoolExecutor | None = None

    def set(self, n_thread: int) -> None:
        with self._lock:
            if n_thread == self.n_thread:
                return
            self.n_thread = n_thread
            if self._pool is not None:
                self._pool.shutdown(wait=False)  # what it has begun comes to its end
                self._pool = None

    def begin(self, work: Callable[[_Job], object], job: _Job) -> Future[object]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.n_thread, thread_name_prefix="fringefleet-chunks")
            return self._pool.submit(work, job)

    def forget(self) -> None:
        """Begin anew in a process that was forked, which has none of the threads."""
        self._lock, self._pool = threading.Lock(), None


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.forget)


def use_threads(n_thread: int) -> None:
    """Use so many threads from now on, in this process."""
    _threads.set(n_thread)


def thread_count() -> int:
    """Say how many threads there are, or will be."""
    return _threads.n_thread


def each(work: Callable[[_Job], object], jobs: Iterable[_Job]) -> None:
    """Do all jobs, side by side; a job may not ask for others in its turn.

    Raises
    ------
    Exception
        The first of those that jobs raised. No job is running any more then, or will be.
    """
    futures: list[Future[object]] = []
    try:
        for job in jobs:
            futures.append(_threads.begin(work, job))  # noqa: PERF401 - those that began count if one cannot
        wait(futures)
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
    for future in futures:
        future.result()
