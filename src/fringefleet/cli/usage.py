"""Usage errors of a command line, reworded, with the usage of the command."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from typer.core import TyperCommand, TyperGroup

from fringefleet.cli.printable import printable
from fringefleet.option_words import RENAMED

# What kinds of faults a checking library finds, in words; the rest is said in its own.
_FAULTS = {
    "int_parsing": "{found} is no whole number",
    "int_from_float": "{found} is no whole number",
    "float_parsing": "{found} is no number",
}
_PREFIX = "Value error, "
_NUMBER_OR_DATE = re.compile(r"\d[\w.:,+-]*|\.\d+")
WORDS = "fringefleet.words"  # of a command line, for what is done before all of it is understood
# What is often meant otherwise.
_HINTS = {"reference_point": "row and column of a pixel are meant, counted from 0, no latitude and longitude"}


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


class Command(TyperCommand):
    """A command whose parameters are a dataclass with a method ``run``, and that explains usage errors."""

    def invoke(self, ctx: Any) -> Any:
        """Make the parameters, and run the command."""
        return super().invoke(ctx).run()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the command line."""
        ctx.meta[WORDS] = tuple(args)
        several = {word for item in self.params if getattr(item, "multiple", False) for word in item.opts}
        try:
            return super().parse_args(ctx, join_values(args, several))
        except Exception as error:
            if hasattr(error, "message") and hasattr(error, "ctx"):  # an error of usage
                _complete(error, ctx)
            raise


def join_values(args: Sequence[str], several: Collection[str]) -> list[str]:
    """Join the numbers and dates that follow an option which takes several, as it takes them in one word.

    Parameters
    ----------
    args
        Words of a command line.
    several
        Those options.

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


def _complete(error: Any, ctx: Any) -> None:
    """Add the command, whose usage is shown then, and say of a value what is wrong with it."""
    if error.ctx is None:
        error.ctx = ctx
    parameter = getattr(error, "param", None)
    name = getattr(parameter, "name", None) or _name_of(getattr(error, "option_name", None), ctx)
    said = _fault(error.__cause__) or error.message.removeprefix(_PREFIX)
    if now := RENAMED.get(_in_python(getattr(error, "option_name", None) or "")):
        said, error.possibilities = f"{error.option_name} is now called --{now.replace('_', '-')}", None
    hint = f"; {_HINTS[name]}" if name in _HINTS else ""
    if hint or said != error.message:
        error.message = f"{said.rstrip('.')}{hint}."


def _in_python(word: str) -> str:
    return word.removeprefix("--").replace("-", "_")


def _fault(cause: Any) -> str | None:
    """Say in words what a checking library found first, if that is known."""
    found = cause.errors()[0] if hasattr(cause, "errors") else None
    if found is None or found["type"] not in _FAULTS:
        return None
    return _FAULTS[found["type"]].format(found=repr(found["input"]).strip("'"))


def _name_of(word: str | None, ctx: Any) -> str:
    return next((item.name for item in ctx.command.params if word in item.opts), "")
