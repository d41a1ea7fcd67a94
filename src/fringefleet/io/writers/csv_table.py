"""Write the pixels of a result as text: a line for each pixel that has a value, a column for each date.

The first line names the columns, with the unit in brackets. Numbers have as many digits as tell them apart.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import FileFormat, plan_files, write_files
from fringefleet.io.writers.points import PixelTable
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import PlannedFiles

_SUFFIX = ".csv"
_MEMORY = 48 * 1024**2  # of rows as text
_BYTES_OF_PLACE = 80  # of a line, with longitude and latitude
_BYTES_OF_TEXT = 4.0  # of a number, by those that it has in memory, at most


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the tables that would be written."""
    return plan_files(selected, target, _FORMAT)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the tables of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    write_files(selected, target, _FORMAT, progress)


def _write_file(selected: Selected, names: Sequence[str], path: Path, progress: Progress) -> None:
    table = PixelTable(selected, tuple(names))
    units = table.units
    is_first = True
    with path.open("w", newline="") as file:
        for place, columns in table.pieces(progress):
            titled = {f"{name} [{units[name]}]" if name in units else name: v for name, v in columns.items()}
            pd.DataFrame(place | titled, copy=False).to_csv(
                file, index=False, header=is_first, lineterminator="\n"
            )
            is_first = False


_FORMAT = FileFormat(
    _SUFFIX, _write_file, _BYTES_OF_TEXT, whole_series=True, memory=_MEMORY, place=_BYTES_OF_PLACE
)
