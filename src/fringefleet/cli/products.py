"""Write MintPy's files from a result, with a bar, and a plain message if the disk does not take them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from rich.console import Console

from fringefleet.cli.console import end_at_once
from fringefleet.cli.progress import show_progress
from fringefleet.io.writers.mintpy import export_mintpy


def write_products(
    result: xr.Dataset | Path,
    folder: Path,
    console: Console,
    to_go_on: str,
    before_the_end: Callable[[], None] = lambda: None,
    write: Callable[..., list[Path]] = export_mintpy,
    **how: Any,
) -> list[Path]:
    """Write the products of MintPy's network inversion; the process ends where HDF5 fails to write them.

    Parameters
    ----------
    result, folder, **how
        As :func:`fringefleet.io.writers.mintpy.export_mintpy` takes them.
    console
        Shows progress.
    to_go_on
        What is kept, and what the user has to do, as a sentence.
    before_the_end
        Called before the process ends like that, which ends no context manager.
    write
        Writes them, with the arguments of :func:`fringefleet.io.writers.mintpy.export_mintpy`.
    """
    with show_progress(console, "Writing") as report:
        try:
            return write(result, folder, progress=lambda done, total: report(done / total, 0), **how)
        except (OSError, RuntimeError) as error:  # h5py raises both
            before_the_end()
            reason = str(error).replace("\n", " ")
            end_at_once(
                f"the products could not be written to {folder.absolute()} ({reason}); those that were there "
                f"are whole. {to_go_on}"
            )
