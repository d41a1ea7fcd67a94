"""Several tiles on their way in one worker: while one is solved the next is read, and the last one written.

A tile goes through the same steps wherever it is computed: it borrows memory, is read into it, waits for its
turn to be solved, gives the memory back, and is written. All tiles of a process share a :class:`Line`, which
bounds how many are at each step, and so the memory: a worker whose disk is slow to write soon stops reading.

When a tile has been read its task leaves Dask's thread (:func:`distributed.secede`), which begins the next
one. So it makes no difference who started the workers, and with how many threads: one is enough.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from queue import LifoQueue
from weakref import WeakKeyDictionary

from dask.system import CPU_COUNT
from distributed import Worker, secede

from fringefleet.choices import DeviceName
from fringefleet.io.memory import Slab, lending
from fringefleet.stopwatch import Stopwatch
from fringefleet.worker import this_worker

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
        self.turns = threading.Semaphore(n_turn)
        self.answers = threading.Semaphore(n_turn + WRITE_BEHIND)  # that are not written yet
        self._n_slab = n_turn + READ_AHEAD
        self._slabs: LifoQueue[Slab] = LifoQueue()  # the one that was used last is the warmest
        self._renew()
        self._n_tile = 0
        self._counting = threading.Lock()

    @contextmanager
    def place(self, watch: Stopwatch) -> Iterator["Place"]:
        """Wait for memory for a tile, and hold it until the tile is solved.

        Parameters
        ----------
        watch
            Told how long the tile waits.
        """
        with self._counted(), ExitStack() as memory, ExitStack() as answer:
            with watch.time("wait"):
                slab = self._slabs.get()
            memory.callback(self.give_back, slab)
            yield Place(self, slab, watch, memory, answer)

    def give_back(self, slab: Slab) -> None:
        """Let the next tile have the memory of one that has been solved."""
        self._slabs.put(slab)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the tiles; when there is none any more, the memory is given back to the system."""
        with self._counting:
            self._n_tile += 1
        try:
            yield
        finally:
            with self._counting:
                self._n_tile -= 1
                if self._n_tile == 0:
                    self._renew()

    def _renew(self) -> None:
        """Begin with slabs that have no memory yet."""
        while not self._slabs.empty():
            self._slabs.get()
        for _ in range(self._n_slab):
            self._slabs.put(Slab())


@dataclass(frozen=True)
class Place:
    """One tile in a line; ``memory`` and ``answer`` give back what the tile holds of it when they close."""

    line: Line
    slab: Slab
    watch: Stopwatch
    memory: ExitStack
    answer: ExitStack

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let what is read meanwhile go to the memory of this tile; then the next one may be read."""
        with lending(self.slab):
            yield
        begin_next()

    @contextmanager
    def solving(self) -> Iterator[None]:
        """Wait for the turn of this tile; afterwards nobody may look at what was read of it."""
        with ExitStack() as turn:
            with self.watch.time("wait"):
                self.answer.enter_context(self.line.answers)
                turn.enter_context(self.line.turns)
            yield
        self.memory.close()


def begin_next() -> None:
    """Let the worker begin another task while this one goes on, if this is one."""
    with suppress(ValueError):  # it is none
        secede()


def line_of(device: DeviceName) -> Line:
    """Find the line of this worker; it is made when the first tile comes."""
    worker = this_worker()
    with _making:
        lines = _lines_of_workers.setdefault(worker, {}) if worker is not None else _lines_of_threads
        if device not in lines:
            n_thread = CPU_COUNT if worker is None else worker.state.nthreads
            lines[device] = Line(n_thread if device == "cpu" else 1)
        return lines[device]


_making = threading.Lock()
_lines_of_threads: dict[DeviceName, Line] = {}  # of this process, where it is no worker
_lines_of_workers: WeakKeyDictionary[Worker, dict[DeviceName, Line]] = WeakKeyDictionary()
