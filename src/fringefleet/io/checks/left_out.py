"""Parts of a stack that are unusable but not needed: ignored, with one warning each.

Only what an inversion needs stops a stack: an unreadable heading, baseline or time does not. A
reader wraps the reading of such a part in :func:`optional`; :func:`fringefleet.open_stack` finally logs what
was ignored, in one line per kind, however many files are affected.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)

# Errors that a malformed file can cause in the code that reads it.
_FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_found: ContextVar[dict[str, list[str]] | None] = ContextVar("left_out", default=None)


@contextmanager
def reported_once() -> Iterator[None]:
    """Collect what is ignored in this block, and log it when the block ends without an error."""
    found: dict[str, list[str]] = {}
    before = _found.set(found)
    try:
        yield
    finally:
        _found.reset(before)
    for what, reasons in found.items():
        more = f", and so {len(reasons) - 1} more times" if len(reasons) > 1 else ""
        logger.warning("without %s: %s%s", what, reasons[0].rstrip("."), more)


def leave_out(what: str, reason: str) -> None:
    """Record that something was ignored.

    Parameters
    ----------
    what
        Description; the same for the same kind of thing.
    reason
        What was found, and where.
    """
    found = _found.get()
    if found is None:
        logger.warning("without %s: %s", what, reason.rstrip("."))
    else:
        reasons = found.setdefault(what, [])
        if reason not in reasons:
            reasons.append(reason)


@contextmanager
def optional(what: str, where: object) -> Iterator[None]:
    """Ignore what this block reads, if that fails.

    Parameters
    ----------
    what
        Description of what it reads.
    where
        File that it is in.

    Examples
    --------
    >>> with reported_once(), optional("the heading", "a.txt"):
    ...     heading = float("north")
    """
    try:
        yield
    except _FAULTS as error:
        text = str(error)
        leave_out(what, text if str(where) in text else f"{where}: {text or type(error).__name__}")
