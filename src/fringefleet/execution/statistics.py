"""Statistics of tiles that are done: of one, of all that a run has done, of all that a report knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.engine.timing import StageSeconds
from fringefleet.status import Status


@dataclass(frozen=True)
class TileStatistics:
    """Numbers of tiles; those of two sets of tiles add up.

    Attributes
    ----------
    n_tile, n_pixel
        Of the tiles.
    status_count
        Pixels of each status, by code; empty where tiles have none.
    n_infinite
        Observations that are infinite, and left out.
    bytes_read, bytes_written
        In memory, whatever they are in the file [byte].
    seconds
        Time of the workers.

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
        """Join two sets of tiles."""
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
        """Pixels of each status that there is, by name."""
        return {status.name.lower(): n for status, n in zip(Status, self.status_count, strict=False) if n}

    def to_record(self) -> dict[str, Any]:
        """Give the numbers of a tile as a report has them."""
        return {
            "seconds": {name: round(value, 6) for name, value in self.seconds._asdict().items()},
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "pixels": self.pixels,
            "infinite": self.n_infinite,
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "TileStatistics":
        """Take the numbers of a tile from its record in a report; those that it does not have are 0."""
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


def count_statuses(status: NDArray[np.uint8]) -> tuple[int, ...]:
    """Count the pixels of each status, by code."""
    return tuple(np.bincount(status.ravel(), minlength=len(Status)).tolist())
