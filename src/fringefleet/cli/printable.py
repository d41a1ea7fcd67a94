"""Text from outside made fit for a terminal and a log: control characters as Python writes them.

Names of files and datasets, attributes and messages of libraries may hold escape sequences, which a terminal
obeys, and line breaks, which make lines of a log that nobody wrote.
"""

import logging
import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CATEGORIES = frozenset(["Cc", "Cs", "Zl", "Zp"])  # control, surrogate, line and paragraph separator


def printable(text: str, keep: str = "") -> str:
    r"""Write control characters, and whatever else changes lines or their direction, as escapes.

    Parameters
    ----------
    text
        Any text; also bytes of a file name that are no UTF-8, as Python has them.
    keep
        Characters that stay.

    Examples
    --------
    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _is_unfit(char) and char not in keep else char for char in text)


class PrintableConsole(Console):
    """A console to which only its own styles send escape sequences."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and make every text printable."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=printable(segment.text, keep="\n"))


class PrintableFormatter(logging.Formatter):
    """A formatter that makes a line of every message; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """Format the line of a record."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging calls it so
        """Format a traceback."""
        return printable(super().formatException(ei), keep="\n")


def _is_unfit(char: str) -> bool:
    return unicodedata.category(char) in _CATEGORIES or char in _BIDIRECTIONAL


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
