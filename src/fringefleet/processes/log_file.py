"""Log file of this process: everything with its time, whatever a terminal shows."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from fringefleet.errors import InputError

IS_SHOWN = "is_shown"  # attribute of a record whose text the terminal shows in another form
_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
_BYTES_TO_CHECK = 1024

logger = logging.getLogger("fringefleet")


class LogFile(logging.FileHandler):
    """Handler that appends messages of any level to a file, until that cannot be written any more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging calls it so
        """Warn once that the file cannot be written, such as on a full disk, and write no more."""
        if self in logger.handlers:
            _remove(self)
            logger.warning("nothing more is written to the log file %s: %s", self.path, sys.exc_info()[1])

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.path = path


def start_log_file(
    path: Path, formatter: type[logging.Formatter], spell: Callable[[logging.LogRecord], bool]
) -> None:
    """Append all messages to a file from now on, also those of libraries, and first the command itself.

    Parameters
    ----------
    path
        The file; its folder exists.
    formatter
        Kind of the formatter of its lines.
    spell
        Filter that spells the options of a message as the command takes them.

    Raises
    ------
    InputError
        It cannot be written to, or is no text.
    """
    try:
        _check_text(path)
        handler = LogFile(path)
    except OSError as error:
        raise InputError(
            f"the log file {path} cannot be written: {error.strerror or error}. Give another one."
        ) from error
    handler.setFormatter(formatter(_FORMAT))
    handler.addFilter(spell)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    libraries = logging.getLogger()
    libraries.addHandler(handler)
    libraries.addHandler(_last_resort)
    words = " ".join(sys.argv[1:])
    logger.debug("fringefleet %s: %s", version("fringefleet"), words, extra={IS_SHOWN: True})


def log_files() -> list[LogFile]:
    """List the log files that are open; one at most."""
    return [handler for handler in logger.handlers if isinstance(handler, LogFile)]


def end_log_files() -> None:
    """Close the log file, if any."""
    for handler in log_files():
        _remove(handler)


def _remove(handler: LogFile) -> None:
    libraries = logging.getLogger()
    libraries.removeHandler(handler)
    libraries.removeHandler(_last_resort)
    logger.removeHandler(handler)
    with suppress(OSError):  # what could not be written
        handler.close()


class _LastResort(logging.Handler):
    """Handler of warnings that nobody shows, as Python has it where there is no handler at all."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message unless its logger, or one above, does so."""
        found: logging.Logger | None = logging.getLogger(record.name)
        while found is not None and found.parent is not None:
            if found.handlers:
                return
            found = found.parent
        if logging.lastResort is not None:
            logging.lastResort.handle(record)


_last_resort = _LastResort(logging.WARNING)


def _check_text(path: Path) -> None:
    """Reject a file of another kind, such as a stack, which lines at its end would damage."""
    if path.is_file():
        with path.open("rb") as file:
            if b"\0" in file.read(_BYTES_TO_CHECK):
                raise InputError(f"found {path}, which is no text; give another file for the log.")
