"""Record of a format that results are written in; light, as the command line lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]  # called with the number of tiles written, and of all tiles


def no_progress(_n_done: int, _n_tile: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True)
class Writer:
    """Format that results are written in.

    Attributes
    ----------
    name
        Value of ``export --format``.
    title
        Title of the files, for help.
    suffix
        Suffix of the file, such as ``.csv``; empty for a folder of files.
    module
        Module with ``write_result(result, target, progress)``, which writes an open result and returns the
        paths of the files; imported when it is used.
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
        """Return the path of a file that is written: the target, or one in it."""
        return target if self.suffix else target / self.name
