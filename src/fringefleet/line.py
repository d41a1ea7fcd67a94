"""Several tiles on their way in one worker: while one is solved the next is read, and the last one written.

A tile goes through the same steps wherever it is computed: it borrows memory, is read into it, waits for its
turn to be solved, gives the memory back, and is written. All tiles of a process share a :class:`Line`, which
bounds how many are at each step, and so the memory: a worker whose disk is slow to write soon stops reading.

When a tile has been read its task leaves Dask's thread (:func:`distributed.secede`), which begins the next
one. So it makes no difference who started the workers, and with how many threads: one is enough.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from queue import LifoQueue

from dask.system import CPU_COUNT
from distributed import Worker, get_worker, secede

from fringefleet.device import DeviceName
from fringefleet.io.memory import Slab, lending
from fringefleet.stopwatch import Stopwatch

READ_AHEAD = 1  # tiles that are read, or have been, while all turns are taken
WRITE_BEHIND = 1  # tiles that are written meanwhile


class Line:
    """What the tiles of one worker share.

    Parameters
    ----------
    n_turn
        Tiles that are solved at the same time: one on a GPU, on a CPU as many as the worker has threads.
    """

    def __init__(self, n_turn: int) -> None:
        self._turn = threading.Semaphore(n_turn)
        self._answers = threading.Semaphore(n_turn + WRITE_BEHIND)
        self._slabs: LifoQueue[Slab] = LifoQueue()  # the one that was used last is the warmest
        for _ in range(n_turn + READ_AHEAD):
            self._slabs.put(Slab())

    @contextmanager
    def place(self, watch: Stopwatch) -> Iterator["Place"]:
        """Wait for memory for a tile, and hold it until the tile is done.

        Parameters
        ----------
        watch
            Told how long the tile waits.
        """
        with watch.time("wait"):
            slab = self._slabs.get()
        place = Place(self, slab, watch)
        try:
            yield place
        finally:
            place.leave()

    def give_back(self, slab: Slab) -> None:
        """Let the next tile have the memory of one that has been solved."""
        self._slabs.put(slab)


class Place:
    """One tile in a line."""

    def __init__(self, line: Line, slab: Slab, watch: Stopwatch) -> None:
        self._line, self._watch = line, watch
        self._slab: Slab | None = slab
        self._has_answer = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let what is read meanwhile go to the memory of this tile; then the next one may be read."""
        if self._slab is None:
            raise RuntimeError("the tile has been solved")
        with lending(self._slab):
            yield
        begin_next()

    @contextmanager
    def solving(self) -> Iterator[None]:
        """Wait for the turn of this tile; afterwards nobody may look at what was read of it."""
        with self._watch.time("wait"):
            self._line._answers.acquire()
            self._has_answer = True
            self._line._turn.acquire()
        try:
            yield
        finally:
            self._line._turn.release()
            self._give_back()

    def leave(self) -> None:
        """Give back whatever this tile still has."""
        self._give_back()
        if self._has_answer:
            self._has_answer = False
            self._line._answers.release()

    def _give_back(self) -> None:
        if self._slab is not None:
            self._line.give_back(self._slab)
            self._slab = None


def begin_next() -> None:
    """Let the worker begin another task while this one goes on, if this is one."""
    with suppress(ValueError):  # it is none
        secede()


def line_of(device: DeviceName) -> Line:
    """Find the line of this worker; it is made when the first tile comes."""
    try:
        worker: Worker = get_worker()
    except ValueError:
        return _line("", device, CPU_COUNT)
    return _line(worker.address, device, worker.state.nthreads)


@cache
def _line(_address: str, device: DeviceName, n_thread: int) -> Line:
    return Line(n_thread if device == "cpu" else 1)
