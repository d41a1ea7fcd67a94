"""Cooperative cancellation of a thread that computes tiles, checked between steps.

A thread cannot be ended from outside. A cancelled tile writes nothing more, so it counts as not done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request: ContextVar[threading.Event | None] = ContextVar("request", default=None)


class StoppedError(Exception):
    """The computation of a tile was cancelled."""


@contextmanager
def stoppable(request: threading.Event) -> Iterator[None]:
    """Make the computation in this thread cancellable by a request meanwhile."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def check_not_stopped() -> None:
    """End the computation in this thread if its cancellation was requested.

    Raises
    ------
    StoppedError
        It was requested.

    Examples
    --------
    >>> request = threading.Event()
    >>> with stoppable(request):
    ...     check_not_stopped()
    ...     request.set()
    ...     check_not_stopped()
    Traceback (most recent call last):
    fringefleet.engine.cancellation.StoppedError
    """
    request = _request.get()
    if request is not None and request.is_set():
        raise StoppedError
