"""The command ``rereference``: make a result relative to another pixel or date."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import Common, existing_of, parameters
from fringefleet.cli.progress import show_stages
from fringefleet.execution.new_reference import NewReference


@dataclass(frozen=True)
class RereferenceOptions:
    """Parameters of the command besides the reference."""

    result: Annotated[Path, Declared("Result of invert or rereference.", metavar="RESULT", is_argument=True)]
    output: Annotated[Path, Declared("Zarr store to write.", metavar="OUT.zarr", is_argument=True)]


@command(
    *parameters(RereferenceOptions),
    *parameters(NewReference),
    *parameters(Common, "resume", "overwrite"),
    examples=(
        "fringefleet rereference result.zarr moved.zarr --point 120 340",
        "fringefleet rereference result.zarr moved.zarr --lalo 19.32 -99.19",
        "fringefleet rereference result.zarr since2019.zarr --date 20190106",
    ),
)
def rereference_command(given: Any) -> None:
    """Make a result relative to another pixel or date; with --date, standard deviations need --covariance."""
    from fringefleet.execution.rereferencing import rereference_result

    existing = existing_of(resume=given.resume, overwrite=given.overwrite)
    new = NewReference(given.point, given.lalo, given.date)
    with show_stages(notes()) as show:
        rereference_result(
            given.result, given.output, new, existing=existing, on_progress=partial(show, "Writing")
        )
    echo(given.output)
