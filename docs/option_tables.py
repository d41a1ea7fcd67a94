"""Write the tables of options into ``reference/options.md`` and ``export.md``, from what declares them.

``python docs/option_tables.py`` rewrites what stands between the marks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from fringefleet.arguments.declaration import Panel
from fringefleet.cli.parameters import Common, Parameter, parameters
from fringefleet.cluster.options import ClusterOptions
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting
from fringefleet.io.mask_limits import MaskLimits
from fringefleet.io.writers.selection import ExportSelection
from fringefleet.options import Options

PAGE = Path(__file__).parent / "reference" / "options.md"
BEGIN, END = "<!-- begin of the tables -->", "<!-- end of the tables -->"
EXPORT_PAGE = Path(__file__).with_name("export.md")
OF_EXPORT = {"options of an export": ExportSelection, "limits of a mask": MaskLimits}
OWNERS = {kind.__name__: parameters(kind) for kind in (Options, Setting, Selection, Run, FailurePolicy)}
OWNERS["ClusterOptions"] = (*parameters(Common, "cluster_config"), *parameters(ClusterOptions))
IN_HELP = {"solver"}  # options that say in their help what each of their words needs
NO_FIELD = {"cluster_config"}  # options of the command line only


def flag_of(parameter: Parameter) -> str:
    """Spell an option as ``invert`` does."""
    flags = parameter.declared.flags
    return flags[0] if flags else f"--{parameter.name.replace('_', '-')}"


def tables() -> str:
    """Make a table for each panel of the help."""
    listed = [
        (owner, parameter)
        for owner, declared in OWNERS.items()
        for parameter in declared
        if not parameter.declared.is_argument
    ]
    flags = {parameter.name: flag_of(parameter) for _, parameter in listed}
    lines = []
    for panel in (panel for panel in Panel if any(item.declared.panel == panel for _, item in listed)):
        lines += [f"## {panel}", "", "| option | in Python | default | needs | |", "|---|---|---|---|---|"]
        for owner, parameter in listed:
            if parameter.declared.panel == panel:
                lines.append("| " + " | ".join(_cells(owner, parameter, flags)) + " |")
        lines.append("")
    return "\n".join(lines)


def _cells(owner: str, parameter: Parameter, flags: dict[str, str]) -> Iterator[str]:
    it = parameter.declared
    words = [word for part in (parameter.kind, *get_args(parameter.kind)) for word in _words(part)]
    values = it.metavar or ", ".join(words)
    yield f"`{flag_of(parameter)}`" + (f" {values}".replace("|", ", ") if values else "")
    yield "" if parameter.name in NO_FIELD else f"`{owner}.{parameter.name}`"
    yield it.default + (f" [{it.unit}]" if it.unit and it.default else "")
    needs = () if parameter.name in IN_HELP else it.needs
    text = "; ".join(f"`{flags[need.other]}` {need.wanted}" for need in needs)
    yield text.replace(" True", "").replace("`--skip-reference` False", "no `--skip-reference`")
    yield it.help


def _words(kind: object) -> tuple[str, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def page_with(tables_now: str) -> str:
    """Give the page with these tables."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables_now}\n{END}{rest.partition(END)[2]}"


def short_table(owner: type) -> str:
    """Make a table of the options of a command that does not invert."""
    lines = ["| option | in Python | default | |", "|---|---|---|---|"]
    for parameter in parameters(owner):
        cells = list(_cells("", parameter, {}))
        lines.append(f"| {cells[0]} | `{parameter.name}` | {cells[2]} | {cells[4]} |")
    return "\n".join(lines)


def export_page() -> str:
    """Give the page of exports with its tables."""
    page = EXPORT_PAGE.read_text()
    for name, owner in OF_EXPORT.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n\n{short_table(owner)}\n\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(page_with(tables()))
    EXPORT_PAGE.write_text(export_page())
