"""The application that the commands belong to: what it says of itself, and how it begins and ends."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from time import monotonic
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from fringefleet.cli.console import FAILED, log_foreign_messages
from fringefleet.cli.printable import printable


class PrintableErrors(TyperGroup):
    """The commands; what is wrong on the command line is said without its control characters."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Understand the command line as far as the command."""
        with _printable_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Understand the rest, and run the command."""
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message, keep="\n")  # type: ignore[attr-defined]
        raise


SECONDS_OF_ONE_INTERRUPT = 0.5  # whoever runs the process may hand it on, so that it comes twice

app = typer.Typer(
    cls=PrintableErrors,
    name="fringefleet",
    help="Invert networks of InSAR interferograms into displacement time series.",
    epilog="Start with [bold]fringefleet demo[/]: it needs no data and takes half a minute.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Interrupts:
    """Signals that ask the process to end."""

    def __init__(self) -> None:
        self.first: float | None = None  # when it came

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Say so, stop the workers, release what is held, and end; at the second time, just end."""
        now = monotonic()
        if self.first is None:
            self.first = now
            raise KeyboardInterrupt
        if now - self.first >= SECONDS_OF_ONE_INTERRUPT:
            os.write(sys.stderr.fileno(), b"error: interrupted again.\n")
            end_now(FAILED)


def main() -> None:
    """Run the command line; the process ends with 0 done, 1 failure, 2 bad input.

    A first Ctrl-C, SIGTERM or SIGHUP stops the workers and says how to go on, a second one ends the process
    whatever it does.
    """
    log_foreign_messages()
    interrupts = Interrupts()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # nohup ignores SIGHUP
            signal.signal(number, interrupts.note)
    try:
        app(prog_name="fringefleet")
    except SystemExit as end:
        if (
            interrupts.first is not None
        ):  # all is said and released; what Python does at its end takes seconds
            end_now(end.code if isinstance(end.code, int) else 0)
        raise


def end_now(code: int) -> NoReturn:
    """End this process and the workers that it started; what guards its jobs has a session of its own."""
    import psutil  # noqa: PLC0415 - slow to import

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):
            if os.getsid(child.pid) == os.getsid(0):
                child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def examples(*lines: str) -> str:
    """Make the end of a help text: commands to copy, one a line."""
    return "\n\n".join(["[bold]Examples[/]", *(f"  {line}" for line in lines)])


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"fringefleet {version('fringefleet')}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass
