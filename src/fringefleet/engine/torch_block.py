"""Inversion of one block on the device: copied there, solved in batches, and copied back.

A *load* is the set of pixels on the device at once: the whole block, or fewer where memory runs out. A
*batch* is the set solved at once. Copies and solving of different blocks overlap: a block waits for its turn
to solve only once its load is on the device, and releases it before its result is copied back.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.engine import device as devices
from fringefleet.engine.batch_solver import BatchSolver
from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.engine.context import FlatBlock, InversionContext
from fringefleet.engine.footprint import even_batch
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.transfer import RawBatch, bring_back, part_of, room_for, send
from fringefleet.engine.workspaces import BlockPlace, WorkspacePool
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.options import Options
from fringefleet.products.pair_sums import zero_pair_sums
from fringefleet.products.registry import kinds_of

logger = logging.getLogger(__name__)

SMALLEST_BATCH = 256  # pixels; a device without memory for that has no memory for anything


def invert_in_torch(
    block: FlatBlock,
    scene: InversionContext,
    options: Options,
    watch: Stopwatch,
    place: BlockPlace,
    n_pixel: int,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Invert a block as :func:`fringefleet.engine.direct.invert_directly` does, with sums over pairs."""
    device = devices.select(options.device)
    with torch.inference_mode(), devices.one_thread(device), devices.own_stream(device):
        loads = DeviceBlock(block, scene, options, device, n_pixel)
        loads.invert(watch, place)
    return loads.answer, loads.pair_sums


