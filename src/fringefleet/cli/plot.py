"""The command ``plot``: everything that a stack or a result has data for, as PNG files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo
from fringefleet.cli.parameters import parameters
from fringefleet.execution.job import Run


@dataclass(frozen=True)
class PlotOptions:
    """Parameters of the command."""

    path: Annotated[Path, Declared("Stack of any format, or result.", metavar="PATH", is_argument=True)]
    directory: Annotated[Path, Declared("Folder to write.", metavar="DIR", is_argument=True)]
    truth: Annotated[Path | None, Declared("Known displacement to compare with.", metavar="TRUTH.zarr")] = (
        None
    )
    no_mask: Annotated[bool, Declared("Show all pixels, whatever mask is stored in the result.")] = False


@command(
    *parameters(PlotOptions),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet plot result.zarr pictures/",
        "fringefleet plot result.zarr pictures/ --truth truth.zarr",
    ),
)
def plot(given: Any) -> None:
    """Plot maps, time series, errors and the network, as far as there are data for them, to PNG files."""
    from fringefleet.plot import draw_pictures

    of_stack = {"reader": given.reader, "drop_incomplete": given.drop_incomplete}
    pictures = draw_pictures(given.path, given.directory, given.truth, no_mask=given.no_mask, **of_stack)
    for picture in pictures:
        echo(picture)
