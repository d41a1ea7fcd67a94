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
    from fringefleet.io.writers.targets import PlannedFiles

Progress = Callable[[int, int], None]  # called with the number of tiles written, and of all tiles
_MAPS_AND_SERIES = frozenset({"date", "y", "x"})
ALL_DIMS = _MAPS_AND_SERIES | {"date2"}


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
        Suffix of the files, such as ``.csv``; empty where the output is always a folder.
    module
        Module with ``plan_result(selected, target)``, which gives the files that would be written
        (:class:`~fringefleet.io.writers.targets.PlannedFiles`), and ``write_result(selected, target,
        progress)``, which writes them and replaces those that are there; imported when it is used.
    needs
        Module that has to be installed, and the extra that installs it.
    dims
        Dimensions that its variables may have.
    first_of
        Variables of which the first that exists is written, if none is chosen; empty: all.
    is_table
        Whether it has a row for each pixel, and no codes of dates unless they are chosen.
    is_fixed
        Whether variables and units are fixed.
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

    def plan(self, selected: "Selected", target: Path) -> "PlannedFiles":
        """Give the files that a part of a result is written to; nothing is read or written."""
        found: PlannedFiles = import_module(self.module).plan_result(selected, target)
        return found

    def write(self, selected: "Selected", target: Path, *, progress: Progress = no_progress) -> None:
        """Write a part of a result; see :func:`fringefleet.io.writers.export.export_result`."""
        import_module(self.module).write_result(selected, target, progress)

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
