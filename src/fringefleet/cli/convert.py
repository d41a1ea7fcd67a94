"""The command ``convert``: copy a stack to Zarr."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_progress
from fringefleet.execution.job import Run


@command(
    *parameters(Run, "stack", "output", "chunks", "reader", "drop_incomplete", "accept_touched"),
    *parameters(Common, "resume", "overwrite"),
    examples=(
        "fringefleet convert inputs/ifgramStack.h5 stack.zarr",
        "fringefleet convert inputs/ifgramStack.h5 stack.zarr --resume",
    ),
)
def convert(given: Any) -> None:
    """Copy a stack to Zarr, with all pairs of a pixel in one chunk, for fast parallel reading."""
    from fringefleet.io import convert_stack, open_stack

    opened = open_stack(given.stack, chunks=None, reader=given.reader, drop_incomplete=given.drop_incomplete)
    with show_progress(notes(), "Converting") as report:
        convert_stack(
            opened,
            given.output,
            chunks=given.chunks,
            overwrite=given.overwrite,
            resume=given.resume,
            accept_touched=given.accept_touched,
            progress=lambda done, total: report(done / total, done),
        )
    echo(given.output)
