"""The command ``report``: the page of a finished run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo
from fringefleet.cli.parameters import parameters


@dataclass(frozen=True)
class ReportOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="RESULT", is_argument=True)]
    page: Annotated[
        Path | None,
        Declared(
            "File to write, which is replaced.",
            metavar="PAGE.html",
            default="RESULT.report.html beside the result",
            is_argument=True,
        ),
    ] = None


@command(
    *parameters(ReportOptions),
    examples=("fringefleet report result.zarr", "fringefleet report result.zarr /tmp/report.html"),
)
def report(given: Any) -> None:
    """Write a page of a finished run: options, maps, times, slowest tiles and failures in one HTML file."""
    from fringefleet.plot import write_page

    echo(write_page(given.result, given.page))
