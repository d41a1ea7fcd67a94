"""Summary of a finished run."""

from dataclasses import dataclass
from pathlib import Path

from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile


@dataclass(frozen=True)
class Summary:
    """Outcome of a run."""

    output: Path
    n_tile: int
    n_resumed: int  # tiles that were done before
    numbers: TileStatistics = TileStatistics()  # noqa: RUF009 - frozen; of the tiles done now
    skipped: tuple[Tile, ...] = ()  # tiles that failed, and were skipped as requested

    @property
    def n_infinite(self) -> int:
        """Number of infinite phases, which are excluded, in the tiles done now."""
        return self.numbers.n_infinite

    @property
    def status_count(self) -> tuple[int, ...]:
        """Number of pixels with each status, by code, in the tiles done now; empty if there are none."""
        return self.numbers.status_count
