"""Commands whose usage errors are reworded, without control characters, and shown with the usage."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand, TyperGroup

from fringefleet.cli.printable import printable
from fringefleet.cli.words import set_spelling
from fringefleet.option_words import RENAMED

WORDS = "fringefleet.words"  # of a command line, for what is done before all of it is understood
_PREFIX = "Value error, "
_KINDS = {"int": "whole number", "float": "number"}  # first words of pydantic's kinds of faults
# What is often meant otherwise.
_HINTS = {"reference_point": "row and column of a pixel are meant, counted from 0, no latitude and longitude"}


class _PlainHelp:
    """Help that shows no type of a switch; Typer has ``--help <bool>``."""

    def get_params(self, ctx: Any) -> Any:
        """Give the parameters with that of the help."""
        found = super().get_params(ctx)  # type: ignore[misc]
        for item in found:
            if getattr(item, "is_flag", False):
                item.metavar = ""
        return found


class Commands(_PlainHelp, TyperGroup):
    """The application."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the command line as far as the command."""
        with _reworded(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        with _reworded(ctx):
            return super().resolve_command(ctx, args)


class Command(_PlainHelp, TyperCommand):
    """A command whose parameters are a dataclass with a method ``run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the command line."""
        ctx.meta[WORDS] = tuple(args)
        with _reworded(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Make the parameters, and run the command."""
        set_spelling(self.params)
        return super().invoke(ctx).run()


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
    """Say what pydantic found wrong with a number; None if it is something else."""
    found = cause.errors()[0] if hasattr(cause, "errors") else {"type": ""}
    kind = _KINDS.get(found["type"].partition("_")[0])
    return f"{found['input']} is no {kind}." if kind else None
