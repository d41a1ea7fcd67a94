"""Calls in threads that Ctrl-C does not reach, and how long to wait for them."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
SECONDS_OF_SILENCE = 300.0  # unless somebody says otherwise
SECONDS_BETWEEN_NOTICES = 20.0
_PART_BETWEEN_LINES = 0.1  # of the time waited, where that is more: a queue may take days
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_STOP = 30.0  # in good order
SECONDS_TO_END = 2.5  # for what is not wanted any more
SECONDS_TO_END_BY_FORCE = 1.5


class Clock:
    """Timer that reports now and then what is waited for, and whether it has been silent for too long.

    ``seconds``: of silence that are too long; None if none are. ``longest``: to wait at all [s].
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
        """Whether ``what`` has been silent for too long; ``life`` is another as soon as anything happened."""
        now = monotonic()
        if life != self._life:
            self._life, self._last_sign = life, now
        if now - self._last_line >= max(SECONDS_BETWEEN_NOTICES, self.waited * _PART_BETWEEN_LINES):
            self._last_line = now
            logger.warning("waiting for %s, %.0f s so far; Ctrl-C ends it", what, self.waited)
        return now - self._last_sign >= self.seconds or self.waited >= self.longest


def run_in_thread(call: Callable[[], _Result]) -> Future[_Result]:
    """Call a function in a daemon thread that never sees a Ctrl-C, nor do threads and processes it starts."""
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
    """Call ``end`` in a thread when the context ends, and drop its errors; after an exception wait less."""
    seconds = SECONDS_TO_END
    try:
        yield
        seconds = SECONDS_TO_STOP
    finally:
        is_over(run_in_thread(end), seconds)


def is_over(future: Future[Any], seconds: float) -> bool:
    """Wait for a future, at most this long; return whether it is done."""
    return bool(wait([future], seconds).done)
