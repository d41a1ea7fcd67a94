"""Log, errors and exit codes: all that the user sees besides results. All of it goes to stderr."""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from fringefleet.cli.ending import BAD_INPUT, FAILED
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
    return _console(stderr=False)


def err() -> Console:
    """Make the console for everything else."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PLAIN_WIDTH
    return PrintableConsole(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def start_logging(console: Console, *, verbose: bool = False) -> None:
    """Send the log to stderr: in colour to a terminal, a line a message to anything else."""
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(
            console=console, show_path=False, omit_repeated_times=False, log_time_format="[%X]"
        )
        handler.setFormatter(PrintableFormatter("%(message)s"))
    else:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(_spell_options)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _spell_options(record: logging.LogRecord) -> bool:
    """Spell the marked options of a message as the command that runs takes them."""
    if isinstance(record.args, tuple):
        record.args = tuple(_spelled(value) if isinstance(value, Marked) else value for value in record.args)
    return True


def _spelled(marked: Marked) -> str:
    return in_words_of_the_command(marked.text)


def echo(path: object) -> None:
    """Print a path, or anything else that came from outside, as a line of the results."""
    typer.echo(printable(str(path)))


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
        said = [_spelled(value) for value in interrupt.args if isinstance(value, Marked)]
        raise fail("".join(said) or "interrupted.", FAILED) from None
    except ProductsNotWrittenError as error:
        end_at_once(_describe(error))
    except (InputError, MissingExtraError) as error:
        _log_traceback()
        raise fail(_describe(error), BAD_INPUT) from None
    except OSError as error:
        _log_traceback()
        is_path = error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
        raise fail(_describe(error), BAD_INPUT if is_path else FAILED) from None
    except Exception as error:
        _log_traceback()
        raise fail(_describe(error), FAILED) from None


def fail(message: str, code: int) -> typer.Exit:
    """Say why it ends; the caller raises what this returns."""
    if len(message) > _MOST_CHARACTERS:  # an attribute of a megabyte, say
        message = f"{message[: _MOST_CHARACTERS // 2]} ... {message[-_MOST_CHARACTERS // 2 :]}"
    err().print(f"[bold red]error:[/] {escape(printable(message))}", soft_wrap=True)
    return typer.Exit(code)


def end_at_once(message: str) -> NoReturn:
    """Say why it ends, and end without any of what Python does at its end.

    After HDF5 has failed to write a file it cannot close it, and takes the process down with SIGSEGV when it
    is unloaded: the user would see a crash for a full disk.
    """
    _log_traceback()
    fail(message, FAILED)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAILED)


def _describe(error: Exception) -> str:
    if isinstance(error, FringefleetError):
        return in_words_of_the_command(error.marked)
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"{error.filename}: {error.strerror}. Give another path."
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "" if logger.isEnabledFor(logging.DEBUG) else " Repeat with --verbose to see where."
    return f"{text}.{hint}" if not text.endswith(".") else f"{text}{hint}"


def _log_traceback() -> None:
    if logger.isEnabledFor(logging.DEBUG):
        err().print_exception(suppress=[typer])
