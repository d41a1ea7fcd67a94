"""Retry policy for tiles, independent of Dask and files, so that it can be tested alone.

A failed tile is retried after a pause. If its workers died, it may have been an innocent neighbour of
the tile that killed them: it is retried once, alone, when everything else is done. When nothing succeeds,
the cause concerns all tiles, and no more are tried.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from dask.delayed import Delayed

from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.tile import Tile

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # before a tile is retried [s]
MAX_CONSECUTIVE_FAILURES = 8  # tiles given up, or tiles whose workers died, without a success in between


class Attempt(NamedTuple):
    """Attempt to compute a tile."""

    tile: Tile
    task: Delayed
    number: int = 1
    isolated: bool = False  # no other tile is running


class Failure(NamedTuple):
    """Tile that failed for good, with its error."""

    tile: Tile
    error: str
    attempts: int = 1


class RetryQueue:
    """Queue of the tiles of a run that are not submitted, and the tiles that were given up.

    Parameters
    ----------
    tasks
        Tiles with their tasks.
    policy
        Treatment of tiles that fail.
    """

    def __init__(self, tasks: Sequence[tuple[Tile, Delayed]], policy: FailurePolicy) -> None:
        self.policy = policy
        self.failed_tiles: list[Failure] = []
        self.n_retried = 0
        self.n_left = len(tasks)  # neither done nor given up
        self.is_aborted = False
        self._n_done = 0
        self._n_in_a_row = 0  # tiles given up since the last success
        self._n_killed_in_a_row = 0  # tiles whose workers died since the last success
        self._waiting: Iterator[Attempt] = (Attempt(*task) for task in tasks)
        self._again: list[tuple[float, int, Attempt]] = []  # a heap, by the time from which it may be retried
        self._isolated: deque[Attempt] = deque()

    def take(self, n_free: int, n_under_way: int, now: float) -> Iterator[Attempt]:
        """Yield the attempts to be submitted now, up to a given number."""
        if self.is_aborted:
            return
        while n_free > 0 and self._again and self._again[0][0] <= now:
            n_free -= 1
            n_under_way += 1
            yield heappop(self._again)[-1]
        # When workers die one after the other, tiles are tried alone, to find the one that kills them.
        look_closer = self._n_killed_in_a_row >= MAX_CONSECUTIVE_FAILURES and len(self._isolated) > 0
        while n_free > 0 and not look_closer and (attempt := next(self._waiting, None)):
            n_free -= 1
            n_under_way += 1
            yield attempt
        if n_under_way == 0 and not self._again and self._isolated:
            yield self._isolated.popleft()

    @property
    def has_work(self) -> bool:
        """Whether tiles are left that may succeed."""
        return self.n_left > 0 and not self.is_aborted

    def seconds_to_wait(self, now: float) -> float:
        """Return the time until a tile is retried [s]; infinite if no tile waits for that."""
        return max(0.0, self._again[0][0] - now) if self._again else inf

    def succeeded(self) -> None:
        """Record a finished tile."""
        self.n_left -= 1
        self._n_done += 1
        self._n_in_a_row = self._n_killed_in_a_row = 0

    def failed(self, attempt: Attempt, now: float, *, killed: bool) -> float | None:
        """Record a failed attempt, and schedule the next one.

        Parameters
        ----------
        attempt
            The attempt.
        now
            The time [s].
        killed
            Whether its workers died.

        Returns
        -------
        float or None
            Minimum delay before the next attempt [s]; None if the tile has to be given up.
        """
        again = attempt._replace(number=attempt.number + 1)
        self._n_killed_in_a_row += killed
        if killed and not attempt.isolated:
            self._isolated.append(again._replace(isolated=True))
            pause = 0.0
        elif not killed and attempt.number <= self.policy.retries:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt.number - 1))
            heappush(self._again, (now + pause, self.n_retried, again))
        else:
            return None
        self.n_retried += 1
        return pause

    def mark_failed(self, failure: Failure) -> None:
        """Record a tile that will not be retried."""
        self.failed_tiles.append(failure)
        self.n_left -= 1
        self._n_in_a_row += 1
        # A truncated file is no reason to skip the data before its end, or to stop if told to skip.
        is_skipping = self.policy.on_error == "skip" and self._n_done > 0
        self.is_aborted = self.is_aborted or (
            self._n_in_a_row >= MAX_CONSECUTIVE_FAILURES and not is_skipping
        )
