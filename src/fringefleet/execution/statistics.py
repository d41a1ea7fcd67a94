"""Statistics of finished tiles: of one, of all tiles of a run, of all tiles in a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from fringefleet.engine.timing import StageSeconds
from fringefleet.status import Status


@dataclass(frozen=True)
class TileStatistics:
    """Statistics of tiles, which can be added.

    Attributes
    ----------
    n_tile, n_pixel
        Number of tiles and of their pixels.
    status_count
        Number of pixels with each status, by code; empty where tiles have none.
    n_infinite
        Number of infinite observations, which are excluded.
    bytes_read, bytes_written
        Size in memory, regardless of packing in the file [byte].
    seconds
        Time of the workers, by stage.

    Examples
    --------
    >>> one = TileStatistics(1, 6, status_count=(4, 2), bytes_read=10)
    >>> both = one + TileStatistics(1, 3, status_count=(1, 1, 1))
    >>> both.n_tile, both.n_pixel, both.status_count, both.bytes_read
    (2, 9, (5, 3, 1), 10)
    """

    n_tile: int = 0
    n_pixel: int = 0
    status_count: tuple[int, ...] = ()
    n_infinite: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: StageSeconds = StageSeconds()  # noqa: RUF009 - a tuple

    def __add__(self, other: "TileStatistics") -> "TileStatistics":
        """Add the statistics of other tiles."""
        counts = zip_longest(self.status_count, other.status_count, fillvalue=0)
        seconds = zip(self.seconds, other.seconds, strict=True)
        return TileStatistics(
            n_tile=self.n_tile + other.n_tile,
            n_pixel=self.n_pixel + other.n_pixel,
            status_count=tuple(one + another for one, another in counts),
            n_infinite=self.n_infinite + other.n_infinite,
            bytes_read=self.bytes_read + other.bytes_read,
            bytes_written=self.bytes_written + other.bytes_written,
            seconds=StageSeconds(*(one + another for one, another in seconds)),
        )

    @property
    def pixels(self) -> dict[str, int]:
        """Number of pixels of each status that occurs, by name."""
        return {status.name.lower(): n for status, n in zip(Status, self.status_count, strict=False) if n}

    def to_record(self) -> dict[str, Any]:
        """Return the statistics of a tile in the form of a report."""
        return {
            "seconds": {name: round(value, 6) for name, value in self.seconds._asdict().items()},
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "pixels": self.pixels,
            "infinite": self.n_infinite,
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "TileStatistics":
        """Read the statistics of a tile from its record in a report; missing ones are 0."""
        pixels, (top, bottom), (left, right) = record["pixels"], record["rows"], record["columns"]
        return cls(
            n_tile=1,
            n_pixel=(bottom - top) * (right - left),
            status_count=tuple(pixels.get(status.name.lower(), 0) for status in Status),
            n_infinite=record.get("infinite", 0),
            bytes_read=record.get("bytes_read", 0),
            bytes_written=record.get("bytes_written", 0),
            seconds=StageSeconds(**record.get("seconds", {})),
        )
