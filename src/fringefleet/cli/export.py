"""The command ``export``: write a result in the format of another program."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, err
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import show_progress


@dataclass(frozen=True)
class ExportOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="OUT.zarr", is_argument=True)]
    directory: Annotated[Path, Declared("Folder to write.", metavar="DIR", is_argument=True)]
    format: Annotated[
        Literal["mintpy"], Declared("mintpy: timeseries.h5, temporalCoherence.h5 and numInvIfgram.h5.")
    ] = "mintpy"


@command(*parameters(ExportOptions), examples=("fringefleet export result.zarr mintpy/ --format mintpy",))
def export(given: Any) -> None:
    """Write a result in the format of another program."""
    from fringefleet.io.describe import check_finished
    from fringefleet.io.store.open_result import check_result
    from fringefleet.io.store.place import check_apart, check_writable
    from fringefleet.io.writers.failures import failures_explained
    from fringefleet.io.writers.mintpy import export_mintpy

    writers = {"mintpy": export_mintpy}
    first = given.directory / "timeseries.h5"
    check_result(given.result)
    check_apart(first, given.result)
    check_writable(first)
    check_finished(given.result)
    explained = failures_explained(given.directory, "Remove the cause and repeat the command.")
    with show_progress(err(), "Writing") as report, explained:
        write = writers[given.format or "mintpy"]
        paths = write(given.result, given.directory, progress=lambda done, total: report(done / total, 0))
    for path in paths:
        echo(path)
