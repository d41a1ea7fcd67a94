"""The command ``plot``: everything that a stack or a result has data for, or what is chosen, as pictures."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo
from fringefleet.cli.parameters import Common, parameters
from fringefleet.execution.job import Run
from fringefleet.io.writers.selection import mask_of
from fringefleet.plot.options import PictureChoice, PictureFiles


@command(
    *parameters(PictureFiles),
    *parameters(PictureChoice),
    *parameters(Common, "no_mask"),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet plot result.zarr",
        "fringefleet plot result.zarr pictures/ --truth truth.zarr",
        "fringefleet plot velocity.zarr --variable velocity --vlim -20 20 --format pdf",
        "fringefleet plot result.zarr --variable displacement --date 20180307 --lalo 19.43 -99.13",
        "fringefleet plot result.zarr --mask 'temporal_coherence > 0.7' --unit mm --dpi 300",
    ),
)
def plot(given: Any) -> None:
    """Draw maps, distributions, time series, errors and the network, as far as there are data for them."""
    from fringefleet.execution.compose import part_of
    from fringefleet.plot import draw_pictures

    said = vars(given) | {"mask": mask_of(given.mask, no_mask=given.no_mask)}
    chosen = {name: value for name, value in part_of(said, PictureChoice).items() if value is not None}
    files = part_of(vars(given), PictureFiles) | {"choice": PictureChoice(**chosen)}
    for picture in draw_pictures(**files, reader=given.reader, drop_incomplete=given.drop_incomplete):
        echo(picture)
