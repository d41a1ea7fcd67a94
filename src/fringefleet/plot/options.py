"""Options of pictures and of the viewer; light, as the command line lists them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fringefleet.arguments.declaration import Declared, Panel


@dataclass(frozen=True)
class PictureOptions:
    """Pictures that are drawn."""

    path: Annotated[
        Path,
        Declared(
            "Stack of any format, or result of invert, rereference or velocity.",
            metavar="PATH",
            is_argument=True,
        ),
    ]
    directory: Annotated[
        Path,
        Declared(
            "Folder to write; pictures of an earlier plot in it are replaced.",
            metavar="DIR",
            is_argument=True,
        ),
    ]
    truth: Annotated[
        Path | None,
        Declared("Known displacement to compare with.", Panel.PICTURES, metavar="TRUTH.zarr", default="none"),
    ] = None


@dataclass(frozen=True)
class ViewOptions:
    """Server that shows a result."""

    port: Annotated[
        int | None,
        Declared(
            "Port of this machine to listen at.",
            Panel.SERVER,
            metavar="N",
            default="the first free one from 8000",
            least=1,
            most=65535,
        ),
    ] = None
