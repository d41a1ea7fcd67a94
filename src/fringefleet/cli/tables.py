"""Tables that look the same everywhere, and can be read where there is no terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fringefleet.cli.console import out
from fringefleet.cli.printable import printable
from fringefleet.cli.progress import with_prefix
from fringefleet.status import Status

if TYPE_CHECKING:
    from fringefleet.io.store.pair_table import BadPair


def plain_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Make a table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def print_facts(facts: Iterable[tuple[str, str]], console: Console) -> None:
    """Print labels and texts, which may come from outside, a line each."""
    found = list(facts)
    width = max(len(label) for label, _ in found)
    for label, text in found:
        console.print(f"[cyan]{label:<{width}}[/]  {escape(printable(text))}", soft_wrap=True)


def print_plan(facts: Sequence[tuple[str, str]], n_byte: int, memory: int, whose: str) -> None:
    """Print what a command would do, and the room and the memory that it takes at most."""
    size, needed = with_prefix(n_byte, "B"), with_prefix(memory, "B")
    print_facts([*facts, ("Write", f"at most {size}"), ("Memory", f"at most {needed} {whose}")], out())


def print_status(counts: Sequence[int], min_redundancy: float, console: Console) -> None:
    """Print how many pixels have, or have no, estimate; nothing where no tile was done.

    Parameters
    ----------
    counts
        Pixels of each status.
    min_redundancy
        As the option has it; the one to keep more pixels is named where it has cost some.
    console
        Where to print.
    """
    if not any(counts):
        return
    n_pixel, n_lost = sum(counts), counts[Status.TOO_FEW_PAIRS]
    table = plain_table("Status", "Pixels", "Share", right=("Pixels", "Share"))
    for status in Status:
        if count := counts[status]:
            table.add_row(status.words, f"{count:,}", f"{100 * count / n_pixel:.2f} %")
    console.print(table)
    if n_lost:
        console.print(
            f"{n_lost:,} pixels ({100 * n_lost / n_pixel:.3g} %) have too few pairs: a date of theirs has "
            f"fewer than --min-redundancy {min_redundancy:g}. --min-redundancy 0 keeps them, and marks the "
            "steps that no pair observes (gap_filled).",
            soft_wrap=True,
        )


def worst_pairs_table(pairs: "Sequence[BadPair]") -> Table:
    """Make a table of the pairs that the series explains worst."""
    numbers = ("Off by a cycle", "Residual", "Pixels")
    table = plain_table("Worst pairs", *numbers, right=numbers)
    for pair in pairs:
        cells = f"{100 * pair.cycle_share:.2f} %", f"{pair.residual_rms:.3f} rad", f"{pair.n_pixel:,}"
        table.add_row(pair.name, *cells)
    return table
