"""Text from outside made fit for a terminal and a log: control characters as Python writes them.

Names of files and datasets, attributes and messages of libraries may hold escape sequences, which a terminal
obeys, and line breaks, which make lines of a log that nobody wrote.
"""

import logging
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Control characters, separators of lines and paragraphs, changes of direction, and bytes that are no UTF-8.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""Write control characters, and whatever else changes lines or their direction, as escapes.

    Examples
    --------
    >>> printable("a\x1b[31mb\n"), printable("a\n", keep="\n")
    ('a\\x1b[31mb\\n', 'a\n')
    """
    return _UNFIT.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class PrintableConsole(Console):
    """A console to which only its own styles send escape sequences."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and make every text printable."""
        for part in super().render(renderable, options):
            yield part if part.control else part._replace(text=printable(part.text, keep="\n"))


class PrintableFormatter(logging.Formatter):
    """A formatter that makes a line of every message; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """Format the line of a record."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging calls it so
        """Format a traceback."""
        return printable(super().formatException(ei), keep="\n")
