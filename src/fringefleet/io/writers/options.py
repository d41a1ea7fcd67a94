"""Options of the files of an export; light at run time, as the command line lists them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fringefleet.arguments.declaration import Declared, Panel
from fringefleet.io.writers import WRITERS

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(writer.name for writer in WRITERS)]


@dataclass(frozen=True)
class ExportFiles:
    """Files that are written, and their format."""

    output: Annotated[
        Path,
        Declared(
            "Folder of a file for each variable, or a file that ends as those of the format do.",
            metavar="OUT",
            is_argument=True,
        ),
    ]
    format: Annotated[
        FormatName,
        Declared(" ".join(f"{writer.name}: {writer.title}" for writer in WRITERS), Panel.OUTPUT),
    ] = WRITERS[0].name
