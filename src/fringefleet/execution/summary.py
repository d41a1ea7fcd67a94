"""Summary of a run that is over."""

from dataclasses import dataclass
from pathlib import Path

from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    output: Path
    n_tile: int
    n_resumed: int  # tiles that were done before
    numbers: TileStatistics = TileStatistics()  # noqa: RUF009 - frozen; of the tiles done now
    skipped: tuple[Tile, ...] = ()  # tiles that failed, and that the run was told to go on without

    @property
    def n_infinite(self) -> int:
        """Infinite phases, left out, of the tiles done now."""
        return self.numbers.n_infinite

    @property
    def status_count(self) -> tuple[int, ...]:
        """Pixels of each status, by code, of the tiles done now; empty if there are none."""
        return self.numbers.status_count
