"""Log, errors and exit codes: all that the user sees besides results. All of it goes to stderr."""

import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from fringefleet.cli.ending import BAD_INPUT, FAILED, end_now
from fringefleet.cli.printable import PrintableConsole, PrintableFormatter, printable
from fringefleet.cli.words import in_words_of_the_command
from fringefleet.errors import (
    FringefleetError,
    InputError,
    MissingExtraError,
    OptionError,
    ProductsNotWrittenError,
)
from fringefleet.option_words import Marked, option
from fringefleet.processes.log_file import IS_SHOWN, end_log_files, log_files, start_log_file
from fringefleet.processes.versions import check_assertions

_MOST_CHARACTERS = 4000  # of an error
_PLAIN_WIDTH = 110  # of tables, where there is no terminal that has a width

logger = logging.getLogger("fringefleet")
_is_quiet: ContextVar[bool] = ContextVar("is_quiet", default=False)


def out() -> Console:
    """Make the console for results."""
    return _console(sys.stdout)


def err() -> Console:
    """Make the console for everything else."""
    return _console(sys.stderr)


def notes() -> Console:
    """Make the console for progress and tables besides the results; silent with ``--quiet``."""
    console = err()
    console.quiet = _is_quiet.get()
    return console


def _console(stream: Any) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PLAIN_WIDTH
    return PrintableConsole(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def echo(path: object) -> None:
    """Print a path, or anything else that came from outside, as a line of the results."""
    typer.echo(printable(str(path)))


def echo_json(data: Any) -> None:
    """Print plain values and arrays, for programs."""
    text = json.dumps(data, indent=2, default=lambda value: getattr(value, "tolist", value.__str__)())
    typer.echo(text.replace("\x7f", "\\u007f"))


def start_logging(
    console: Console, *, verbose: bool = False, quiet: bool = False, log_file: Path | None = None
) -> None:
    """Send the log to stderr: in colour to a terminal, a line a message to anything else.

    Parameters
    ----------
    console
        The one of stderr.
    verbose, quiet
        Whether messages for debugging are shown, too; or warnings only.
    log_file
        File that all messages are appended to, whatever is shown.

    Raises
    ------
    InputError
        The file cannot be written to, or both less and more are to be shown.
    """
    if verbose and quiet:
        raise OptionError(f"found {option('verbose')} and {option('quiet')}; leave one of them out.")
    end_log_files()
    _is_quiet.set(quiet)
    logger.handlers = [_terminal_handler(console)]
    logger.propagate = False
    logger.handlers[0].setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    logger.setLevel(min(logging.INFO, logger.handlers[0].level))
    if log_file is not None:
        start_log_file(log_file, PrintableFormatter, _spell_options)


def _terminal_handler(console: Console) -> logging.Handler:
    handler: logging.Handler = RichHandler(
        console=console, show_path=False, omit_repeated_times=False, log_time_format="[%X]"
    )
    handler.setFormatter(PrintableFormatter("%(message)s"))
    if not console.is_terminal:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(_spell_options)
    handler.addFilter(lambda record: not hasattr(record, IS_SHOWN))
    return handler


def _spell_options(record: logging.LogRecord) -> bool:
    """Spell the marked options of a message as the command that runs takes them."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_spelled, record.args))
    return True


def _spelled(value: object) -> object:
    return in_words_of_the_command(value.text) if isinstance(value, Marked) else value


def log_foreign_messages() -> None:
    """Bring Python's warnings into the log, and make messages of libraries printable."""
    warnings.showwarning = _log_warning
    sys.unraisablehook = _log_unraisable
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter("%(message)s"))


def _log_warning(message: Warning | str, category: type[Warning], *_where: Any, **_more: Any) -> None:
    logger.warning("%s: %s", category.__name__, message)


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Note what a library could not raise, such as a message of GDAL's that is no UTF-8."""
    logger.debug("%s: %s", unraisable.err_msg or "ignored", unraisable.exc_value)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn exceptions to one line and an exit code: 2 for bad input, 1 for everything else."""
    try:
        check_assertions()
        yield
        sys.stdout.flush()
    except typer.Exit:
        raise
    except KeyboardInterrupt as interrupt:
        said = [in_words_of_the_command(value.text) for value in interrupt.args if isinstance(value, Marked)]
        raise fail("".join(said) or "interrupted.") from None
    except Exception as error:
        logger.debug("the command failed:", exc_info=error)
        ending = fail(*describe_error(error))
        if isinstance(error, ProductsNotWrittenError):
            end_now(FAILED)  # HDF5 cannot close such a file, and crashes at the end of Python
        raise ending from None
    finally:
        end_log_files()


def fail(message: str, code: int = FAILED) -> typer.Exit:
    """Print why the command ends; the caller raises the returned exit."""
    if len(message) > _MOST_CHARACTERS:  # an attribute of a megabyte, say
        message = f"{message[: _MOST_CHARACTERS // 2]} ... {message[-_MOST_CHARACTERS // 2 :]}"
    for file in log_files():
        file.handle(logger.makeRecord(logger.name, logging.ERROR, "", 0, message, (), None))
    err().print(f"[bold red]error:[/] {escape(printable(message))}", soft_wrap=True)
    return typer.Exit(code)


def describe_error(error: Exception) -> tuple[str, int]:
    """Describe an error, with its exit code."""
    if isinstance(error, FringefleetError):
        is_bad_input = isinstance(error, InputError | MissingExtraError)
        return in_words_of_the_command(error.marked), BAD_INPUT if is_bad_input else FAILED
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"{error.filename}: {error.strerror}. Give another path.", BAD_INPUT
    hint = "" if logger.isEnabledFor(logging.DEBUG) else " Repeat with --verbose to see where."
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"{text.removesuffix('.')}.{hint}", FAILED
