"""Commands whose usage errors are reworded, without control characters, and shown with the usage."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fringefleet.cli.printable import printable
from fringefleet.cli.words import set_spelling
from fringefleet.option_words import RENAMED

_ALL = "fringefleet.all"  # of the context of a command: whether its help shows all options
_PREFIX = "Value error, "
_KINDS = {"int": "whole number", "float": "number"}  # first words of pydantic's kinds of faults
_NUMBER_OR_DATE = re.compile(r"\d[\w.:,+-]*|\.\d+")
# What is often meant otherwise.
_HINTS = {"reference_point": "row and column of a pixel are meant, counted from 0, no latitude and longitude"}


class _Plain:
    """Parts of a command and of the group of all."""

    def get_params(self, ctx: Any) -> Any:
        """Give the parameters; a switch shows no type, where Typer has ``--help <bool>``."""
        found = super().get_params(ctx)  # type: ignore[misc]
        for item in found:
            if getattr(item, "is_flag", False):
                item.metavar = ""
        return found

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the words of the command line that are its own."""
        with _reworded(ctx):
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]


class Commands(_Plain, TyperGroup):
    """The application."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        with _reworded(ctx):
            return super().resolve_command(ctx, args)


class Command(_Plain, TyperCommand):
    """A command whose parameters are a dataclass with a method ``run``; ``--help`` omits the rare ones."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.rare = [item for item in self.params if getattr(item, "hidden", False)]
        self._hide_rare(False)  # the shell completes them

    def _hide_rare(self, value: bool) -> None:
        for item in self.rare:
            item.hidden = value  # type: ignore[attr-defined]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help; all of it where :func:`show_all_help` has asked for that."""
        self._hide_rare(not ctx.meta.get(_ALL))
        super().format_help(ctx, formatter)
        self._hide_rare(False)

    def invoke(self, ctx: Any) -> Any:
        """Make the parameters, and run the command."""
        set_spelling(self.params)
        return super().invoke(ctx).run()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line; several values may follow an option that takes several."""
        several = {word for item in self.params if getattr(item, "multiple", False) for word in item.opts}
        return super().parse_args(ctx, join_values(args, several))


def show_all_help(ctx: typer.Context, value: bool) -> None:
    """Print the help with all options, for ``--help-all``, and end."""
    if value:
        ctx.meta[_ALL] = True
        typer.echo(ctx.get_help())
        raise typer.Exit


def join_values(args: Sequence[str], several: Collection[str]) -> list[str]:
    """Join the numbers and dates that follow an option which takes several to one word.

    Examples
    --------
    >>> join_values(["--step", "20170910", "20180101", "out.zarr"], {"--step"})
    ['--step', '20170910,20180101', 'out.zarr']
    """
    found: list[str] = []
    for is_value, group in groupby(args, key=lambda word: _NUMBER_OR_DATE.fullmatch(word) is not None):
        words = list(group)
        found += [",".join(words)] if is_value and found and found[-1] in several else words
    return found


@contextmanager
def _reworded(ctx: Any) -> Iterator[None]:
    """Add the command to an error of usage, and say what is wrong with a value."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "message") and hasattr(error, "ctx"):
            error.ctx = error.ctx or ctx
            error.message = printable(_reword(error), keep="\n")
        raise


def _reword(error: Any) -> str:
    flag = getattr(error, "option_name", None) or ""
    if now := RENAMED.get(flag.removeprefix("--").replace("-", "_")):
        error.possibilities = None
        return f"{flag} is now called --{now.replace('_', '-')}."
    said = _fault(error.__cause__) or str(error.message).removeprefix(_PREFIX)
    parameter = getattr(error, "param", None)
    names = [item.name for item in error.ctx.command.params if item is parameter or flag in item.opts]
    hints = [_HINTS[name] for name in names if name in _HINTS]
    return f"{said.rstrip('.')}; {hints[0]}." if hints else said


def _fault(cause: Any) -> str | None:
    """Describe an error of pydantic about a number; None if it is another one."""
    found = cause.errors()[0] if hasattr(cause, "errors") else {"type": ""}
    kind = _KINDS.get(found["type"].partition("_")[0])
    return f"{found['input']} is no {kind}." if kind else None
