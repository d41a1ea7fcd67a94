"""Cooperative cancellation of a thread that computes tiles, checked between two steps.

Nobody can end a thread from outside. What its tile would have written next is not written then, so the tile
counts as not done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request: ContextVar[threading.Event | None] = ContextVar("request", default=None)


class StoppedError(Exception):
    """A tile was not computed to its end, as somebody asked for that."""


@contextmanager
def stoppable(request: threading.Event) -> Iterator[None]:
    """Let what this thread computes meanwhile be stopped by a request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def check_not_stopped() -> None:
    """End what this thread computes if that was asked for.

    Raises
    ------
    StoppedError
        It was.

    Examples
    --------
    >>> request = threading.Event()
    >>> with heeding(request):
    ...     check_not_stopped()
    ...     request.set()
    ...     check_not_stopped()
    Traceback (most recent call last):
    fringefleet.engine.cancellation.StoppedError
    """
    request = _request.get()
    if request is not None and request.is_set():
        raise StoppedError
