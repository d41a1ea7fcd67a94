"""The command ``plot``: everything that a stack or a result has data for, as PNG files."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo
from fringefleet.cli.parameters import Common, parameters
from fringefleet.execution.job import Run
from fringefleet.plot.options import PictureOptions


@command(
    *parameters(PictureOptions),
    *parameters(Common, "no_mask"),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet plot result.zarr pictures/",
        "fringefleet plot velocity.zarr pictures/",
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
