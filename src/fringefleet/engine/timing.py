"""Timing of the stages of a tile: waiting, reading, copies to a device and back, solving, writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, NamedTuple

Stage = Literal["wait", "read", "copy", "solve", "write"]


class StageSeconds(NamedTuple):
    """Seconds of each stage of a tile; they are consecutive, so their sum is the time of the tile.

    ``copy``: to a device and back, as far as it does not overlap with solving; 0 on a CPU. ``wait``: for
    other tiles of the same worker, until memory is free or it is this tile's turn.
    """

    read: float = 0.0
    copy: float = 0.0
    solve: float = 0.0
    write: float = 0.0
    wait: float = 0.0


class Stopwatch:
    """Stopwatch for the stages of a tile; a nested stage is not counted in the enclosing one.

    Examples
    --------
    >>> watch = Stopwatch()
    >>> with watch.time("solve"), watch.time("copy"):
    ...     total = sum(range(1000))
    >>> seconds = watch.seconds
    >>> seconds.copy > 0, seconds.read
    (True, 0.0)
    """

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(StageSeconds._fields, 0.0)
        self._inside = [0.0]  # seconds of the nested stages of each running stage

    @property
    def seconds(self) -> StageSeconds:
        """Seconds measured so far."""
        return StageSeconds(**self._seconds)

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Measure a stage, even if it fails."""
        start = perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            whole = perf_counter() - start
            self._seconds[stage] += whole - self._inside.pop()
            self._inside[-1] += whole
