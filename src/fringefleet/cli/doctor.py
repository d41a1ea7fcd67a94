"""The command ``doctor``: what on this machine is as it should be, and what is not."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fringefleet.cli.application import command
from fringefleet.cli.console import echo_json, logger, out
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.printable import printable
from fringefleet.cli.tables import plain_table
from fringefleet.importing import without_collection

if TYPE_CHECKING:
    from fringefleet.doctor.finding import Finding

_COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}
_NAME_WIDTH = 17


@command(
    *parameters(Common, "json"),
    examples=(
        "fringefleet doctor",
        "fringefleet doctor --json | jq '.findings[] | select(.level != \"ok\")'",
    ),
)
def doctor(given: Any) -> None:
    """Examine this machine, and what stops workers from starting on it; exit code 1 if there is a problem."""
    logger.info("examining this machine, and starting a worker on it; this takes some 20 s")
    with without_collection():
        from fringefleet.doctor.examination import examine
    findings = list(examine())
    counts = {level: sum(finding.level == level for finding in findings) for level in _COLOURS}
    if given.json:
        echo_json({"counts": counts, "findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(findings, out())
        out().print(f"\n{counts['ok']} ok, {counts['note']} notes, {counts['problem']} problems")
    if counts["problem"]:
        raise typer.Exit(1)


def print_findings(findings: "Sequence[Finding]", console: Console) -> None:
    """Print findings for people, a table for each subject, with advice below what needs it."""
    for subject, found in groupby(findings, key=lambda finding: finding.subject):
        console.print(_table(subject, list(found)))


def _table(subject: str, findings: "Sequence[Finding]") -> Table:
    table = plain_table("")
    table.add_column(subject, min_width=_NAME_WIDTH, no_wrap=True)
    table.add_column("", overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.level]
        cells = f"[{colour}]{finding.level:<7}[/]", escape(printable(finding.name))
        table.add_row(*cells, escape(printable(finding.text)))
        if finding.advice:
            table.add_row("", "", f"[bold]{escape(printable(finding.advice))}[/]")
    return table
