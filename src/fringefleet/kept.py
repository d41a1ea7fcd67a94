"""Workspaces of blocks that were solved before, kept for those that come."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fringefleet import device as devices
from fringefleet.batch import Batches
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import Plan, plan_elimination
from fringefleet.scene import Scene


class Kept:
    """The workspaces that a process has for batches of blocks, one for each block that is solved at once.

    The last one that was used is kept for each; blocks at the edge of a scene, whose batches have another
    shape, take its place.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[Any, Batches]] = []
        self._sizes: dict[tuple[Network, Options], int] = {}
        self._lock = threading.Lock()

    def size(self, network: Network, options: Options, find: Callable[[Plan, Options], int]) -> int:
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
    def lent(self, scene: Scene, options: Options, n_pixel: int, device: torch.device) -> Iterator[Batches]:
        """Lend a workspace for batches of a shape; one in which something failed is not kept."""
        wanted = repr(scene), options, n_pixel, device  # NaN, as in a scene, is not even the same as itself
        with self._lock:
            found = next((batches for key, batches in self._idle if key == wanted), None)
            if self._idle:  # the one, or room for the one that is made
                self._idle = [pair for pair in self._idle if pair[1] is not found][found is None :]
        if found is None:
            plan = plan_elimination(scene.network, scene.reference_date)
            with devices.shared_memory(device):
                found = Batches(plan, scene, options, n_pixel, device)
        yield found
        with self._lock:
            self._idle.append((wanted, found))

    def clear(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._idle.clear()
            self._sizes.clear()
