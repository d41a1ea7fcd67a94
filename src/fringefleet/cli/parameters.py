"""Parameters of a command, made from the dataclasses that declare its options."""

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from rich.markup import escape

from fringefleet.arguments.declaration import Declared, Panel, declared_fields, default_text
from fringefleet.choices import Existing
from fringefleet.errors import OptionError

_SEVERAL = {
    " ...": " Several: with blanks or commas between them.",
    ",...": " Several: with commas between them.",
}


@dataclass(frozen=True)
class Parameter:
    """An option or an argument of a command.

    Attributes
    ----------
    name : str
        Name of the field that declares it.
    kind : type
        Type of the value that the command line gives.
    default : Any
        Value where nothing is given, so that a template or a file may say it; ``...`` if it is required.
    declared : Declared
        Everything else.
    """

    name: str
    kind: Any
    default: Any
    declared: Declared

    def respelled(self, *flags: str, **changes: Any) -> "Parameter":
        """Give it other flags, and other parts of its declaration; the name and the type stay."""
        return replace(self, declared=replace(self.declared, flags=flags or self.declared.flags, **changes))

    def in_typer(self) -> tuple[str, Any, Any]:
        """Give the field that Typer reads it from: name, annotated type and default."""
        it = self.declared
        text = escape(it.help + _SEVERAL.get((it.metavar or "")[-4:], "")) + (
            f" [dim]\\[default: {escape(it.default)}][/]" if it.default else ""
        )
        if it.is_argument:
            info = typer.Argument(metavar=it.metavar, help=text, show_default=False)
            return self.name, Annotated[self.kind, info], self.default
        word = self.name.replace("_", "-")
        flag = f"--{word}/--no-{word}" if self.kind == bool | None else f"--{word}"
        info = typer.Option(
            *(it.flags or (flag,)),
            metavar=it.metavar,
            help=text,
            show_default=False,
            rich_help_panel=it.panel or None,
            hidden=it.is_rare,
        )
        return self.name, Annotated[self.kind, info], self.default


def parameters(owner: type, *names: str) -> tuple[Parameter, ...]:
    """Make parameters of the fields that a dataclass declares: those that are named, or all of them."""
    found = {field.name: (field, kind, it) for field, kind, it in declared_fields(owner)}
    return tuple(_parameter(*found[name]) for name in names or found)


def _parameter(field: Any, kind: Any, it: Declared) -> Parameter:
    it = replace(it, default=default_text(field, it))
    if it.is_argument:
        return Parameter(field.name, kind, ... if field.default is MISSING else field.default, it)
    if kind is bool:
        return Parameter(field.name, bool, False, it)
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    first = it.kind or next(part for part in parts if part is not NoneType)
    return Parameter(field.name, first | None, None, it)


def existing_of(*, resume: bool, overwrite: bool) -> Existing:
    """Return what to do with an existing output; an ``OptionError`` refuses both options together."""
    if resume and overwrite:
        raise OptionError("found both --resume and --overwrite; give one of them.")
    return "resume" if resume else "overwrite" if overwrite else "refuse"


def by_panel(given: Iterable[Parameter]) -> list[Parameter]:
    """Sort parameters as the help shows them: arguments as they are given, then panel after panel."""
    panels = ["", *Panel]
    return sorted(given, key=lambda item: (not item.declared.is_argument, panels.index(item.declared.panel)))


@dataclass(frozen=True)
class Common:
    """Parameters that several commands have, and no function in Python."""

    result: Annotated[
        Path, Declared("Result of invert, rereference or velocity.", metavar="RESULT", is_argument=True)
    ]
    no_mask: Annotated[
        bool, Declared("Take all pixels, whatever mask is stored in the result.", Panel.SELECTION)
    ] = False
    verbose: Annotated[
        bool, Declared("Log more, and show the traceback of a failure.", flags=("--verbose", "-v"))
    ] = False
    quiet: Annotated[
        bool, Declared("Show warnings, errors and the result only.", flags=("--quiet", "-q"))
    ] = False
    log_file: Annotated[
        Path | None,
        Declared(
            "Append all messages to a file with their times, those of workers too, as --verbose shows them.",
            metavar="FILE",
        ),
    ] = None
    json: Annotated[bool, Declared("Print everything as JSON, for programs.")] = False
    template: Annotated[
        Path | None,
        Declared(
            "MintPy's smallbaselineApp.cfg; options given here take precedence.",
            Panel.INVERSION,
            metavar="FILE",
            flags=("--template", "-t"),
        ),
    ] = None
    config: Annotated[
        Path | None,
        Declared(
            "TOML file of options, as fringefleet config prints it and every run leaves it beside its "
            "output; options given here take precedence.",
            Panel.INVERSION,
            metavar="FILE.toml",
        ),
    ] = None
    cluster_config: Annotated[
        Path | None,
        Declared(
            "TOML file with all of this in a table [cluster], with [cluster.options] for what only Dask "
            "knows; options given here take precedence.",
            Panel.WORKERS,
            metavar="FILE.toml",
            is_rare=True,
        ),
    ] = None
    resume: Annotated[
        bool, Declared("Continue an unfinished output; nothing is computed twice.", Panel.OUTPUT)
    ] = False
    overwrite: Annotated[bool, Declared("Replace an existing output.", Panel.OUTPUT)] = False
    dry_run: Annotated[
        bool,
        Declared("Print what would be written and the memory that it takes; write nothing.", Panel.OUTPUT),
    ] = False
    performance_report: Annotated[
        Path | None,
        Declared(
            "Write Dask's performance report, which needs bokeh. OUT.zarr.report.json is always written.",
            Panel.OUTPUT,
            metavar="FILE.html",
        ),
    ] = None
