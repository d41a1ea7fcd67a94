"""Timing of the stages of a tile: wait, read, copy to a device and back, solve, write."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, NamedTuple

Stage = Literal["wait", "read", "copy", "solve", "write"]


class StageSeconds(NamedTuple):
    """Seconds of each stage; they follow one another, so their sum is the time of a tile.

    ``copy``: to a device and back, as far as it is not hidden behind the solving; 0 on a CPU. ``wait``: for
    other tiles of the same worker, until there is memory, or it is this one's turn.
    """

    read: float = 0.0
    copy: float = 0.0
    solve: float = 0.0
    write: float = 0.0
    wait: float = 0.0


class Stopwatch:
    """Adds up the seconds of each stage; a stage inside another counts for itself only.

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
        self._inside = [0.0]  # seconds of the stages inside each stage that is running

    @property
    def seconds(self) -> StageSeconds:
        """What has been added up so far."""
        return StageSeconds(**self._seconds)

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Add what happens inside to a stage, also where it fails."""
        start = perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            whole = perf_counter() - start
            self._seconds[stage] += whole - self._inside.pop()
            self._inside[-1] += whole
