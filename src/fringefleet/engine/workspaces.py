"""Place of a block among others of its process, and workspaces that are reused by later blocks."""

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
    """Workspaces of a process for batches of blocks, one for each block solved at once.

    For each the last one used is kept; blocks at the edge of a scene, whose batches have another shape,
    replace it.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[Hashable, Any]] = []
        self._sizes: dict[tuple[Network, Options], int] = {}
        self._lock = threading.Lock()

    def size(
        self, network: Network, options: Options, find: Callable[[EliminationPlan, Options], int]
    ) -> int:
        """Return the batch size; the first one determined is kept.

        Later the free memory of a device is reduced by the workspaces kept here.
        """
        key = network, options
        with self._lock:
            if key not in self._sizes:
                self._sizes[key] = find(plan_elimination(network), options)
            return self._sizes[key]

    def lower_size(self, network: Network, options: Options, n_pixel: int) -> None:
        """Reduce the batch size from now on, because the device ran out of memory."""
        with self._lock:
            self._sizes[network, options] = min(n_pixel, self._sizes.get((network, options), n_pixel))

    @contextmanager
    def lent(self, wanted: Hashable, make: Callable[[], _Lent]) -> Iterator[_Lent]:
        """Lend a workspace; it is discarded if an error occurs.

        Parameters
        ----------
        wanted
            Key of the workspace.
        make
            Function that makes one, where none is kept.
        """
        with self._lock:
            found = next((workspace for key, workspace in self._idle if key == wanted), None)
            if self._idle:  # the wanted one, or one to replace
                self._idle = [pair for pair in self._idle if pair[1] is not found][found is None :]
        if found is None:
            found = make()
        yield found
        with self._lock:
            self._idle.append((wanted, found))

    def clear(self) -> None:
        """Release the memory."""
        with self._lock:
            self._idle.clear()
            self._sizes.clear()


class BlockPlace:
    """Place of a block that is solved alone; see :mod:`fringefleet.execution.slots`."""

    def __init__(self, workspaces: WorkspacePool | None = None) -> None:
        self.workspaces = workspaces or WorkspacePool()

    def turn(self) -> AbstractContextManager[None]:
        """Wait until the block may be solved, and exclude others meanwhile."""
        return nullcontext()

    def arrived(self) -> None:
        """Note that the observations are on the device, and no longer needed on the host."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an uninitialised array for the result."""
        return np.empty(shape, dtype)

    def make_answer(
        self, kinds: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], n_pixel: int
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of a result, (..., pixel), by name of its variable."""
        return {name: self.empty((*shape, n_pixel), dtype) for name, (shape, dtype) in kinds.items()}
