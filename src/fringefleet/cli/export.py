"""The command ``export``: write a result in the format of another program."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import show_progress
from fringefleet.errors import OptionError
from fringefleet.io.writers import WRITERS, writer_named
from fringefleet.io.writers.selection import ExportSelection
from fringefleet.option_words import option

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(writer.name for writer in WRITERS)]


@dataclass(frozen=True)
class ExportOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="RESULT", is_argument=True)]
    output: Annotated[
        Path,
        Declared("Folder of one file for each variable, or a file.", metavar="OUT", is_argument=True),
    ]
    format: Annotated[
        FormatName, Declared(" ".join(f"{writer.name}: {writer.title}" for writer in WRITERS))
    ] = WRITERS[0].name
    no_mask: Annotated[bool, Declared("Keep all pixels, whatever mask is stored in the result.")] = False


@command(
    *parameters(ExportOptions),
    *parameters(ExportSelection),
    examples=(
        "fringefleet export result.zarr mintpy/ --format mintpy",
        "fringefleet export result.zarr maps/ --format cog --mask 'temporal_coherence > 0.7' --unit mm",
    ),
)
def export(given: Any) -> None:
    """Write a result, or a part of it, in the format of other programs."""
    from fringefleet.io.describe import check_finished
    from fringefleet.io.store.open_result import check_result
    from fringefleet.io.store.place import check_apart, check_writable
    from fringefleet.io.writers.export import export_result
    from fringefleet.io.writers.failures import failures_explained

    file_format = given.format or WRITERS[0].name
    first = writer_named(file_format).file_in(given.output)
    selection = {field.name: getattr(given, field.name) for field in fields(ExportSelection)}
    if given.no_mask:
        if given.mask is not None:
            raise OptionError(f"found {option('mask', repr(given.mask))} and --no-mask; give one of them.")
        selection["mask"] = False
    check_result(given.result)
    check_apart(first, given.result)
    check_writable(first)
    check_finished(given.result)
    explained = failures_explained(given.output, "Remove the cause and repeat the command.")
    with show_progress(notes(), "Writing") as report, explained:
        paths = export_result(
            given.result,
            given.output,
            file_format,
            progress=lambda done, total: report(done / total, 0),
            **selection,
        )
    for path in paths:
        echo(path)
