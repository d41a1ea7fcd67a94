"""Record of a format that results are written in; light, as the command line lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]  # told of the number of tiles written, and of all tiles


def no_progress(_n_done: int, _n_tile: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Writer:
    """A format that results are written in.

    Attributes
    ----------
    name
        Word of ``export --format``.
    title
        Of the files, for help.
    suffix
        Of the file that is written, such as ``.csv``; empty where it is a folder of files.
    module
        That has ``write_result(result, target, progress)``, which writes an open result and gives the paths
        of the files; imported when it is used.
    """

    name: str
    title: str
    suffix: str
    module: str

    def write(self, result: "xr.Dataset", target: Path, *, progress: Progress = no_progress) -> list[Path]:
        """Write a result to a file or folder; see :func:`fringefleet.io.writers.export.export_result`."""
        found: list[Path] = import_module(self.module).write_result(result, target, progress)
        return found

    def file_in(self, target: Path) -> Path:
        """Name a file that is written: the target, or one in it."""
        return target if self.suffix else target / self.name
