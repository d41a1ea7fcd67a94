"""Calls in threads that Ctrl-C does not reach, waiting for them, and a filter of Dask's messages."""

import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any, TypeVar

from fringefleet.processes.worker_logging import COMPUTE_FAILED, HEARTBEAT_FAILED, log_foreign

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
SECONDS_OF_SILENCE = 300.0  # unless somebody says otherwise
SECONDS_BETWEEN_NOTICES = 20.0
_PART_BETWEEN_LINES = 0.1  # of the time waited, where that is more: a queue may take days
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_STOP = 30.0  # in good order
SECONDS_TO_END = 2.5  # for what is not wanted any more
SECONDS_TO_END_BY_FORCE = 1.5

# Loggers, and how their messages begin.
OF_A_START = {
    "asyncio": "Task exception was never retrieved|Task was destroyed",
    "distributed.comm.tcp": "Listener on .* TLS handshake failed",
    "distributed.deploy.spec": "Cluster closed without starting up",
    "distributed.nanny": "Worker failed to connect|Failed to start process|Nanny failed to start",
    "distributed.scheduler": "Failed to format dashboard link",
    "tornado.application": "Exception in callback|Future .* exception was never retrieved",
}
OF_A_CLUSTER = {
    "distributed.scheduler": "Task .* marked as failed|Couldn't gather",
    "distributed.worker": COMPUTE_FAILED,
}
_OF_CONNECTIONS = {  # that are closed by whoever is at the other end
    "distributed.batched": "Error in batched write|Batched Comm Closed",
    "distributed.core": "Failed while closing connection|Exception while (handling op|reading from)",
}
OF_AN_END = {
    **OF_A_START,
    **_OF_CONNECTIONS,
    "distributed.client": "Couldn't gather|$",  # what was cancelled has no words
    "distributed.scheduler": "Couldn't gather|broadcast to .* failed|$",
    "distributed.worker": f"{HEARTBEAT_FAILED}|$",
}
OF_A_LOST_SCHEDULER = _OF_CONNECTIONS | {
    "distributed.client": "Failed to reconnect|Couldn't gather|$",  # a cancelled reconnection has no words
}


class Clock:
    """Timer that logs what is being waited for, and detects a silence that is too long.

    ``seconds``: limit of the silence; None if there is none. ``longest``: limit of the whole wait [s].
    """

    def __init__(self, seconds: float | None, longest: float = inf) -> None:
        self.seconds, self.longest = inf if seconds is None else seconds, longest
        self._start = self._last_sign = self._last_line = monotonic()
        self._life: object = None

    @property
    def waited(self) -> float:
        """Seconds since the beginning."""
        return monotonic() - self._start

    def is_up(self, life: object, what: str) -> bool:
        """Return whether ``what`` has been silent for too long; ``life`` changes with every sign of life."""
        now = monotonic()
        if life != self._life:
            self._life, self._last_sign = life, now
        if now - self._last_line >= max(SECONDS_BETWEEN_NOTICES, self.waited * _PART_BETWEEN_LINES):
            self._last_line = now
            logger.warning("waiting for %s, %.0f s so far; Ctrl-C ends it", what, self.waited)
        return now - self._last_sign >= self.seconds or self.waited >= self.longest


def run_in_thread(call: Callable[[], _Result]) -> Future[_Result]:
    """Call a function in a daemon thread that Ctrl-C does not reach, nor its threads and processes."""
    future: Future[_Result] = Future()

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            future.set_result(call())
        except BaseException as error:  # which is raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name="fringefleet-start", daemon=True).start()
    return future


@contextmanager
def ended(end: Callable[[], object]) -> Iterator[None]:
    """Call ``end`` in a thread when the context ends, and ignore its errors; wait less after an exception."""
    seconds = SECONDS_TO_END
    try:
        yield
        seconds = SECONDS_TO_STOP
    finally:
        is_over(run_in_thread(end), seconds)


def is_over(future: Future[Any], seconds: float) -> bool:
    """Wait for a future for a limited time; return whether it is done."""
    return bool(wait([future], seconds).done)


@contextmanager
def without_messages(
    messages: Mapping[str, str], note: Callable[[logging.LogRecord], None] = lambda _: None
) -> Iterator[None]:
    """Pass some messages of loggers to ``note``, and for debugging to our own log, but to nobody else."""

    def is_shown(record: logging.LogRecord) -> bool:
        if not re.match(messages[record.name], record.getMessage()):
            return True
        note(record)
        log_foreign(record)
        return False

    for name in messages:
        logging.getLogger(name).addFilter(is_shown)
    try:
        yield
    finally:
        for name in messages:
            logging.getLogger(name).removeFilter(is_shown)
