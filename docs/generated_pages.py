"""Pages of the site that are made from the code: the command line, the Python reference, the errors.

``python docs/generated_pages.py`` prints them.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import typer
from rich.text import Text

import fringefleet
from fringefleet import errors
from fringefleet.cli import app

MODULES = ("cluster", "mintpy", "plot", "simulate")  # whose public names are listed


def plain(text: str | None) -> str:
    """Remove the marks for colours from a text of the help, and keep it in a cell of a table."""
    words = Text.from_markup(text or "").plain
    return re.sub(r"\s+", " ", words).replace("|", "\\|").replace("<", "&lt;")


def commands() -> str:
    """Describe every command: its usage, its arguments and options by panel, and its examples."""
    return "\n\n".join(_command(name, it) for name, it in typer.main.get_command(app).commands.items())


def _command(name: str, command: Any) -> str:
    given = [item for item in command.params if item.name != "help"]
    arguments = [item.metavar if item.required else f"[{item.metavar}]" for item in given if not _flags(item)]
    usage = " ".join(["fringefleet", name, *arguments, "[OPTIONS]"])
    text = [f"## fringefleet {name}", plain_paragraphs(command.help), f"```text\n{usage}\n```"]
    panels: dict[str, list[str]] = {}
    for item in given:
        panel = getattr(item, "rich_help_panel", None) or ("Options" if _flags(item) else "Arguments")
        panels.setdefault(panel, []).append(f"| {_spelled(item)} | {plain(item.help)} |")
    for panel, rows in panels.items():
        text.append("\n".join([f"| {panel} | |", "|---|---|", *rows]))
    lines = [line.strip() for line in Text.from_markup(command.epilog or "").plain.splitlines()]
    examples = "\n".join(line for line in lines if line and line != "Examples")
    return "\n\n".join([*text, f"```text\n{examples}\n```"])


def _flags(item: Any) -> list[str]:
    return [flag for flag in (*item.opts, *item.secondary_opts) if flag.startswith("-")]


def _spelled(item: Any) -> str:
    """Give the flags of an option with its value, or the name of an argument."""
    if not _flags(item):
        return f"`{item.metavar}`"
    kind = getattr(getattr(item, "type_descriptor", None), "annotation", None)
    words = (
        get_args(kind) if get_origin(kind) is Literal else getattr(getattr(item, "type", None), "choices", ())
    )
    value = item.metavar or ", ".join(words)
    return ", ".join(f"`{flag}`" for flag in _flags(item)) + (f" {plain(value)}" if value else "")


def plain_paragraphs(text: str | None) -> str:
    """Remove the marks for colours from the help of a command."""
    return Text.from_markup(inspect.cleandoc(text or "")).plain


def python_names() -> str:
    """List the public names, in the order of the table of contents of the package, for mkdocstrings."""
    text = []
    for line in inspect.getdoc(fringefleet).splitlines():
        if re.match(r"[A-Z][a-z]+( [a-z]+)*$", line) and line not in ("More modules",):
            text.append(f"## {line}")
        name = re.match(r"    (\w+) {2,}", line)
        if name and not inspect.ismodule(getattr(fringefleet, name[1])):
            text.append(f"::: fringefleet.{name[1]}")
    for module in MODULES:
        home = getattr(fringefleet, module)
        names = [name for name in home.__all__ if getattr(home, name) is not vars(fringefleet).get(name)]
        text.append(f"## fringefleet.{module}")
        options = "{ show_root_heading: false, show_root_toc_entry: false }"
        text.append(f"::: fringefleet.{module}\n    options: {options}")
        text += [f"::: fringefleet.{module}.{name}" for name in names]
    return "\n\n".join(text)


def error_classes() -> list[type[errors.FringefleetError]]:
    """List the exceptions below ``FringefleetError``, bases before those that derive from them."""
    return [
        found
        for found in vars(errors).values()
        if inspect.isclass(found) and issubclass(found, errors.FringefleetError)
        if found is not errors.FringefleetError
    ]


def error_catalogue() -> str:
    """Make a table of the exceptions: what each means, what else it is, and what is left after it."""
    rows = ["| exception | meaning | also | afterwards |", "|---|---|---|---|"]
    for found in error_classes():
        text = plain((inspect.getdoc(found) or "").split("\n\n")[0]).replace("``", "`")
        bases = ", ".join(f"`{base.__name__}`" for base in found.__bases__)
        rows.append(f"| `{found.__name__}` | {text} | {bases} | {plain(getattr(found, 'to_go_on', ''))} |")
    return "\n".join(rows)


GENERATED: dict[str, Callable[[], str]] = {
    "<!-- made of the commands -->": commands,
    "<!-- made of the public names -->": python_names,
    "<!-- made of the exceptions -->": error_catalogue,
}

if __name__ == "__main__":
    for make in GENERATED.values():
        print(make())  # noqa: T201 - to be looked at
