"""Summary of a finished run."""

from dataclasses import dataclass
from pathlib import Path

from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile
from fringefleet.processes.html import facts_as_html, facts_as_text
from fringefleet.status import Status


@dataclass(frozen=True)
class Summary:
    """Outcome of a run.

    Attributes
    ----------
    output
        The result.
    n_tile, n_resumed
        Number of tiles, and of those that were done before.
    numbers
        Statistics of the tiles done now; the pixels of skipped tiles are among those of a status.
    skipped
        Tiles that failed, and were skipped as requested.

    Examples
    --------
    >>> Summary(Path("result.zarr"), n_tile=12, n_resumed=4).status_count
    ()
    """

    output: Path
    n_tile: int
    n_resumed: int
    numbers: TileStatistics = TileStatistics()  # noqa: RUF009 - frozen
    skipped: tuple[Tile, ...] = ()

    @property
    def n_infinite(self) -> int:
        """Number of infinite phases, which are excluded, in the tiles done now."""
        return self.numbers.n_infinite

    @property
    def status_count(self) -> tuple[int, ...]:
        """Number of pixels with each status, by code, in the tiles done now; empty if there are none."""
        return self.numbers.status_count

    def __str__(self) -> str:
        """Show it where it is printed."""
        return facts_as_text("Summary of a run", self._facts())

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return facts_as_html("Summary of a run", self._facts())

    def _facts(self) -> dict[str, object]:
        which = ", in tiles done now" if self.n_resumed else ""
        by_name = {
            Status(code).words: f"{number:,} pixel{'s' * (number != 1)}{which}"
            for code, number in enumerate(self.status_count)
            if number
        }
        return {
            "result": self.output,
            "tiles": f"{self.n_tile:,}",
            "tiles done before": f"{self.n_resumed:,}",
            "tiles failed and skipped": f"{len(self.skipped):,}",
            **by_name,
        }
