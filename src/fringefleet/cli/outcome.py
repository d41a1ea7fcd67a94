"""Printed summary of the demo."""

from rich.console import Console

from fringefleet.cli.printable import printable
from fringefleet.cli.progress import clock_time, with_prefix
from fringefleet.demo import Outcome


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print what was made, how well and how fast; the last lines are the paths."""
    speed = with_prefix(outcome.n_pixel / outcome.seconds, "px/s")
    console.print(
        f"[bold]{outcome.n_pixel:,} pixels, {outcome.n_pair} pairs, {outcome.n_date} dates[/]: "
        f"{outcome.n_tile} tiles on {outcome.n_worker} workers in {clock_time(outcome.seconds)}, "
        f"{speed}, {outcome.n_tile / outcome.seconds:.1f} tiles/s, their warming up included"
    )
    console.print(
        f"RMS error against the truth: [bold]{outcome.error_mm:.2f} mm[/] over {outcome.n_answered:,} pixels "
        "and all dates.\n"
        f"  All of it is decorrelation noise: one interferogram alone is off by {outcome.noise_mm:.2f} mm.\n"
        f"  A scene like it without noise comes out with {outcome.exact_mm:.1g} mm.",
        soft_wrap=True,
    )
    console.print()
    for path in (outcome.stack, outcome.truth, outcome.result, *outcome.pictures):
        console.print(printable(str(path)), markup=False, soft_wrap=True)
