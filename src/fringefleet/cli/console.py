"""Log, errors and exit codes: all that the user sees besides results. All of it goes to stderr."""

import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from fringefleet.cli.ending import BAD_INPUT, FAILED, end_now
from fringefleet.cli.printable import PrintableConsole, PrintableFormatter, printable
from fringefleet.cli.words import in_words_of_the_command
from fringefleet.errors import FringefleetError, InputError, MissingExtraError, ProductsNotWrittenError
from fringefleet.option_words import Marked
from fringefleet.processes.versions import check_assertions

_MOST_CHARACTERS = 4000  # of an error
_PLAIN_WIDTH = 110  # of tables, where there is no terminal that has a width

logger = logging.getLogger("fringefleet")


def out() -> Console:
    """Make the console for results."""
    return _console(sys.stdout)


def err() -> Console:
    """Make the console for everything else."""
    return _console(sys.stderr)


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


def start_logging(console: Console, *, verbose: bool = False) -> None:
    """Send the log to stderr: in colour to a terminal, a line a message to anything else."""
    handler: logging.Handler = RichHandler(
        console=console, show_path=False, omit_repeated_times=False, log_time_format="[%X]"
    )
    handler.setFormatter(PrintableFormatter("%(message)s"))
    if not console.is_terminal:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(_spell_options)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


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
        if logger.isEnabledFor(logging.DEBUG):
            err().print_exception(suppress=[typer])
        ending = fail(*describe_error(error))
        if isinstance(error, ProductsNotWrittenError):
            end_now(FAILED)  # HDF5 cannot close such a file, and crashes at the end of Python
        raise ending from None


def fail(message: str, code: int = FAILED) -> typer.Exit:
    """Print why the command ends; the caller raises the returned exit."""
    if len(message) > _MOST_CHARACTERS:  # an attribute of a megabyte, say
        message = f"{message[: _MOST_CHARACTERS // 2]} ... {message[-_MOST_CHARACTERS // 2 :]}"
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
