"""The command ``demo``: simulate, invert, compare and plot a scene of known motion."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import notes, out
from fringefleet.cli.parameters import parameters
from fringefleet.cli.printable import printable
from fringefleet.cli.progress import clock_time, show_progress, with_prefix

if TYPE_CHECKING:
    from fringefleet.demo import Outcome


@dataclass(frozen=True)
class DemoFolder:
    """Parameters of the command."""

    directory: Annotated[
        Path,
        Declared(
            "Folder to write; files of an earlier demo in it are replaced.", metavar="DIR", is_argument=True
        ),
    ] = Path("demo")


@command(*parameters(DemoFolder), examples=("fringefleet demo", "fringefleet demo /tmp/first-look"))
def demo(given: Any) -> None:
    """Simulate a scene of known motion, invert it, compare the two, and plot them."""
    from fringefleet.demo import run_demo

    print_outcome(run_demo(given.directory, lambda label: show_progress(notes(), label)), out())


def print_outcome(outcome: "Outcome", console: Console) -> None:
    """Print what was made, how well and how fast; the last lines are the paths."""
    speed = with_prefix(outcome.n_pixel / outcome.seconds, "px/s")
    console.print(
        f"[bold]{outcome.n_pixel:,} pixels, {outcome.n_pair} pairs, {outcome.n_date} dates[/]: "
        f"{outcome.n_tile} tiles on {outcome.n_worker} workers in {clock_time(outcome.seconds)}, "
        f"{speed}, {outcome.n_tile / outcome.seconds:.1f} tiles/s, start-up included"
    )
    console.print(
        f"RMS error against the truth: [bold]{outcome.error_mm:.2f} mm[/] over {outcome.n_estimated:,} "
        "pixels and all dates.\n"
        f"  All of it is decorrelation noise: one interferogram alone is off by {outcome.noise_mm:.2f} mm.\n"
        f"  A scene like it without noise comes out with {outcome.exact_mm:.1g} mm.",
        soft_wrap=True,
    )
    console.print()
    for path in (outcome.stack, outcome.truth, outcome.result, *outcome.pictures):
        console.print(printable(str(path)), markup=False, soft_wrap=True)
