"""Typer application that the commands belong to, with its help and its version."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from fringefleet.arguments.paths import check_local
from fringefleet.cli.console import fail, log_foreign_messages
from fringefleet.cli.ending import BAD_INPUT, FAILED, Interrupts
from fringefleet.cli.streams import make_streams_lenient
from fringefleet.cli.usage import Application, PrintableErrors
from fringefleet.cli.words import take_words_of
from fringefleet.errors import FringefleetError, InputError

_SCHEDULERS = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")  # addresses of Dask

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


def run(interrupts: Interrupts) -> None:
    """Run the command that the command line names; leaves by SystemExit with its exit code."""
    make_streams_lenient()
    log_foreign_messages()
    interrupts.find_lost()
    try:
        for word in sys.argv[1:]:
            _check_word(word)
        app(prog_name="fringefleet")
    except FringefleetError as error:  # before a command begins: of its words, or of printing --help
        code = BAD_INPUT if isinstance(error, InputError) else FAILED
        raise SystemExit(fail(str(error), code).exit_code) from None


def _check_word(word: str) -> None:
    """Refuse an address of anything but a Dask scheduler: where a path is needed it would be mangled."""
    value = word.partition("=")[2] if word.startswith("--") else word
    if not value.startswith(_SCHEDULERS):
        check_local(value)


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
