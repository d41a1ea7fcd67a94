"""The command ``view``: a result on a map in the browser."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import err
from fringefleet.cli.parameters import Common, parameters
from fringefleet.plot.options import ViewOptions


@command(
    *parameters(Common, "result"),
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