class DeviceBlock:
    """Loads of one block.

    Parameters
    ----------
    block
        Observations.
    scene, options
        Context and options of the inversion.
    device
        Device to solve on.
    n_pixel
        Maximum number of pixels solved at once.
    """

    def __init__(
        self, block: FlatBlock, scene: InversionContext, options: Options, device: torch.device, n_pixel: int
    ) -> None:
        self._block, self._scene, self._options, self._device = block, scene, options, device
        self._n_block, self._n_pixel = block.observed.shape[1], n_pixel
        self._n_load = self._n_block
        self._kinds = kinds_of(options, scene.network.n_date)
        self.pair_sums = zero_pair_sums(scene.network)
        self.answer: dict[str, NDArray[Any]] = {}  # (..., pixel), by name

    def invert(self, watch: Stopwatch, place: BlockPlace) -> None:
        """Invert all pixels; the results are in ``answer`` and ``pair_sums``.

        Raises
        ------
        Exception
            Any error of the solver, for example if memory does not suffice for the smallest batch.
        """
        whole = slice(0, self._n_block)
        if not devices.has_own_memory(self._device):
            self._make_answer(place)
            raw = send(self._block, whole, self._device)
            with place.turn(), watch.time("solve"):
                self.pair_sums += self._solve(raw, whole, place.workspaces)[1]
            return
        n_done = 0
        while n_done < self._n_block:
            load, raw = self._send_from(n_done, watch)
            if load.stop == self._n_block:
                place.arrived()  # nothing is read on the host from here on
            self._invert_load(raw, load, watch, place)
            n_done = load.stop

    def _send_from(self, first: int, watch: Stopwatch) -> tuple[slice, RawBatch]:
        """Copy as many pixels to the device as fit."""
        while True:
            load = slice(first, min(first + self._n_load, self._n_block))
            try:
                with watch.time("copy"):
                    return load, send(self._block, load, self._device)
            except (MemoryError, RuntimeError) as error:
                if not _may_be_halved(error, load.stop - load.start):
                    raise
            self._n_load = _half(load.stop - load.start, "on the device")
            devices.release_memory(self._device)

    def _invert_load(self, raw: RawBatch, load: slice, watch: Stopwatch, place: BlockPlace) -> None:
        """Solve the pixels on the device and copy the results back; in parts if memory does not suffice."""
        n_done, n_part = load.start, load.stop - load.start
        while n_done < load.stop:
            part = slice(n_done, min(n_done + n_part, load.stop))
            try:
                here = slice(part.start - load.start, part.stop - load.start)
                self._invert_part(part_of(raw, here), part, watch, place)
                n_done = part.stop
                continue
            except (MemoryError, RuntimeError) as error:
                if not _may_be_halved(error, part.stop - part.start):
                    raise
            n_part = _half(part.stop - part.start, "copied back at once")
            devices.release_memory(self._device)

    def _invert_part(self, raw: RawBatch, pixels: slice, watch: Stopwatch, place: BlockPlace) -> None:
        with place.turn(), watch.time("solve"):
            there, sums = self._solve(raw, pixels, place.workspaces)
            devices.synchronize(self._device)
        self._make_answer(place)
        with watch.time("copy"):
            bring_back(there, self.answer, pixels, self._device)
        self.pair_sums += sums

    def _make_answer(self, place: BlockPlace) -> None:
        """Request memory for the result, once."""
        if not self.answer:
            self.answer = place.make_answer(self._kinds, self._n_block)

    def _solve(
        self, raw: RawBatch, pixels: slice, workspaces: WorkspacePool
    ) -> tuple[dict[str, Tensor], NDArray[np.float64]]:
        """Solve pixels that are on the device, in smaller batches where memory runs out."""
        there = room_for(self._kinds, self.answer, pixels, self._device)
        sums, n_load, n_done = np.zeros_like(self.pair_sums), pixels.stop - pixels.start, 0
        while n_done < n_load:
            n_pixel = even_batch(n_load, self._n_pixel)
            try:
                for done, more in self._solve_from(n_done, n_pixel, raw, there, workspaces):
                    n_done, sums = done, sums + more
                continue
            except (MemoryError, RuntimeError) as error:
                if not _may_be_halved(error, n_pixel):
                    raise
            self._n_pixel = _half(n_pixel, "at once")
            workspaces.lower_size(self._scene.network, self._options, self._n_pixel)
            devices.release_memory(self._device)
        return there, sums

    def _make_batches(self, n_pixel: int) -> BatchSolver:
        plan = plan_elimination(self._scene.network, self._scene.reference_date)
        with devices.shared_memory(self._device):
            return BatchSolver(plan, self._scene, self._options, n_pixel, self._device)

    def _solve_from(
        self, n_done: int, n_pixel: int, raw: RawBatch, there: Mapping[str, Tensor], workspaces: WorkspacePool
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Solve batch after batch; yield the number of pixels done, and the sums over pairs of the batch."""
        n_load = raw.observed.shape[1]
        key = repr(self._scene), self._options, n_pixel, self._device  # repr: NaN does not equal itself
        with workspaces.lent(key, partial(self._make_batches, n_pixel)) as batches:
            for pixels in _batches(n_done, n_load, n_pixel):
                check_not_stopped()
                yield pixels.stop, _solve_batch(batches, raw, there, pixels, n_done - pixels.start)
                n_done = pixels.stop


def _solve_batch(
    batches: BatchSolver, raw: RawBatch, there: Mapping[str, Tensor], pixels: slice, n_done: int
) -> NDArray[np.float64]:
    """Solve a batch whose first ``n_done`` pixels were done before; return its sums over pairs."""
    answer = batches.invert(part_of(raw, pixels), n_done=n_done)
    for name, values in answer.variables.items():
        there[name][..., pixels] = values
    return answer.pair_sums


def _batches(n_done: int, n_load: int, n_pixel: int) -> Iterator[slice]:
    """Cut the rest of a load into batches of one shape; the last one overlaps the one before it."""
    for first in range(n_done, n_load, n_pixel):
        start = min(first, n_load - n_pixel)
        yield slice(start, start + n_pixel)


def _may_be_halved(error: BaseException, n_pixel: int) -> bool:
    return devices.is_out_of_memory(error) and n_pixel > SMALLEST_BATCH


def _half(n_pixel: int, where: str) -> int:
    logger.warning("out of memory with %d pixels %s; continuing with half as many", n_pixel, where)
    return max(SMALLEST_BATCH, n_pixel // 2)
