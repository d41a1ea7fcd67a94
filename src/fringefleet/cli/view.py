"""The command ``view``: a result on a map in the browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import err
from fringefleet.cli.parameters import parameters


@dataclass(frozen=True)
class ViewOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="RESULT", is_argument=True)]
    port: Annotated[
        int | None,
        Declared(
            "Port to listen at.", metavar="N", default="the first free one from 8000", least=1, most=65535
        ),
    ] = None


@command(
    *parameters(ViewOptions),
    examples=("fringefleet view result.zarr", "fringefleet view result.zarr --port 8080"),
)
def view(given: Any) -> None:
    """Show a result on a map in the browser, with the series of each pixel, until interrupted."""
    from fringefleet.plot.viewer import tunnel, view_result

    def describe(address: str) -> None:
        lines = (
            f"[bold]{address}[/] shows {given.result} until Ctrl-C; every user of this machine can see it.",
            f"From another machine, first run there: {tunnel(address)}",
        )
        for line in lines:
            err().print(line, soft_wrap=True)

    view_result(given.result, given.port, describe)
