"""Threads of this process that read and decode, compress and write chunks: as many as it has cores."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dask.system import CPU_COUNT

_Job = TypeVar("_Job")


class _Threads:
    """Thread pool of the size allowed for this process; threads are started at first use."""

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
                self._pool.shutdown(wait=False)  # running jobs finish
                self._pool = None

    def begin(self, work: Callable[[_Job], object], job: _Job) -> Future[object]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.n_thread, thread_name_prefix="fringefleet-chunks")
            return self._pool.submit(work, job)

    def forget(self) -> None:
        """Reset in a forked process, which has none of the threads."""
        self._lock, self._pool = threading.Lock(), None


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.forget)


def use_threads(n_thread: int) -> None:
    """Set the number of threads from now on, in this process."""
    _threads.set(n_thread)


def thread_count() -> int:
    """Return the number of threads."""
    return _threads.n_thread


def each(work: Callable[[_Job], object], jobs: Iterable[_Job]) -> None:
    """Do all jobs in parallel; a job must not call this in turn.

    Raises
    ------
    Exception
        The first error of a job. No job is running any more then, or will be.
    """
    futures: list[Future[object]] = []
    try:
        for job in jobs:
            futures.append(_threads.begin(work, job))  # noqa: PERF401 - started ones count if one cannot
        wait(futures)
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
    for future in futures:
        future.result()
