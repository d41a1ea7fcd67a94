"""The application that the commands belong to: what it says of itself, and how it begins and ends."""

import os
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from time import monotonic
from types import FrameType
from typing import Annotated, NoReturn

import typer

from fringefleet.cli.console import BAD_INPUT, FAILED, fail, log_foreign_messages
from fringefleet.cli.streams import make_streams_lenient
from fringefleet.cli.usage import Application, PrintableErrors
from fringefleet.cli.words import take_words_of
from fringefleet.errors import FringefleetError, InputError
from fringefleet.paths import check_local

SCHEDULERS = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")  # addresses of Dask
SECONDS_OF_ONE_INTERRUPT = 0.5  # whoever runs the process may hand it on, so that it comes twice
SECONDS_TO_COME_AGAIN = 0.05  # where nothing could be raised

app = Application(
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
        self.is_lost = False  # it came where nothing can be raised, such as in __del__

    def listen(self) -> None:
        """Take the signals that nobody else does, and whatever Python cannot raise."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) in (
                signal.SIG_DFL,
                signal.default_int_handler,
            ):  # nohup ignores SIGHUP
                signal.signal(number, self.note)
        self._say_unraisable = sys.unraisablehook
        sys.unraisablehook = self._look_at_unraisable
        signal.signal(signal.SIGALRM, self._come_again)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Say so, stop the workers, release what is held, and end; at the second time, just end."""
        now = monotonic()
        if self.first is None:
            self.first = now
            raise KeyboardInterrupt
        if now - self.first >= SECONDS_OF_ONE_INTERRUPT:
            os.write(sys.stderr.fileno(), b"error: interrupted again.\n")
            end_now(FAILED)

    def _look_at_unraisable(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Let an interrupt that Python has ignored come again; no lock may be taken in here."""
        if self.first is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._say_unraisable(unraisable)
            return
        self.is_lost = True
        signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_COME_AGAIN)

    def _come_again(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_lost:
            self.is_lost = False
            raise KeyboardInterrupt


def main() -> None:
    """Run the command line; the process ends with 0 done, 1 failure, 2 bad input.

    A first Ctrl-C, SIGTERM or SIGHUP stops the workers and says how to go on, a second one ends the process
    whatever it does.
    """
    make_streams_lenient()
    log_foreign_messages()
    interrupts = Interrupts()
    interrupts.listen()
    try:
        for word in sys.argv[1:]:
            _check_word(word)
        app(prog_name="fringefleet")
    except FringefleetError as error:  # before a command begins: of its words, or of printing --help
        code = BAD_INPUT if isinstance(error, InputError) else FAILED
        raise SystemExit(fail(str(error), code).exit_code) from None
    except SystemExit as end:
        if interrupts.first is not None:  # all is said and released; Python's own end takes seconds
            end_now(end.code if isinstance(end.code, int) else 0)
        raise


def _check_word(word: str) -> None:
    """Refuse an address of anything but a Dask scheduler: where a path is needed it would be mangled."""
    value = word.partition("=")[2] if word.startswith("--") else word
    if not value.startswith(SCHEDULERS):
        check_local(value)


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
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    take_words_of(context)
