"""Write MintPy's files from a result, with a bar."""

from pathlib import Path

from rich.console import Console

from fringefleet.cli.progress import show_progress
from fringefleet.io.writers.failures import failures_explained
from fringefleet.io.writers.mintpy import export_mintpy


def write_products(result: Path, folder: Path, console: Console, to_go_on: str) -> list[Path]:
    """Write the products of MintPy's network inversion.

    Parameters
    ----------
    result, folder
        As :func:`fringefleet.io.writers.mintpy.export_mintpy` takes them.
    console
        Shows progress.
    to_go_on
        What is kept, and what the user has to do, as a sentence.
    """
    with show_progress(console, "Writing") as report, failures_explained(folder, to_go_on):
        return export_mintpy(result, folder, progress=lambda done, total: report(done / total, 0))
