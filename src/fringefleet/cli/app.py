"""The application that the commands belong to: what it says of itself, and how it begins and ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fringefleet.cli.console import log_foreign_messages
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


def main() -> None:
    """Run the command line; the process ends with 0 done, 1 failure, 2 bad input."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup, for one, ignores SIGHUP
            signal.signal(number, _interrupt)
    log_foreign_messages()
    app(prog_name="fringefleet")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as after Ctrl-C: say so, stop the workers, release what is held."""
    raise KeyboardInterrupt


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
