"""The place of a block among others of its process, and workspaces kept for the blocks that come."""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.network.network import Network
from fringefleet.options import Options

_Lent = TypeVar("_Lent")


class WorkspacePool:
    """The workspaces that a process has for batches of blocks, one for each block that is solved at once.

    The last one that was used is kept for each; blocks at the edge of a scene, whose batches have another
    shape, take its place.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[Hashable, Any]] = []
        self._sizes: dict[tuple[Network, Options], int] = {}
        self._lock = threading.Lock()

    def size(
        self, network: Network, options: Options, find: Callable[[EliminationPlan, Options], int]
    ) -> int:
        """Say how many pixels go through the solver at once; what was found first holds.

        The memory that is free on a device later on is what the workspaces kept here leave.
        """
        key = network, options
        with self._lock:
            if key not in self._sizes:
                self._sizes[key] = find(plan_elimination(network), options)
            return self._sizes[key]

    def lower_size(self, network: Network, options: Options, n_pixel: int) -> None:
        """Let fewer pixels go through the solver at once from now on, as the device ran out of memory."""
        with self._lock:
            self._sizes[network, options] = min(n_pixel, self._sizes.get((network, options), n_pixel))

    @contextmanager
    def lent(self, wanted: Hashable, make: Callable[[], _Lent]) -> Iterator[_Lent]:
        """Lend a workspace; one in which something failed is not kept.

        Parameters
        ----------
        wanted
            What tells it from others.
        make
            Makes one, where none is kept.
        """
        with self._lock:
            found = next((workspace for key, workspace in self._idle if key == wanted), None)
            if self._idle:  # the one, or room for the one that is made
                self._idle = [pair for pair in self._idle if pair[1] is not found][found is None :]
        if found is None:
            found = make()
        yield found
        with self._lock:
            self._idle.append((wanted, found))

    def clear(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._idle.clear()
            self._sizes.clear()


class BlockPlace:
    """The place of a block that nothing else is solved beside; see :mod:`fringefleet.execution.slots`."""

    def __init__(self, workspaces: WorkspacePool | None = None) -> None:
        self.workspaces = workspaces or WorkspacePool()

    def turn(self) -> AbstractContextManager[None]:
        """Wait until the block may be solved, and keep others from it meanwhile."""
        return nullcontext()

    def arrived(self) -> None:
        """Hear that the observations are on the device, and not needed on the host any more."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Make an array for the answer, whose numbers are not set yet."""
        return np.empty(shape, dtype)

    def make_answer(
        self, kinds: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], n_pixel: int
    ) -> dict[str, NDArray[Any]]:
        """Make the arrays of an answer, (..., pixel), by the names of its variables."""
        return {name: self.empty((*shape, n_pixel), dtype) for name, (shape, dtype) in kinds.items()}
