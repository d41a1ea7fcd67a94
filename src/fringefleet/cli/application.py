"""Typer application that the commands belong to, with its help and its version."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from importlib.metadata import version
from inspect import getdoc
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from fringefleet.arguments.paths import check_local
from fringefleet.cli.console import describe_error, err, exit_codes, fail, log_foreign_messages, start_logging
from fringefleet.cli.ending import Interrupts
from fringefleet.cli.parameters import Common, Parameter, by_panel, parameters
from fringefleet.cli.streams import make_streams_lenient
from fringefleet.cli.usage import Command, Commands, show_all_help
from fringefleet.errors import FringefleetError

_OF_LOG = parameters(Common, "verbose", "quiet", "log_file")  # which all commands have
_SCHEDULERS = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")  # addresses of Dask

app = typer.Typer(
    cls=Commands,
    name="fringefleet",
    help="Invert networks of InSAR interferograms into displacement time series.",
    epilog="Start with [bold]fringefleet demo[/]: it needs no data and takes half a minute.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_application(interrupts: Interrupts) -> None:
    """Run the command that the command line names; leaves by SystemExit with its exit code."""
    make_streams_lenient()
    log_foreign_messages()
    interrupts.find_lost()
    try:
        for word in sys.argv[1:]:
            _check_word(word)
        app(prog_name="fringefleet")
    except FringefleetError as error:  # before a command begins: of its words, or of printing --help
        raise SystemExit(fail(*describe_error(error)).exit_code) from None


def _check_word(word: str) -> None:
    """Refuse an address of anything but a Dask scheduler: where a path is needed it would be mangled."""
    value = word.partition("=")[2] if word.startswith("--") else word
    if not value.startswith(_SCHEDULERS):
        check_local(value)


def command(
    *given: Parameter, examples: Sequence[str]
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a command of a function: Typer fills a dataclass of its parameters, which the function gets.

    Parameters
    ----------
    *given
        Parameters of the command, besides those that all have: of the log, and ``--help-all``.
    examples
        Command lines to copy, which end the help.
    """

    def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(self: Any) -> None:
            with exit_codes():
                start_logging(err(), **{item.name: getattr(self, item.name) for item in _OF_LOG})
                function(SimpleNamespace(**{item.name: getattr(self, item.name) for item in given}))

        fields = [item.in_typer() for item in by_panel([*given, *_OF_LOG])]
        if n_rare := sum(item.declared.is_rare for item in given):
            fields.append(_help_all(n_rare))
        name = function.__name__.removesuffix("_command")
        made = make_dataclass(name, fields, kw_only=True, namespace={"run": run})
        epilog = "\n\n".join(["[bold]Examples[/]", *(f"  {line}" for line in examples)])
        app.command(name, cls=Command, help=getdoc(function), epilog=epilog)(made)
        return function

    return add


def _help_all(n_rare: int) -> tuple[str, Any, bool]:
    """Make the option that shows the options which ``--help`` leaves out."""
    text = f"Show all options: also {n_rare} of workers, TLS and GPUs, which are seldom needed."
    option = typer.Option("--help-all", callback=show_all_help, is_eager=True, help=text, show_default=False)
    return "help_all", Annotated[bool, option], False


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"fringefleet {version('fringefleet')}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
