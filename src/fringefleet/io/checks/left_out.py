"""Parts of a stack that cannot be used and are not needed: left out, and said once in a warning.

Only what an inversion needs stops a stack: a heading, a baseline or a time that cannot be read does not. A
reader puts what reads such a thing into :func:`optional`; :func:`fringefleet.open_stack` says at its end what
was left out, in one line for each kind of thing, however many files it is missing in.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)

# What a file that is not as it should be can do to the code that reads it.
_FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_found: ContextVar[dict[str, list[str]] | None] = ContextVar("left_out", default=None)


@contextmanager
def reported_once() -> Iterator[None]:
    """Gather what is left out in this block, and say it when the block ends without an error."""
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
    """Note that something was left out.

    Parameters
    ----------
    what
        It, in words; the same for the same kind of thing.
    reason
        What was found where.
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
    """Leave out what this block reads, if that goes wrong.

    Parameters
    ----------
    what
        What it reads, in words.
    where
        The file that it is in.

    Examples
    --------
    >>> with said_once(), optional("the heading", "a.txt"):
    ...     heading = float("north")
    """
    try:
        yield
    except _FAULTS as error:
        text = str(error)
        leave_out(what, text if str(where) in text else f"{where}: {text or type(error).__name__}")
