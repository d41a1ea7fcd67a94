"""Slots for the tiles of a worker: while one is solved, the next is read and the last one written.

A tile goes through the same steps wherever it is computed: it borrows memory, is read into it, waits for its
turn to be solved, returns the memory, borrows other memory for its result, and is written. All tiles of a
process share :class:`WorkerSlots`, which bounds their number at each step, and thus the memory: a worker
whose disk is slow to write soon stops reading.

On a GPU two tiles are on the device: one is solved, while the other is copied to it or from it. Host memory
is then page-locked, and reused for other tiles as soon as one has been copied.

Once a tile has been read, its task leaves Dask's thread (:func:`distributed.secede`), which starts the next
one. It therefore does not matter who started the workers, and with how many threads: one is enough.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from queue import LifoQueue
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from dask.system import CPU_COUNT
from distributed import Worker, secede
from numpy.typing import NDArray

from fringefleet.choices import DeviceName
from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace, WorkspacePool
from fringefleet.execution.memory_model import BEHIND_GPU, ON_DEVICE, READ_AHEAD, WRITE_BEHIND
from fringefleet.io.files.memory import Allocate, TileBuffer, lending, plain
from fringefleet.processes.worker_info import this_worker


class WorkerSlots:
    """Memory and turns shared by the tiles of one worker.

    Parameters
    ----------
    n_turn
        Number of tiles solved at the same time: one on a GPU, on a CPU the number of the worker's threads.
    n_on_device
        Number of tiles on a device with memory of its own at the same time; None: there is no such device.
    allocate
        Function that allocates memory for tiles.
    """

    def __init__(self, n_turn: int, n_on_device: int | None = None, allocate: Allocate = plain) -> None:
        self.turns = threading.Semaphore(n_turn)
        self.on_device = threading.Semaphore(n_on_device or n_turn)
        self.workspaces = WorkspacePool()
        self._allocate = allocate
        self._n_buffer = n_turn + READ_AHEAD
        self._n_answer = n_turn + (WRITE_BEHIND if n_on_device is None else BEHIND_GPU)
        self._buffers: LifoQueue[TileBuffer] = LifoQueue()  # the last one used is most likely in cache
        self._answers: LifoQueue[TileBuffer] = LifoQueue()
        self._renew()
        self._n_tile = 0
        self._counting = threading.Lock()

    @contextmanager
    def place(self, watch: Stopwatch, *, lends_answer: bool = True) -> Iterator["TileSlot"]:
        """Wait for memory for a tile, and hold what the tile borrows until it is written.

        Parameters
        ----------
        watch
            Stopwatch for the time that the tile waits.
        lends_answer
            Whether the memory of the result is lent as well; otherwise the tile keeps its own.
        """
        with self._counted(), ExitStack() as memory, ExitStack() as answer:
            with watch.time("wait"):
                buffer = self._buffers.get()
            memory.callback(self.give_back, buffer)
            yield TileSlot(self, buffer, watch, (memory, answer if lends_answer else None))

    def give_back(self, buffer: TileBuffer) -> None:
        """Return the memory of observations that are no longer needed, for the next tile."""
        self._buffers.put(buffer)

    def borrow_answer(self) -> TileBuffer:
        """Wait for memory for a result."""
        buffer = self._answers.get()
        buffer.begin()
        return buffer

    def give_back_answer(self, buffer: TileBuffer) -> None:
        """Return the memory of a result that is written, for the next tile."""
        self._answers.put(buffer)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the tiles; when none is left, release the memory to the system."""
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
        """Replace all buffers by empty ones."""
        for queue, number in ((self._buffers, self._n_buffer), (self._answers, self._n_answer)):
            while not queue.empty():
                queue.get()
            for _ in range(number):
                queue.put(TileBuffer(self._allocate))
        self.workspaces.clear()


class TileSlot(BlockPlace):
    """Memory and turn of one tile.

    The memory that it is read into, and that of its result if lent, are returned when the two contexts of
    ``holds`` close.
    """

    def __init__(
        self,
        slots: WorkerSlots,
        buffer: TileBuffer,
        watch: Stopwatch,
        holds: tuple[ExitStack, ExitStack | None],
    ) -> None:
        super().__init__(slots.workspaces)
        self._slots, self._buffer, self.watch = slots, buffer, watch
        self._memory, self._answer = holds
        self._answer_buffer: TileBuffer | None = None

    @contextmanager
    def reading(self, n_byte: int = 0) -> Iterator[None]:
        """Direct what is read meanwhile to the memory of this tile; afterwards the next one may be read.

        Parameters
        ----------
        n_byte
            Number of bytes that will be read, if known.
        """
        check_not_stopped()
        with lending(self._buffer, n_byte):
            yield
        begin_next()

    @contextmanager
    def solving(self) -> Iterator[None]:
        """Wait until the device has room for this tile; afterwards its observations must not be accessed."""
        with self._one_of(self._slots.on_device):
            yield
        self.arrived()

    def turn(self) -> AbstractContextManager[None]:
        """Wait for the turn of this tile to be solved."""
        return self._one_of(self._slots.turns)

    @contextmanager
    def _one_of(self, places: threading.Semaphore) -> Iterator[None]:
        """Wait for one of a limited number of places, and hold it."""
        with ExitStack() as held:
            with self.watch.time("wait"):
                held.enter_context(places)
            check_not_stopped()
            yield

    def arrived(self) -> None:
        """Return the memory that this tile was read into."""
        self._memory.close()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array for the result; waits for memory at the first request."""
        if self._answer is None:
            return np.empty(shape, dtype)
        if self._answer_buffer is None:
            with self.watch.time("wait"):
                self._answer_buffer = self._slots.borrow_answer()
            self._answer.callback(self._slots.give_back_answer, self._answer_buffer)
        return self._answer_buffer.take(shape, dtype)


def begin_next() -> None:
    """Let the worker start another task while this one continues, if called by a task."""
    with suppress(ValueError):  # not called by a task
        secede()


def slots_of(device: DeviceName) -> WorkerSlots:
    """Return the slots of this worker; they are made for the first tile."""
    worker = this_worker()
    with _making:
        slots = _slots_of_workers.setdefault(worker, {}) if worker is not None else _slots_of_threads
        if device not in slots:
            n_thread = CPU_COUNT if worker is None else worker.state.nthreads
            slots[device] = (
                WorkerSlots(n_thread) if device == "cpu" else WorkerSlots(1, ON_DEVICE, _page_locked)
            )
        return slots[device]


def _page_locked(n_byte: int) -> NDArray[np.uint8]:
    from fringefleet.engine.device import page_locked  # noqa: PLC0415 - torch

    return page_locked(n_byte)


_making = threading.Lock()
_slots_of_threads: dict[DeviceName, WorkerSlots] = {}  # of this process, where it is not a worker
_slots_of_workers: WeakKeyDictionary[Worker, dict[DeviceName, WorkerSlots]] = WeakKeyDictionary()
