"""Get workers and give them back: processes on this machine, or a cluster that is running."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster

from fringefleet.errors import InputError, OptionError

SETTINGS = {
    # Tiles wait at the scheduler rather than at a worker: one that dies takes few with it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    # Nothing is kept on the workers that could be moved or spilled; a tile fits or it does not.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": 0.9,
    "distributed.worker.memory.terminate": 0.97,
}
# glibc gives arrays of up to 32 MB back to the system at once unless told otherwise, and every tile pays for
# its page faults again: 6.5 s instead of 2.5 s of system time a worker, for 1000 x 1000 pixels and 288 pairs.
LOCAL_SETTINGS = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**28,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
}
CONNECT_SECONDS = 30


class Workers(NamedTuple):
    """What there is to compute with."""

    client: Client
    n_worker: int
    memory_limit: int | None  # of each worker [byte]; None if it has none


@contextmanager
def connect(cluster: str = "local", n_worker: int | None = None) -> Iterator[Workers]:
    """Connect to workers, make them the current Dask scheduler, and close what was started.

    Parameters
    ----------
    cluster
        ``local``: processes on this machine, one thread each. Otherwise the address of a running scheduler,
        ``tcp://host:port``.
    n_worker
        Number of local processes; the number of cores if None. A running cluster has its own.

    Raises
    ------
    OptionError
        Neither ``local`` nor an address, or a number of workers below 1.
    InputError
        Nothing answers at the address, or it has no workers.
    """
    check_n_worker(n_worker)
    if cluster == "local":
        with dask.config.set(SETTINGS | LOCAL_SETTINGS), _local(n_worker or CPU_COUNT) as client:
            yield _describe(client)
    elif "://" in cluster:
        with _running(cluster) as client:
            yield _describe(client)
    else:
        raise OptionError(
            f"found cluster = {cluster!r}; give local, or the address of a running scheduler such as "
            "tcp://127.0.0.1:8786."
        )


def check_n_worker(n_worker: int | None) -> None:
    """Refuse a number of workers below 1.

    Raises
    ------
    OptionError
        Says the number.
    """
    if n_worker is not None and n_worker < 1:
        raise OptionError(f"found {n_worker} workers; give 1 or more.")


@contextmanager
def _local(n_worker: int) -> Iterator[Client]:
    """Start one process with one thread for each tile at a time; listen on this machine only."""
    with ExitStack() as opened:
        hush = opened.enter_context(_hushed_at_last())
        with _interrupts_ignored():
            cluster = opened.enter_context(
                LocalCluster(
                    n_workers=n_worker,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.ERROR,
                )
            )
            client = opened.enter_context(Client(cluster))
        try:
            yield client
        except BaseException:
            hush()
            raise


@contextmanager
def _hushed_at_last() -> Iterator[Callable[[], None]]:
    """Give a function that silences what a cluster logs while it is torn down in mid-work."""
    loggers = [logging.getLogger(name) for name in ("tornado.application", "asyncio", "distributed")]
    levels = [logger.level for logger in loggers]

    def hush() -> None:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)

    try:
        yield hush
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which goes to all of them: this one stops them itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _running(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"found no Dask scheduler at {address} within {CONNECT_SECONDS} s ({error}); start one with "
            "`dask scheduler`, or choose --cluster local."
        ) from error
    with client:
        if not client.nthreads():
            raise InputError(
                f"the scheduler at {address} has no workers; start some with `dask worker {address}`."
            )
        yield client


def _describe(client: Client) -> Workers:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    limits = [worker["memory_limit"] // worker["nthreads"] for worker in workers.values()]
    return Workers(client, len(workers), min(filter(None, limits), default=None))
