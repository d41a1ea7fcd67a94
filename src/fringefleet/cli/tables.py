"""Tables that look the same everywhere, and can be read where there is no terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fringefleet.status import Status

if TYPE_CHECKING:
    from fringefleet.io.store.pair_table import BadPair


def plain_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Make a table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def status_table(counts: Mapping[str, int]) -> Table:
    """Make a table of how many pixels have, or have no, answer; without what none has."""
    n_pixel = max(1, sum(counts.values()))
    table = plain_table("Status", "Pixels", "Share", right=("Pixels", "Share"))
    for name, count in counts.items():
        if count:
            table.add_row(name.replace("_", " "), f"{count:,}", f"{100 * count / n_pixel:.2f} %")
    return table


def redundancy_note(counts: Mapping[str, int], min_redundancy: float) -> str | None:
    """Say which option keeps the pixels that have too few pairs; None if there are none."""
    n_lost, n_pixel = counts.get("too_few_pairs", 0), sum(counts.values())
    if not n_lost:
        return None
    return (
        f"{n_lost:,} pixels ({100 * n_lost / n_pixel:.3g} %) have too few pairs: a date of theirs has fewer "
        f"than --min-redundancy {min_redundancy:g}. --min-redundancy 0 keeps them, and marks the steps that "
        "no pair observes (gap_filled)."
    )


def worst_pairs_table(pairs: "Sequence[BadPair]") -> Table:
    """Make a table of the pairs that the series explains worst."""
    table = plain_table(
        "Worst pairs", "Off by a cycle", "Residual", "Pixels", right=("Off by a cycle", "Residual", "Pixels")
    )
    for pair in pairs:
        share = f"{100 * pair.cycle_share:.2f} %"
        table.add_row(pair.name, share, f"{pair.residual_rms:.3f} rad", f"{pair.n_pixel:,}")
    return table


def print_status(counted: Sequence[int], min_redundancy: float, console: Console) -> None:
    """Print how many pixels have, or have no, answer; nothing where no tile was done.

    Parameters
    ----------
    counted
        Pixels of each status.
    min_redundancy
        As the option has it.
    console
        Where to print.
    """
    if not any(counted):
        return
    counts = {status.name.lower(): counted[status] for status in Status}
    console.print(status_table(counts))
    if note := redundancy_note(counts, min_redundancy):
        console.print(note, soft_wrap=True)
