"""Record of a format that results are written in; light, as the command line lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fringefleet.errors import MissingExtraError

if TYPE_CHECKING:
    from fringefleet.io.writers.selected import Selected

Progress = Callable[[int, int], None]  # told of the number of tiles written, and of all tiles
_MAPS_AND_SERIES = frozenset({"date", "y", "x"})
ALL_DIMS = _MAPS_AND_SERIES | {"date2"}


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
        Of the files, such as ``.csv``; empty where there is a folder of files in any case.
    module
        That has ``write_result(selected, target, progress)``, which writes the selected part of a result and
        gives the paths of the files; imported when it is used.
    needs
        Module that has to be installed, and the extra that installs it.
    dims
        Dimensions that its variables may have.
    first_of
        Variables of which the first that there is is written, if nothing is chosen; empty: all.
    is_table
        Whether it has a row for each pixel, and no codes of dates unless they are chosen.
    is_fixed
        Whether it is said which variables there are, and in which unit.
    """

    name: str
    title: str
    suffix: str
    module: str
    needs: tuple[str, str] | None = None
    dims: frozenset[str] = _MAPS_AND_SERIES
    first_of: tuple[str, ...] = ()
    is_table: bool = False
    is_fixed: bool = False

    def write(self, selected: "Selected", target: Path, *, progress: Progress = no_progress) -> list[Path]:
        """Write a part of a result; see :func:`fringefleet.io.writers.export.export_result`."""
        found: list[Path] = import_module(self.module).write_result(selected, target, progress)
        return found

    def check_installed(self) -> None:
        """Refuse a format that needs what is not installed.

        Raises
        ------
        MissingExtraError
            Names the extra.
        """
        if self.needs is not None and find_spec(self.needs[0]) is None:
            module, extra = self.needs
            raise MissingExtraError(
                f"{module} is not installed and the format {self.name} needs it. Install it with: "
                f'pip install "fringefleet[{extra}]"'
            )

    def file_in(self, target: Path) -> Path:
        """Name a file that is written: the target, or one in it."""
        return target if self.suffix and target.suffix == self.suffix else target / self.name
