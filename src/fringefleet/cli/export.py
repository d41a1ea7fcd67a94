"""The command ``export``: write a result in the format of another program."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, err
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import show_progress
from fringefleet.io.writers import WRITERS, writer_named

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(writer.name for writer in WRITERS)]


@dataclass(frozen=True)
class ExportOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="OUT.zarr", is_argument=True)]
    directory: Annotated[Path, Declared("Folder to write.", metavar="DIR", is_argument=True)]
    format: Annotated[
        FormatName, Declared(" ".join(f"{writer.name}: {writer.title}" for writer in WRITERS))
    ] = WRITERS[0].name


@command(*parameters(ExportOptions), examples=("fringefleet export result.zarr mintpy/ --format mintpy",))
def export(given: Any) -> None:
    """Write a result in the format of another program."""
    from fringefleet.io.describe import check_finished
    from fringefleet.io.store.open_result import check_result
    from fringefleet.io.store.place import check_apart, check_writable
    from fringefleet.io.writers.export import export_result
    from fringefleet.io.writers.failures import failures_explained

    file_format = given.format or WRITERS[0].name
    first = writer_named(file_format).file_in(given.directory)
    check_result(given.result)
    check_apart(first, given.result)
    check_writable(first)
    check_finished(given.result)
    explained = failures_explained(given.directory, "Remove the cause and repeat the command.")
    with show_progress(err(), "Writing") as report, explained:
        paths = export_result(
            given.result, given.directory, file_format, progress=lambda done, total: report(done / total, 0)
        )
    for path in paths:
        echo(path)
