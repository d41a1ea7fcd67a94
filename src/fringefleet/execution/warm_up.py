"""Dask preload module that prepares a worker for its first tile while others start, and lets it end quickly.

Light to import, as every worker imports it before it starts. The worker continues meanwhile: it registers,
and its first tile waits behind the warm-up, which occupies the thread of a tile.
"""

import asyncio
import atexit
import logging
import multiprocessing
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dask
from distributed import Worker

from fringefleet.choices import DeviceName
from fringefleet.importing import claim_process, without_collection
from fringefleet.processes.preload import DEVICE, FAILURES_ARE_SAID, OPTIONS
from fringefleet.processes.worker_logging import COMPUTE_FAILED, HEARTBEAT_FAILED, keep_log, log_foreign

FIRST_USED = (
    "fringefleet.execution.graph",
    "fringefleet.execution.tasks",
    "fringefleet.execution.stack_check",
    "fringefleet.io.lazy.versioned",
)  # by a tile

logger = logging.getLogger(__name__)


def dask_setup(worker: Worker) -> None:
    """Start the warm-up, and make a process end immediately once its worker is closed."""
    device, options = dask.config.get(DEVICE, "cpu"), dask.config.get(OPTIONS, {})
    if multiprocessing.parent_process() is not None:  # else the worker is a thread of another program
        keep_log()
        claim_process()
        atexit.register(_end)
        if dask.config.get(FAILURES_ARE_SAID, default=False):
            logging.getLogger("distributed.worker").addFilter(is_said_by_nobody_else)
    worker.executors["default"].submit(_try_to_warm_up, device, options)


def is_said_by_nobody_else(record: logging.LogRecord) -> bool:
    """Return whether a message is not one of a failed task, lost scheduler or cancelled step.

    Those are for debugging only.
    """
    is_cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    if not is_cancelled and not record.getMessage().startswith((COMPUTE_FAILED, HEARTBEAT_FAILED)):
        return True
    log_foreign(record)
    return False


def dask_teardown(_worker: Worker) -> None:
    """Note that the worker has been closed."""
    _is_closed.append(True)


def warm_up(device: DeviceName, options: Mapping[str, Any] | None = None) -> None:
    """Import what tiles need, and solve a few pixels, so that code for them is compiled or loaded.

    On a GPU this also creates its context.

    Parameters
    ----------
    device
        Device that tiles will be solved on.
    options
        Other fields of :class:`~fringefleet.options.Options` that tiles will be solved with.

    Raises
    ------
    DeviceError
        The device is not available.
    """
    with without_collection():
        for name in FIRST_USED:
            import_module(name)
        from fringefleet.engine.block import invert_block  # noqa: PLC0415 - a preload is to be light
    import numpy as np  # noqa: PLC0415

    from fringefleet.engine.context import Block, InversionContext  # noqa: PLC0415
    from fringefleet.network.network import Network  # noqa: PLC0415 - a preload is to be light
    from fringefleet.options import Options  # noqa: PLC0415

    wanted = dict(options or {})
    if wanted.pop("dem_error", False):  # which needs more pixels than these
        import_module("fringefleet.engine.torch_block")
    days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    network = Network(days, ((0, 1), (1, 2), (0, 2)))
    scene = InversionContext(network, 0, (0.0,) * network.n_pair, wavelength=0.0555, looks=8)
    pixels = np.ones((network.n_pair, 8, 8), np.float32)
    invert_block(Block(pixels, coherence=pixels / 2), scene, Options(device=device, **wanted))


def _try_to_warm_up(device: DeviceName, options: Mapping[str, Any]) -> None:
    try:
        warm_up(device, options)
    except Exception as error:  # the first tile meets it again, and reports it
        logger.debug("could not warm up: %s", error)


def _end() -> None:
    """End this process without cleaning up modules, which takes a third of the time of their import."""
    if _is_closed:
        os._exit(0)


_is_closed: list[bool] = []
